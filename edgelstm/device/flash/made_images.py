"""The files that programs want in place of the ELF."""

from pathlib import Path

from edgelstm.device.elf import read_elf
from edgelstm.device.flash.image import FirmwareImage, read_bytes
from edgelstm.device.flash.program import MadeFile
from edgelstm.device.images import to_binary, to_intel_hex
from edgelstm.errors import FlashError


def binary_file(elf: Path, image: FirmwareImage, address: int) -> MadeFile:
    """firmware.bin: the program's bytes from `address` on.

    Raises:
        FlashError: the program begins elsewhere.
        ToolError: it is too large.
    """
    first = image.segments[0].address
    if first != address:
        raise FlashError(
            f"{elf.name} begins at {first:#010x}, and this board is written from {address:#010x} on",
            "build it for the --target of the board",
        )
    content = to_binary(read_elf(elf).segments)
    return MadeFile("firmware.bin", content, f"the {len(content)} bytes of {elf.name} from {first:#010x} on")


def elf_file(elf: Path) -> MadeFile:
    """firmware.elf: the program, for those that read a file's name as more than a name; raises FlashError."""
    return MadeFile("firmware.elf", read_bytes(elf), copy_of=elf)


def hex_file(elf: Path) -> MadeFile:
    """firmware.hex: the program as Intel HEX; raises ToolError if it is too large."""
    parsed = read_elf(elf)
    content = to_intel_hex(parsed.segments, parsed.entry).encode()
    return MadeFile("firmware.hex", content, f"{elf.name} as Intel HEX")
