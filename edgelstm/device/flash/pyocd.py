"""The flash runner `pyocd`: CMSIS-DAP, J-Link and ST-Link probes, for Cortex-M."""

import re

from edgelstm.device.flash.failures import Failure
from edgelstm.device.flash.image import FirmwareImage
from edgelstm.device.flash.interface import FlashJob
from edgelstm.device.flash.options import Key
from edgelstm.device.flash.program import Command, ProgramRunner, Script
from edgelstm.device.process import Completed

_LOG_LINE = re.compile(r"\d{7} [A-Z] ")


class PyOcdRunner(ProgramRunner):
    """Programs, then resets the chip and serves the firmware's semihosting and RTT."""

    name = "pyocd"
    reached_by = ("probe",)
    # Names that are not built in are those of CMSIS packs: of the variant with its package, where a part has variants.
    keys = (Key("target", 'pyOCD\'s name of the chip, such as "stm32f446retx"; `pyocd pack find` shows it'),)
    program = "pyocd"
    module = "pyocd"
    install = "pip install pyocd"
    verifies = "never"
    failures = (
        Failure(
            r"Target type (\S+) not recognized",
            "it does not know the chip {0}",
            "`pyocd pack install` of that name gets it; or correct [flash.pyocd] in the target's file",
        ),
        Failure(
            r"No connected debug probe|No target device available|No probe selected",
            "there is no debug probe",
            "plug it in; `pyocd list` shows what it sees",
        ),
        Failure(r"multiple|more than one", "there are several debug probes", "name one by --probe SERIAL"),
        Failure(r"access denied|insufficient permissions", "it may not use the probe", "install pyOCD's udev rules"),
        Failure(
            r"No ACK|No cores were discovered|DP initialisation|unable to connect|transfer fault|Memory transfer",
            "the chip does not answer as the one of the target does",
            "check wiring and power, and that --target names this board",
        ),
        Failure(
            r"flash (erase|program|init)\w* .*fail|no flash memory|is not valid|programming failure|erase failure",
            "the chip refused the program",
            "check that it is built for this chip, and that the flash is not write-protected",
        ),
    )

    def script(self, job: FlashJob, image: FirmwareImage) -> Script:
        """One run that programs, and one that watches."""
        # Without --no-wait pyOCD waits for a probe for ever.
        chip = ["--no-wait", "-t", self.options.text("target")]
        if job.connection.probe:
            chip += ["-u", job.connection.probe]
        tool = self.command_line()
        load = (*tool, "flash", *chip, "--format", "elf", *(() if job.run else ("--no-reset",)), str(job.elf.resolve()))
        watch = (*tool, "run", *chip, "--timelimit", f"{job.wait_s:g}")
        return Script((Command(load), Command(watch, watches=True, goes_on=True)) if job.run else (Command(load),))

    def said(self, watched: Completed) -> str:
        """Without pyOCD's own lines."""
        return "".join(f"{line}\n" for line in watched.output.splitlines() if _LOG_LINE.match(line) is None)

    def note(self, job: FlashJob) -> str:
        """A pyOCD of 2025 or later watches by itself."""
        return "it reported no self-test; a pyOCD that has `pyocd run` shows it (pip install --upgrade pyocd)"
