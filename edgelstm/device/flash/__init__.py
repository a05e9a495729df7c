"""Runners that write a program to a chip. There is one: `gdb`, for any running gdb server."""

from edgelstm.device.flash.gdb import FlashResult, GdbFlasher, parse_address
from edgelstm.device.flash.image import Segment, read_segments

__all__ = ["FlashResult", "GdbFlasher", "Segment", "parse_address", "read_segments"]
