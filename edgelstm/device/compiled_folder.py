"""Where helpers lie that are compiled on first use. They are run from there, so nobody else may be able to write it."""

import atexit
import os
import shutil
import stat
import tempfile
from functools import lru_cache
from pathlib import Path

from edgelstm.errors import OutputError, ToolError

_OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def compiled_folder() -> Path:
    """A folder of ours, made if missing: in the user's cache, or for a user without a home a new one for this run.

    Raises:
        OutputError: it cannot be made.
        ToolError: others may write it.
    """
    home = os.environ.get("XDG_CACHE_HOME") or (Path("~/.cache").expanduser() if os.environ.get("HOME") else None)
    if home is None:
        return _folder_of_this_run()
    base = Path(home).absolute()
    folders = (base / "edgelstm", base / "edgelstm" / "plugins")
    try:
        base.mkdir(parents=True, exist_ok=True, mode=0o700)
        for folder in folders:
            folder.mkdir(exist_ok=True, mode=0o700)
            _check_ours(folder)
    except OSError as error:
        raise OutputError(
            f"{folders[-1]} cannot be written: {error.strerror}", "set XDG_CACHE_HOME to a folder of yours"
        ) from error
    return folders[-1]


@lru_cache(maxsize=1)
def _folder_of_this_run() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="edgelstm-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _check_ours(folder: Path) -> None:
    found = folder.lstat()  # a link may be somebody else's, whatever it leads to
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & _OTHERS_MAY_WRITE:
        raise ToolError(
            f"{folder} holds what would be run, and others may change it",
            f"make it a folder that only you may write (chmod go-w {folder}), or set XDG_CACHE_HOME to one of yours",
        )
