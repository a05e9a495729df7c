"""The flash runner `uf2`: boot loaders that show a drive, such as that of RP2040."""

import time

from edgelstm.device.flash.belonging import require_built_for
from edgelstm.device.flash.image import FirmwareImage, read_image
from edgelstm.device.flash.interface import FlashJob, FlashResult, FlashRunner, Progress
from edgelstm.device.flash.options import Key
from edgelstm.device.flash.uf2 import BLOCK, PAGE_BYTES, to_uf2
from edgelstm.device.flash.uf2_drive import find_drive, write_to_drive
from edgelstm.errors import FlashError

FILE_NAME = "firmware.uf2"
_NOTE = "a UF2 boot loader does not show what the firmware reports: a debug probe does, see --runner"


class Uf2Runner(FlashRunner):
    """Copies a file to the drive; the boot loader checks it, writes it and starts it."""

    name = "uf2"
    reached_by = ("port",)
    keys = (
        Key("family", "the number of the chip's family, of the list in UF2's repository", is_text=False),
        Key("label", "the name of the boot loader's drive", default=""),
    )

    def missing(self) -> str | None:
        """Nothing: the format is our own code."""
        return None

    def plan(self, job: FlashJob) -> str:
        """The file and where it goes."""
        image = read_image(job.elf)
        size_bytes = len(self._content(job, image)) // BLOCK.size * PAGE_BYTES
        label = self.options.text("label")
        named = f"that is called {label}" if label else "that holds INFO_UF2.TXT"
        return (
            f"make {FILE_NAME} of {job.elf}: {size_bytes} bytes from {image.segments[0].address:#010x} on, "
            f"family {self.options.integer('family'):#010x}\n"
            f"copy it to {job.connection.port or f'the mounted drive {named}'}; the boot loader then starts it"
        )

    def flash(self, job: FlashJob, progress: Progress | None = None) -> FlashResult:
        """Make the file, find the drive, write."""
        started = time.monotonic()
        image = read_image(job.elf)
        content = self._content(job, image)
        if not job.run:
            raise FlashError("a UF2 boot loader starts what it is given", "leave out --no-run")
        drive = find_drive(self.options.text("label"), job.connection.port)
        is_confirmed = write_to_drive(drive, FILE_NAME, content, job.limit_s)
        if progress is not None:
            progress(image.size_bytes, image.size_bytes)
        return FlashResult(
            image.size_bytes, 0, 0, None, "", time.monotonic() - started, _NOTE, is_confirmed=is_confirmed
        )

    def _content(self, job: FlashJob, image: FirmwareImage) -> bytes:
        require_built_for(self.chip, job.elf.name, image)
        return to_uf2(image.segments, self.options.integer("family"))
