"""The flash runner `dfu`: boot loaders that speak USB's Device Firmware Upgrade with ST's extension for addresses."""

from edgelstm.device.flash.failures import Failure
from edgelstm.device.flash.image import FirmwareImage
from edgelstm.device.flash.interface import FlashJob
from edgelstm.device.flash.made_images import binary_file
from edgelstm.device.flash.options import Key
from edgelstm.device.flash.program import Command, ProgramRunner, Script


class DfuRunner(ProgramRunner):
    """Downloads a binary and lets the boot loader start it."""

    name = "dfu"
    reached_by = ("probe",)
    keys = (
        Key("id", 'the boot loader\'s USB vendor and product, such as "0483:df11"'),
        Key("address", "where the program begins", is_text=False),
    )
    program = "dfu-util"
    install = "install dfu-util (apt-get install dfu-util, brew install dfu-util)"
    verifies = "never"
    failures = (
        Failure(
            r"No DFU capable USB device|No such device|No DFU device",
            "there is no board in DFU mode",
            "start its boot loader (often: hold BOOT, press RESET), and check by `dfu-util --list`",
        ),
        Failure(r"More than one DFU capable", "there are several boards in DFU mode", "name one by --probe SERIAL"),
        Failure(
            r"Cannot open DFU device|LIBUSB_ERROR_ACCESS",
            "it may not use the board",
            "install a udev rule for it, or use sudo",
        ),
        Failure(
            r"Page at .* can not be|not writeable|Address .* (?:out of|not in)|Cannot find|does not support DfuSe",
            "another chip is connected than the target says",
            "choose the --target of the board, or correct [flash.dfu]",
        ),
        Failure(
            r"status\(\d+\) = (?!No error)(.*)|error during|download aborted",
            "the chip refused the program ({0})",
            "check that its flash is not write-protected, and try again after a reset",
        ),
    )

    def script(self, job: FlashJob, image: FirmwareImage) -> Script:
        """One command."""
        address = self.options.integer("address")
        argv = [self.program, "-d", self.options.text("id"), "-a", "0"]
        if job.connection.probe:
            argv += ["-S", job.connection.probe]
        argv += ["-s", f"{address:#010x}{':leave' if job.run else ''}", "-D", "firmware.bin"]
        # A board that leaves at once takes the last answer along, which dfu-util calls a failure.
        command = Command(tuple(argv), proof="File downloaded successfully|Download done", proof_suffices=job.run)
        return Script((command,), (binary_file(job.elf, image, address),))

    def note(self, job: FlashJob) -> str:
        """No cable of a boot loader carries it."""
        return "a DFU boot loader does not show what the firmware reports: a debug probe does, see --runner"
