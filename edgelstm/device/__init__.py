"""Targets as data, and everything that meets a real tool: compilers, emulators, flashers."""
