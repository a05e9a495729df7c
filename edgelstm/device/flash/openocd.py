"""The flash runner `openocd`: debug probes of most makers, chips of most makers."""

import re

from edgelstm.device.flash.failures import Failure
from edgelstm.device.flash.image import FirmwareImage
from edgelstm.device.flash.interface import FlashJob
from edgelstm.device.flash.made_images import elf_file
from edgelstm.device.flash.options import Key
from edgelstm.device.flash.program import Command, ProgramRunner, Script
from edgelstm.device.flash.selftest import exit_code_shown
from edgelstm.device.process import Completed

_NO_PORTS = ("-c", "gdb_port disabled", "-c", "tcl_port disabled", "-c", "telnet_port disabled")
"""Nobody is to connect, and another OpenOCD may hold the ports."""

_OWN_LINE = re.compile(
    r"Open On-Chip Debugger|Licensed under|For bug reports|\s+http|(?:Info|Warn|Error|Debug) ?:|semihosting is |"
    r"target halted|xPSR: |shutdown command invoked"
)
_NO_PROBE = (
    r"Error: (open failed|unable to find a matching|no device found|libusb_open|Cannot find|no.*jlink device found|"
    r"couldn't open|unable to open)"
)
_NO_CHIP = (
    r"unable to connect to the target|Invalid ACK|IR capture error|Error connecting DP|Could not find MEM-AP|"
    r"Examination failed|target not examined|scan chain interrogation failed"
)


class OpenOcdRunner(ProgramRunner):
    """Programs and verifies, then serves the firmware's semihosting until it exits."""

    name = "openocd"
    reached_by = ("probe",)
    keys = (
        Key("interface", "the probe's file in OpenOCD's folder interface, such as \"stlink\""),
        Key("target", "the chip's file in OpenOCD's folder target, such as \"stm32f4x\""),
        Key("transport", 'how the probe speaks to the chip, where it can do both: "swd" or "jtag"', default=""),
    )
    program = "openocd"
    install = "install openocd (apt-get install openocd, brew install open-ocd)"
    verifies = "when asked"
    failures = (
        Failure(
            r"Can't find (\S+)",
            "it has no file {0}",
            "correct [flash.openocd] in the target's file, or update OpenOCD",
        ),
        Failure(
            r"LIBUSB_ERROR_ACCESS", "it may not use the probe", "install OpenOCD's udev rules, then plug it in again"
        ),
        Failure(
            _NO_PROBE, "there is no debug probe", "plug it in; where there are several, name one by --probe SERIAL"
        ),
        Failure(
            r"(?:UNEXPECTED idcode|expected \d+ of \d+|device id.*unknown|Cannot identify target|auto_probe failed)",
            "another chip is connected than the target says",
            "choose the --target of the board, or correct [flash.openocd]",
        ),
        Failure(
            _NO_CHIP,
            "the chip does not answer",
            "check wiring and power, and hold the board's reset while you try again",
        ),
        Failure(
            r"checksum mismatch|\*\* Verify Failed",
            "what was read back differs",
            "check that the flash is not write-protected",
        ),
        Failure(
            r"\*\* Programming Failed|failed erasing|write protect|no flash bank found",
            "the chip refused the program",
            "check that it is built for this chip, and that the flash is not write-protected",
        ),
    )

    def script(self, job: FlashJob, image: FirmwareImage) -> Script:
        """One run that programs, and one that watches."""
        connect = [self.program, *_NO_PORTS, "-f", f"interface/{self.options.text('interface')}.cfg"]
        if job.connection.probe:
            connect += ["-c", f"adapter serial {_tcl_word(job.connection.probe)}"]
        if transport := self.options.text("transport"):
            connect += ["-c", f"transport select {transport}"]
        connect += ["-f", f"target/{self.options.text('target')}.cfg"]
        verify = " verify" if job.verify else ""
        # `program` puts the name into another script, which is evaluated: it must be a word without quotes.
        program = f"program firmware.elf{verify} exit"
        proof = r"\*\* Verified OK \*\*" if job.verify else r"\*\* Programming Finished \*\*"
        commands = [Command((*connect, "-c", program), proof)]
        if job.run:
            # `sleep` serves requests meanwhile; the firmware's exit ends OpenOCD with its code.
            steps = ("init", "arm semihosting enable", "reset run", f"sleep {int(1000 * job.wait_s)}", "shutdown")
            commands.append(Command((*connect, *(word for step in steps for word in ("-c", step))), watches=True))
        return Script(tuple(commands), (elf_file(job.elf),))

    def exit_code(self, watched: Completed) -> int | None:
        """OpenOCD's own, if the firmware ended it; a firmware that says nothing may end with 0 alone."""
        shown = exit_code_shown(watched.output)
        if shown == 0 and "shutdown command invoked" not in watched.output:
            return watched.exit_code
        return shown

    def said(self, watched: Completed) -> str:
        """Without OpenOCD's own lines."""
        lines = [line for line in watched.output.splitlines() if line.strip() and _OWN_LINE.match(line) is None]
        return "".join(f"{line}\n" for line in lines)

    def note(self, job: FlashJob) -> str:
        """How to look for it by gdb."""
        return "it reported no self-test; `edgelstm flash --runner gdb` beside a running OpenOCD shows more"


def _tcl_word(text: str) -> str:
    """A word of Tcl that stands for exactly this text."""
    return re.sub(r"([^A-Za-z0-9_./:+-])", r"\\\1", text)
