"""The flash runner `jlink`: Segger's probes, by J-Link Commander."""

import sys

from edgelstm.device.flash.failures import Failure
from edgelstm.device.flash.image import FirmwareImage
from edgelstm.device.flash.interface import FlashJob
from edgelstm.device.flash.made_images import hex_file
from edgelstm.device.flash.options import Key
from edgelstm.device.flash.program import Command, MadeFile, ProgramRunner, Script


class JLinkRunner(ProgramRunner):
    """Programs by a command file. J-Link Commander serves no semihosting, so nobody sees what the firmware says."""

    name = "jlink"
    reached_by = ("probe",)
    keys = (
        Key("device", 'Segger\'s name of the chip, such as "STM32F446RE"'),
        Key("interface", '"SWD" or "JTAG"', "SWD", choices=("SWD", "JTAG")),
        Key("speed", "the clock of the interface in kHz", default=4000, is_text=False, least=5, most=50_000),
    )
    program = "JLink" if sys.platform == "win32" else "JLinkExe"
    install = "install Segger's J-Link software (https://www.segger.com/downloads/jlink)"
    failures = (
        Failure(
            r"Cannot connect to (?:the )?J-Link|Connecting to J-Link.*FAILED|No emulators? (?:connected|found)",
            "there is no J-Link",
            "plug it in; where there are several, name one by --probe SERIAL",
        ),
        Failure(
            r"(?:unknown device|is unknown to this|device .* not (?:found|supported)|Selected device.*unknown)",
            "it does not know the device, or another chip is connected",
            "correct [flash.jlink] in the target's file",
        ),
        Failure(
            r"(?:Cannot|Could not) connect to (?:the )?target|Could not find core|connection not established(?! yet)",
            "the chip does not answer",
            "check wiring and power, and that --target names this board",
        ),
        Failure(
            r"(?:Writing|Verification|Programming) failed|Failed to (?:erase|program|download)|Unspecified error",
            "the chip refused the program",
            "check that it is built for this chip, and that the flash is not write-protected",
        ),
    )

    def script(self, job: FlashJob, image: FirmwareImage) -> Script:
        """The command file and the one command that reads it."""
        steps = ["r", "h", "loadfile firmware.hex", *(("r", "g") if job.run else ()), "q"]
        options = self.options
        argv = [self.program, "-NoGui", "1", "-ExitOnError", "1", "-AutoConnect", "1"]
        argv += ["-Device", options.text("device"), "-If", options.text("interface")]
        argv += ["-Speed", str(options.integer("speed"))]
        if job.connection.probe:
            argv += ["-SelectEmuBySN", job.connection.probe]
        files = (hex_file(job.elf), MadeFile("flash.jlink", "".join(f"{step}\n" for step in steps).encode()))
        argv += ["-CommandFile", "flash.jlink"]
        # Commander's exit code is 0 after many failures, and "O.K." ends the line about the probe, too.
        write = Command(tuple(argv), proof=r"(?ms)^Downloading file.*?^O\.K\.", failure_shows=True)
        return Script((write,), files)

    def note(self, job: FlashJob) -> str:
        """Two ways to see it."""
        options = self.options
        device, interface, speed = options.text("device"), options.text("interface"), options.integer("speed")
        return (
            "J-Link Commander does not show what the firmware reports; to see it, run\n"
            f"  JLinkRTTLogger -Device {device} -If {interface} -Speed {speed} -RTTChannel 0 rtt.log\n"
            f"or `JLinkGDBServer -device {device} -if {interface} -speed {speed}` and "
            "`edgelstm flash --runner gdb --address :2331`"
        )
