"""The flash runner `gdb`: any running gdb server. It needs no other program and no options of the target."""

from edgelstm.device.flash.belonging import require_processor
from edgelstm.device.flash.gdb import GdbFlasher, parse_address
from edgelstm.device.flash.image import read_image
from edgelstm.device.flash.interface import FlashJob, FlashResult, FlashRunner, Progress

DEFAULT_ADDRESS = "localhost:3333"


class GdbRunner(FlashRunner):
    """Speaks the protocol of gdb to a server, which is started by the user."""

    name = "gdb"
    reached_by = ("address",)

    def missing(self) -> str | None:
        """Nothing: the protocol is our own code."""
        return None

    def plan(self, job: FlashJob) -> str:
        """The steps of the protocol in words, for there is no command."""
        self._check(job)
        return _flasher(job).describe(job.elf, verify=job.verify, run=job.run, wait_s=job.wait_s)

    def flash(self, job: FlashJob, progress: Progress | None = None) -> FlashResult:
        """Load, read back, start, and wait for the exit."""
        self._check(job)
        return _flasher(job).flash(job.elf, progress=progress, verify=job.verify, run=job.run, wait_s=job.wait_s)

    def _check(self, job: FlashJob) -> None:
        if self.target is not None:
            require_processor(self.target, job.elf.name, read_image(job.elf))


def _flasher(job: FlashJob) -> GdbFlasher:
    host, port = parse_address(job.connection.address or DEFAULT_ADDRESS)
    return GdbFlasher(host, port, reset=job.reset, flash_timeout_s=job.limit_s)
