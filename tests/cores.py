"""The processor cores that tests go through: those whose firmware differs."""

from edgelstm.device.compilers import PROGRAMS
from edgelstm.device.runners.qemu import PROGRAMS as QEMU
from edgelstm.device.targets import list_cores, load_target

__all__ = ["AVR", "CORES", "GCC", "QEMU", "TWINS"]

GCC = {arch: programs[0] for arch, programs in PROGRAMS.items()}
"""Compilers and emulators by architecture."""

TWINS = ("cortex-m0plus", "rv32imac")
"""The same instructions as cortex-m0 and rv32imc, of all that edgelstm writes; `test_every_target` builds them."""
AVR = tuple(name for name in list_cores() if load_target(name).arch == "avr")
"""Without semihosting, and with one compiler and one emulator: they have tests of their own."""
CORES = tuple(name for name in list_cores() if name not in (*TWINS, *AVR))
