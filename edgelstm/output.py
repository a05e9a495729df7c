"""The output folder: files are written atomically, never over somebody else's, and known by the hash of what made them.

A hidden manifest records, for each stage, a key (the hash of everything the stage depends on) and the files it wrote
with their hashes. A stage is current while its key is the same and its files are as written.
"""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from edgelstm.errors import OutputError

MANIFEST = ".edgelstm-manifest.json"

_MANIFEST_LIMIT_BYTES = 4 << 20
_BESIDE = ".edgelstm-"
_NAMES_SHOWN = 5
_ANEW = "choose another output folder, or delete this one and build again"


def content_hash(*parts: bytes | str) -> str:
    """SHA-256 over parts, each preceded by its length, so that no two lists of parts look alike."""
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little") + data)
    return digest.hexdigest()


def hash_file(path: Path) -> str | None:
    """SHA-256 of a file's bytes, None if there is no such file."""
    if not path.is_file():
        return None
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_atomically(path: Path, content: bytes | str, *, executable: bool = False) -> None:
    """Write beside `path` and rename: a reader sees the old file or the new one, and Ctrl-C leaves no half."""
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, beside = tempfile.mkstemp(prefix=_BESIDE, dir=path.parent)
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


@contextmanager
def unfinished_folder(beside: Path) -> Iterator[Path]:
    """A folder in another, for files that are not done; it goes with all that is in it."""
    try:
        made = tempfile.TemporaryDirectory(dir=beside, prefix=_BESIDE)
    except OSError as error:
        raise OutputError(f"cannot write in {beside}: {error.strerror or error}", "choose another output") from error
    with made as folder:
        yield Path(folder)


@dataclass(frozen=True)
class StageRecord:
    """What the manifest knows of a stage.

    Attributes:
        key: hash of all that the stage depended on; "" while it is not done.
        files: hash of each file it wrote, by path relative to the folder.
        facts: plain JSON values that later stages want without computing them again.
        unfinished: hash of each file that is being written; what an interruption leaves behind is ours by it.
    """

    key: str
    files: Mapping[str, str]
    facts: Mapping[str, Any] = field(default_factory=dict)
    unfinished: Mapping[str, str] = field(default_factory=dict)


class OutputFolder:
    """A folder that edgelstm writes. Open it before any work: what we must not touch is found out at once."""

    def __init__(self, path: Path, editable: frozenset[str] = frozenset()) -> None:
        """Open or prepare `path`.

        Args:
            path: the folder; need not exist.
            editable: files in it that the user may change; they are never overwritten then.

        Raises:
            OutputError: it holds files but no manifest of ours, or files of ours that were changed since.
        """
        self.path = path
        self._editable = editable
        self._stages: dict[str, StageRecord] = {}
        if path.exists() and not path.is_dir():
            raise OutputError(f"{path} is a file", "choose another output folder")
        if (path / MANIFEST).is_file():
            self._stages = _read_manifest(path / MANIFEST)
            self._refuse_changed([name for name in self._written() if name not in editable])
        elif path.is_dir():
            _refuse_foreign(path)

    def record(self, stage: str) -> StageRecord | None:
        """What was written for a stage, if anything."""
        return self._stages.get(stage)

    def is_current(self, stage: str, key: str) -> bool:
        """Whether the stage was made from the same things and its files are still there.

        A file that may be edited counts in any form, all others as they were written.
        """
        found = self._stages.get(stage)
        return (
            found is not None
            and found.key == key
            and all(
                (self.path / name).is_file() if name in self._editable else hash_file(self.path / name) == digest
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
        executable: frozenset[str] = frozenset(),
    ) -> tuple[str, ...]:
        """Write a stage's files, remove those it no longer makes, and record it.

        Returns:
            names of editable files that the user had changed and that were left alone.

        Raises:
            OutputError: a file is not ours, or was changed since we wrote it (all of them are listed).
        """
        contents = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
        kept = tuple(name for name in contents if name in self._editable and self._was_changed(name))
        self._refuse_changed([name for name in contents if name not in kept])
        self._refuse_outside(contents)
        digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
        old = self._stages.get(stage, StageRecord("", {}))
        known = {**old.files, **old.unfinished}
        self._refuse_outside(known)
        # Recorded first: whatever part of this is done when it is interrupted, the next build knows its files.
        self._record(stage, StageRecord("", known, unfinished=digests))
        for name, content in contents.items():
            if name not in kept:
                write_atomically(self.path / name, content, executable=name in executable)
        for name in known:
            if name not in contents and not self._was_changed(name):
                (self.path / name).unlink(missing_ok=True)
        self._record(stage, StageRecord(key, digests, dict(facts or {})))
        return kept

    def forget(self, stage: str) -> None:
        """Make a stage count as not done, so that an interrupted or failed redo is not taken for current."""
        found = self._stages.get(stage)
        if found is not None and found.key:
            self._record(stage, StageRecord("", found.files))

    def withdraw(self, stage: str) -> None:
        """Remove the files of a stage: what they say no longer holds."""
        found = self._stages.get(stage)
        if found is not None:
            self._refuse_outside([*found.files, *found.unfinished])
            self._record(stage, StageRecord("", {}, unfinished={**found.files, **found.unfinished}))
            for name in self._stages[stage].unfinished:
                if not self._was_changed(name):
                    (self.path / name).unlink(missing_ok=True)

    def _record(self, stage: str, record: StageRecord) -> None:
        self._stages[stage] = record
        stages = {name: asdict(one) for name, one in self._stages.items()}
        write_atomically(self.path / MANIFEST, json.dumps({"stages": stages}, indent=1, sort_keys=True) + "\n")

    def _written(self) -> list[str]:
        return [name for record in self._stages.values() for name in (*record.files, *record.unfinished)]

    def _was_changed(self, name: str) -> bool:
        path = self.path / name
        if not path.exists():
            return False
        known = {
            written[name]
            for record in self._stages.values()
            for written in (record.files, record.unfinished)
            if name in written
        }
        return hash_file(path) not in known

    def _refuse_changed(self, names: list[str]) -> None:
        changed = sorted({name for name in names if self._was_changed(name)})
        if changed:
            may_edit = f"; only {' and '.join(sorted(self._editable))} is yours to change" if self._editable else ""
            raise OutputError(
                f"{', '.join(str(self.path / name) for name in changed)}: "
                f"not as edgelstm wrote it, and it would be overwritten{may_edit}",
                "move it away, delete it to have it made again, or choose another output folder",
            )

    def _refuse_outside(self, names: Iterable[str]) -> None:
        for name in names:
            if not (self.path / name).parent.resolve().is_relative_to(self.path.resolve()):
                raise OutputError(
                    f"{self.path / name} leads out of {self.path}", "remove the link, or choose another output folder"
                )


def _refuse_foreign(folder: Path) -> None:
    names = sorted(entry.name for entry in folder.iterdir() if not entry.name.startswith(_BESIDE))
    if names:
        shown = ", ".join(names[:_NAMES_SHOWN]) + (", ..." if len(names) > _NAMES_SHOWN else "")
        raise OutputError(
            f"{folder} holds files that edgelstm did not write: {shown}", "choose another output folder, or empty it"
        )


def _read_manifest(path: Path) -> dict[str, StageRecord]:
    try:
        if path.stat().st_size > _MANIFEST_LIMIT_BYTES:
            raise ValueError("it is too large")
        records = {
            name: StageRecord(
                str(stage["key"]),
                _digests(stage["files"]),
                dict(stage["facts"]),
                _digests(stage.get("unfinished", {})),
            )
            for name, stage in json.loads(path.read_text())["stages"].items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise OutputError(f"{path} is damaged", _ANEW) from error
    for record in records.values():
        for name in (*record.files, *record.unfinished):
            if not name.isprintable() or Path(name).is_absolute() or ".." in Path(name).parts:
                raise OutputError(f"{path} names a file outside its folder", _ANEW)
    return records


def _digests(files: Mapping[str, Any]) -> dict[str, str]:
    if not all(isinstance(digest, str) for digest in files.values()):
        raise ValueError("a digest is no text")
    return dict(files)
