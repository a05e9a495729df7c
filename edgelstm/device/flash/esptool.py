"""The flash runner `esptool`: Espressif's chips, over a serial port."""

from edgelstm.device.flash.failures import Failure
from edgelstm.device.flash.image import FirmwareImage
from edgelstm.device.flash.interface import FlashJob
from edgelstm.device.flash.made_images import binary_file
from edgelstm.device.flash.options import Key
from edgelstm.device.flash.program import Command, ProgramRunner, Script

IMAGE = "firmware.bin"
_WRITTEN_AS = {"esp8266": f"{IMAGE}0x00000.bin"}
"""What `elf2image` makes of the name, on chips whose image may have several files."""

_MODE = {"esp8266": ("--flash-mode", "dio")}
"""How the ROM reads its flash: on some modules two lines are wired, on most four."""


class EsptoolRunner(ProgramRunner):
    """Makes the image that the chip's ROM loads, has it checked, and writes it."""

    name = "esptool"
    reached_by = ("port", "baud")
    keys = (
        Key("chip", 'esptool\'s name of the chip, such as "esp32c3"'),
        Key("address", "where in flash the image begins", is_text=False),
        Key("baud", "bits per second", default=460800, is_text=False, least=300, most=10_000_000),
        Key(
            "format",
            '"image" for one that the ROM loads into RAM, "raw" for bytes that run in flash',
            "image",
            choices=("image", "raw"),
        ),
    )
    program = "esptool"
    module = "esptool"
    install = "pip install esptool"
    failures = (
        Failure(r"This chip is (\S+), not (\S+?)\.", "the chip is {0}, not {1}", "choose the --target of the board"),
        Failure(
            r"Could not open (\S+?),",
            "the serial port {0} cannot be opened",
            "check its name, and that no other program, such as a monitor, holds it",
        ),
        Failure(r"permission denied", "it may not use the serial port", "join the group dialout, then log in again"),
        Failure(
            r"No serial ports? (?:was |were )?found",
            "there is no serial port",
            "plug the board in, or name it by --port",
        ),
        Failure(
            r"failed to connect|Could not connect|No serial data received|Wrong boot mode",
            "the chip does not answer",
            "name the board's --port; hold its BOOT button while you try again",
        ),
        Failure(r"\(invalid", "the image that it made is damaged", "update esptool"),
        Failure(
            r"does not match|MD5 of file|hash.*mismatch",
            "what was read back differs",
            "try a lower --baud, or another cable",
        ),
    )

    def script(self, job: FlashJob, image: FirmwareImage) -> Script:
        """Make, check, write; a raw file is written as it is."""
        options = self.options
        tool = (*self.command_line(), "--chip", options.text("chip"))
        connect = ["--baud", str(job.connection.baud or options.integer("baud"))]
        if job.connection.port:
            connect += ["--port", job.connection.port]
        after = ("--after", "hard-reset" if job.run else "no-reset")
        written = _WRITTEN_AS.get(options.text("chip"), IMAGE) if options.text("format") == "image" else IMAGE
        place = (f"{options.integer('address'):#x}", written)
        write = Command((*tool, *connect, *after, "write-flash", *place), "Hash of data verified")
        if options.text("format") == "raw":
            return Script((write,), (binary_file(job.elf, image, self.chip.region("flash").origin),))
        # Segments lie where they are stored, sections where the program finds them after it has copied its data.
        mode = _MODE.get(options.text("chip"), ())
        make = (*tool, "elf2image", *mode, "--use-segments", "--output", IMAGE, str(job.elf.resolve()))
        check = Command((*tool, "image-info", written), r"Checksum: \S+ \(valid\)")
        return Script((Command(make, "Success"), check, write))

    def note(self, job: FlashJob) -> str:
        """Where to look."""
        return (
            "esptool does not show what the firmware reports; `edgelstm monitor` shows what it sends over a serial port"
        )
