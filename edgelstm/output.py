"""The output folder: files are written atomically, never over somebody else's, and known by the hash of what made them.

A hidden manifest records, for each stage, a key (the hash of everything the stage depends on) and the files it wrote
with their hashes. A stage is current while its key is the same and its files are as written.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgelstm.errors import OutputError

MANIFEST = ".edgelstm-manifest.json"

_MANIFEST_LIMIT_BYTES = 4 << 20


def content_hash(*parts: bytes | str) -> str:
    """SHA-256 over parts, each preceded by its length, so that no two lists of parts look alike."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def write_atomically(path: Path, content: bytes | str, *, executable: bool = False) -> None:
    """Write beside `path` and rename: a reader sees the old file or the new one, and Ctrl-C leaves no half."""
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(prefix=".edgelstm-", dir=path.parent)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}", "choose another output") from error
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
        Path(beside).chmod(0o755 if executable else 0o644)
        Path(beside).replace(path)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}", "choose another output") from error
    finally:
        Path(beside).unlink(missing_ok=True)


@dataclass(frozen=True)
class StageRecord:
    """What the manifest knows of a stage.

    Attributes:
        key: hash of all that the stage depended on.
        files: hash of each file it wrote, by path relative to the folder.
        facts: plain JSON values that later stages want without computing them again.
    """

    key: str
    files: Mapping[str, str]
    facts: Mapping[str, Any]


class OutputFolder:
    """A folder that edgelstm writes. Open it before any work: what we must not touch is found out at once."""

    def __init__(self, path: Path) -> None:
        """Open or prepare `path`; OutputError if it holds files but no manifest of ours."""
        self.path = path
        self._stages: dict[str, StageRecord] = {}
        if path.exists() and not path.is_dir():
            raise OutputError(f"{path} is a file", "choose another output folder")
        if (path / MANIFEST).is_file():
            self._stages = _read_manifest(path / MANIFEST)
        elif path.is_dir() and any(path.iterdir()):
            raise OutputError(
                f"{path} holds files that edgelstm did not write", "choose another output folder, or empty it"
            )

    def record(self, stage: str) -> StageRecord | None:
        """What was written for a stage, if anything."""
        return self._stages.get(stage)

    def is_current(self, stage: str, key: str, editable: frozenset[str] = frozenset()) -> bool:
        """Whether the stage was made from the same things and its files are still there, unchanged.

        A file in `editable` may have been changed by the user.
        """
        found = self._stages.get(stage)
        return (
            found is not None
            and found.key == key
            and all(
                (self.path / name).is_file() if name in editable else _hash_file(self.path / name) == digest
                for name, digest in found.files.items()
            )
        )

    def install(
        self,
        stage: str,
        key: str,
        files: Mapping[str, bytes | str],
        facts: Mapping[str, Any] | None = None,
        *,
        editable: frozenset[str] = frozenset(),
        executable: frozenset[str] = frozenset(),
    ) -> tuple[str, ...]:
        """Write a stage's files, remove those it no longer makes, and record it.

        Returns:
            names in `editable` that the user had changed and that were left alone.

        Raises:
            OutputError: a file is not ours, or was changed since we wrote it (all of them are listed).
        """
        kept = tuple(name for name in files if name in editable and self._was_changed(name))
        self._refuse_foreign(stage, [name for name in files if name not in kept])
        digests = {}
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            digests[name] = hashlib.sha256(data).hexdigest()
            if name not in kept:
                write_atomically(self.path / name, data, executable=name in executable)
        old = self._stages.get(stage)
        for name in old.files if old else ():
            if name not in files and not self._was_changed(name):
                (self.path / name).unlink(missing_ok=True)
        self._stages[stage] = StageRecord(key, digests, dict(facts or {}))
        self._write_manifest()
        return kept

    def forget(self, stage: str) -> None:
        """Make a stage count as not done, so that an interrupted or failed redo is not taken for current."""
        found = self._stages.get(stage)
        if found is not None:
            self._stages[stage] = StageRecord("", found.files, {})
            self._write_manifest()

    def _write_manifest(self) -> None:
        stages = {
            name: {"key": record.key, "files": dict(record.files), "facts": dict(record.facts)}
            for name, record in self._stages.items()
        }
        write_atomically(self.path / MANIFEST, json.dumps({"stages": stages}, indent=1, sort_keys=True) + "\n")

    def _known_hash(self, name: str) -> str | None:
        return next((record.files[name] for record in self._stages.values() if name in record.files), None)

    def _was_changed(self, name: str) -> bool:
        path = self.path / name
        return path.exists() and _hash_file(path) != self._known_hash(name)

    def _refuse_foreign(self, stage: str, names: list[str]) -> None:
        changed = sorted(name for name in names if self._was_changed(name))
        if changed:
            raise OutputError(
                f"{', '.join(str(self.path / name) for name in changed)} would be overwritten, "
                "but edgelstm did not write it, or it was changed since",
                "move it away, or choose another output folder",
            )


def _hash_file(path: Path) -> str | None:
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _read_manifest(path: Path) -> dict[str, StageRecord]:
    try:
        if path.stat().st_size > _MANIFEST_LIMIT_BYTES:
            raise ValueError("it is too large")
        stages = json.loads(path.read_text())["stages"]
        records = {
            str(name): StageRecord(str(stage["key"]), dict(stage["files"]), dict(stage["facts"]))
            for name, stage in stages.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise OutputError(f"{path} is damaged: {error}", "delete the output folder and build again") from error
    for record in records.values():
        for name in record.files:
            if not isinstance(name, str) or Path(name).is_absolute() or ".." in Path(name).parts:
                raise OutputError(f"{path} names a file outside its folder", "delete the output folder")
    return records
