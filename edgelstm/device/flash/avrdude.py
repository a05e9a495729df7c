"""The flash runner `avrdude`: AVR parts, through the boot loader of an Arduino or by a programmer."""

from dataclasses import replace

from edgelstm.device.flash.failures import Failure
from edgelstm.device.flash.image import FirmwareImage
from edgelstm.device.flash.interface import FlashJob
from edgelstm.device.flash.made_images import hex_file
from edgelstm.device.flash.options import Key
from edgelstm.device.flash.program import Command, ProgramRunner, Script
from edgelstm.errors import ProjectError

_BOOT_LOADERS = ("arduino", "wiring", "stk500v1", "stk500v2", "avr109", "urclock")
"""avrdude's names of programmers that are a program in the chip itself, behind a serial port. They cannot erase the
whole chip, and need not: they erase the pages that they write."""
_ANY_PORT = "PORT"


class AvrdudeRunner(ProgramRunner):
    """Writes and reads back; a board with a boot loader starts the program by itself."""

    name = "avrdude"
    reached_by = ("port", "baud")
    keys = (
        Key("part", 'avrdude\'s name of the chip, such as "m328p"'),
        Key("programmer", 'avrdude\'s name of the programmer, such as "arduino"'),
        Key("baud", "bits per second of a boot loader", default=115200, is_text=False, least=300, most=10_000_000),
    )
    program = "avrdude"
    install = "apt install avrdude"
    verifies = "when asked"
    failures = (
        Failure(
            r"[Cc]annot open port \"?([^\":\s]+)\"?.*: Permission denied",
            "it may not use {0}",
            "join the group dialout, then log in again",
        ),
        Failure(
            r"can(?:not|'t) open (?:port|device) \"?([^\":\s]+)",
            "the serial port {0} cannot be opened",
            "check its name, and that no other program, such as a monitor, holds it",
        ),
        Failure(r"Permission denied", "it may not use the serial port", "join the group dialout, then log in again"),
        Failure(
            r"[Ee]xpected signature for (\S+)|Double check chip",
            "another chip answers than {0}",
            "choose the --target of the board",
        ),
        Failure(
            r"not in sync|not responding|timeout|unable to open programmer",
            "the boot loader does not answer",
            "press the board's reset button while you try again; older boards want another --baud, such as 57600",
        ),
        Failure(r"verification (?:error|mismatch)", "what was read back differs", "try again, with another cable"),
        Failure(r"AVR [Pp]art \"?([^\"\s]+)\"? not found", "it does not know the part {0}", "update avrdude"),
        Failure(
            r"can(?:not|'t) find programmer id \"?([^\"\s]+)", "it does not know the programmer {0}", "update avrdude"
        ),
    )

    def plan(self, job: FlashJob) -> str:
        """The command, with a name that stands for the serial port where none is given yet."""
        if not self._wants_port() or job.connection.port:
            return super().plan(job)
        connection = replace(job.connection, port=_ANY_PORT)
        plan = super().plan(replace(job, connection=connection))
        return f"# {_ANY_PORT}: the board's serial port, which --port names\n{plan}"

    def script(self, job: FlashJob, image: FirmwareImage) -> Script:
        """One command does all of it."""
        options = self.options
        is_boot_loader = self._wants_port()
        if is_boot_loader and not job.connection.port:
            raise ProjectError("avrdude must know the serial port of the board", "name it by --port, as /dev/ttyACM0")
        argv = [self.program, "-p", options.text("part"), "-c", options.text("programmer")]
        if job.connection.port:
            argv += ["-P", job.connection.port]
        if is_boot_loader:
            argv += ["-b", str(job.connection.baud or options.integer("baud")), "-D"]
        elif job.connection.baud:
            argv += ["-b", str(job.connection.baud)]
        if not job.verify:
            argv.append("-V")
        write = Command((*argv, "-U", "flash:w:firmware.hex:i"), r"bytes of flash (?:verified|written)")
        return Script((write,), (hex_file(job.elf),))

    def _wants_port(self) -> bool:
        return self.options.text("programmer") in _BOOT_LOADERS

    def note(self, job: FlashJob) -> str:
        """Where to look."""
        return "avrdude does not show what the firmware reports; `edgelstm monitor` shows what it sends over the port"
