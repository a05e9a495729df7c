"""The drives of UF2 boot loaders: found among the mounted file systems, and written."""

import errno
import os
import re
import string
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgelstm.errors import FlashError, ToolTimeoutError

INFO_FILE = "INFO_UF2.TXT"
MOUNTS = Path("/proc/mounts")
GONE_WITHIN_S = 3.0
"""What the system may take to unmount a drive that was pulled out."""
_OF_LOST_DEVICES = (errno.EIO, errno.ENODEV, errno.ENXIO)
_FAT = ("vfat", "msdos")
_INFO_LIMIT_BYTES = 4096
_MOUNTS_LIMIT_BYTES = 1 << 20


@dataclass(frozen=True)
class Drive:
    """A mounted drive of a boot loader; `board` is what its INFO_UF2.TXT calls the board, "" if nothing."""

    folder: Path
    board: str

    def is_called(self, label: str) -> bool:
        """Whether it is the drive of that label: by its own word, or by the folder where it is mounted."""
        return label in (self.board, self.folder.name)


def read_drive(folder: Path) -> Drive | None:
    """The drive mounted at a folder, None if it is no boot loader's."""
    try:
        with (folder / INFO_FILE).open("rb") as file:
            text = file.read(_INFO_LIMIT_BYTES).decode("ascii", "replace")
    except OSError:
        return None
    board = re.search(r"^Board-ID:[ \t]*([!-~]{1,64})", text, re.MULTILINE)
    return Drive(folder, board[1] if board else "")


def find_drive(label: str, folder: str | None) -> Drive:
    """The drive in `folder`, else the only mounted one that is called `label` (any, if that is "").

    Raises:
        FlashError: there is none, or there are several.
    """
    if folder is not None:
        return _drive_in(Path(folder))
    found = [drive for one in mounted_folders() if (drive := read_drive(one)) is not None]
    drives = [drive for drive in found if not label or drive.is_called(label)]
    if len(drives) == 1:
        return drives[0]
    if drives:
        listed = " and ".join(str(drive.folder) for drive in drives)
        raise FlashError(f"there are several drives of UF2 boot loaders: {listed}", "name one by --port")
    others = "".join(f"; there is {drive.board or drive.folder.name} at {drive.folder}" for drive in found)
    raise FlashError(
        f"no drive of a UF2 boot loader{f' called {label}' if label else ''} is mounted{others}",
        "start the boot loader (often: hold BOOTSEL or press RESET twice), mount its drive, or name it by --port",
    )


def _drive_in(folder: Path) -> Drive:
    drive = read_drive(folder)
    if drive is None:
        why = (
            f"{folder} holds no {INFO_FILE}, so it is no drive of a UF2 boot loader"
            if folder.is_dir()
            else f"{folder} is no folder but a file, where a drive would be mounted"
            if folder.exists()
            else f"there is no folder {folder}, so no drive is mounted there"
        )
        raise FlashError(
            why, "start the boot loader (often: hold BOOTSEL or press RESET twice) and name the folder of its drive"
        )
    return drive


def mounted_folders() -> Sequence[Path]:
    """Where FAT drives are mounted. Others are left alone: a lost network drive answers no question for minutes."""
    if sys.platform == "win32":
        return [Path(f"{letter}:\\") for letter in string.ascii_uppercase if letter > "C"]
    if sys.platform == "darwin":
        return sorted(Path("/Volumes").glob("*"))
    try:
        with MOUNTS.open("rb") as file:
            lines = os.fsdecode(file.read(_MOUNTS_LIMIT_BYTES)).splitlines()
    except OSError:
        return []
    fields = [line.split(" ") for line in lines]
    return [Path(_unescaped(field[1])) for field in fields if len(field) > 2 and field[2] in _FAT]


def write_to_drive(drive: Drive, name: str, content: bytes, limit_s: float) -> bool:
    """Write a file under another name, flush it, and rename it; a board that restarts before that has all of it.

    Returns:
        whether the drive confirmed it; False where the board restarted, and so had all of it, before it did.

    Raises:
        FlashError: the drive is full, write-protected, or went before all was written.
        ToolTimeoutError: it took longer than `limit_s` seconds.
    """
    outcomes: list[bool | FlashError] = []

    def write() -> None:
        try:
            outcomes.append(_write(drive, name, content))
        except FlashError as error:
            outcomes.append(error)

    # A drive that hangs cannot be interrupted, only left behind.
    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    thread.join(limit_s)
    if thread.is_alive():
        raise ToolTimeoutError(
            f"{drive.folder} took longer than {limit_s:g} s to write", "unplug the board and plug it in again"
        )
    (outcome,) = outcomes
    if isinstance(outcome, FlashError):
        raise outcome
    return outcome


def _write(drive: Drive, name: str, content: bytes) -> bool:
    beside, sent = None, False
    try:
        handle, beside = tempfile.mkstemp(prefix="edgelstm-", suffix=".tmp", dir=drive.folder)
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            sent = True
            os.fsync(file.fileno())
    except OSError as error:
        if sent and _has_gone(drive, error):
            return False
        if beside is not None:
            _remove(beside)
        raise FlashError(
            f"{drive.folder} cannot be written: {error.strerror}", "start the boot loader again, and check the cable"
        ) from error
    try:
        Path(beside).replace(drive.folder / name)
    except OSError as error:
        if not _has_gone(drive, error):
            _remove(beside)
            raise FlashError(f"{drive.folder / name} cannot be written: {error.strerror}", "free some space") from error
    return True


def _has_gone(drive: Drive, error: OSError) -> bool:
    """Whether a write failed because the drive went away, which its folder may show a while later."""
    deadline = time.monotonic() + (GONE_WITHIN_S if error.errno in _OF_LOST_DEVICES else 0.0)
    while read_drive(drive.folder) is not None:
        if time.monotonic() >= deadline:
            return False
        time.sleep(0.05)
    return True


def _remove(path: str) -> None:
    try:
        Path(path).unlink(missing_ok=True)
    except OSError:
        return  # the drive has gone


def _unescaped(text: str) -> str:
    """A path of /proc/mounts, where blanks and the like are octal (proc(5))."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
