"""Runners that write a program to a chip: `gdb` by our own code, the others by programs that must be installed."""

from edgelstm.device.flash.gdb import GdbFlasher, parse_address
from edgelstm.device.flash.image import Segment, read_segments
from edgelstm.device.flash.interface import Connection, FlashJob, FlashResult, FlashRunner
from edgelstm.device.flash.registry import FLASH_RUNNERS, choose_flash_runner

__all__ = [
    "FLASH_RUNNERS",
    "Connection",
    "FlashJob",
    "FlashResult",
    "FlashRunner",
    "GdbFlasher",
    "Segment",
    "choose_flash_runner",
    "parse_address",
    "read_segments",
]
