"""The output folder: atomic writes, nothing of others is touched, and an interruption at any point is survived."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgelstm import output
from edgelstm.errors import OutputError
from edgelstm.output import MANIFEST, OutputFolder, content_hash, hash_file, write_atomically

EDITABLE = frozenset({"src/main.c"})
FIRST = {"src/main.c": "int main;", "src/model.c": "1", "src/old.c": "2"}
SECOND = {"src/main.c": "int main, more;", "src/model.c": "3", "src/new.c": "4"}


def _files(folder: Path) -> dict[str, str]:
    paths = [path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST]
    return {str(path.relative_to(folder)): path.read_text() for path in paths}


@given(st.lists(st.binary(max_size=4), max_size=4), st.lists(st.binary(max_size=4), max_size=4))
def test_the_hash_of_parts_knows_where_each_ends(one: list[bytes], other: list[bytes]) -> None:
    assert (content_hash(*one) == content_hash(*other)) == (one == other)
    assert content_hash("é") == content_hash("é".encode())


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "new" / "file"
    write_atomically(target, "one")
    write_atomically(target, b"two", executable=True)
    assert target.read_bytes() == b"two"
    assert target.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in target.parent.iterdir()] == ["file"]
    assert hash_file(target) == hash_file(target)
    assert hash_file(tmp_path) is None


@pytest.mark.parametrize("place", ["file/below", "folder"])
def test_a_file_that_cannot_be_written_is_named(place: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder" / "full").mkdir(parents=True)
    with pytest.raises(OutputError, match=rf"cannot write .*{place}"):
        write_atomically(tmp_path / place, "text")
    assert not list(tmp_path.rglob(".edgelstm-*"))


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "file"
    write_atomically(target, "old")

    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(target, "new")
    assert _files(tmp_path) == {"file": "old"}


def test_a_stage_is_current_until_key_or_files_change(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path / "out", EDITABLE)
    assert folder.record("source") is None
    assert not folder.is_current("source", "k")
    assert folder.install("source", "k", FIRST, {"fact": [1]}) == ()
    assert _files(folder.path) == FIRST
    again = OutputFolder(folder.path, EDITABLE)
    assert again.is_current("source", "k")
    assert not again.is_current("source", "other")
    record = again.record("source")
    assert record is not None
    assert record.facts == {"fact": [1]}
    (folder.path / "src" / "main.c").write_text("mine")
    assert again.is_current("source", "k")
    (folder.path / "src" / "old.c").unlink()
    assert not again.is_current("source", "k")
    assert not OutputFolder(folder.path, EDITABLE).is_current("source", "k")


def test_files_that_are_no_longer_made_go(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path / "out")
    folder.install("source", "1", FIRST)
    OutputFolder(folder.path).install("source", "2", SECOND)
    assert _files(folder.path) == SECOND


def test_what_the_user_may_edit_is_kept(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path / "out", EDITABLE)
    folder.install("source", "1", FIRST)
    (folder.path / "src" / "main.c").write_text("mine")
    folder = OutputFolder(folder.path, EDITABLE)
    assert folder.install("source", "2", SECOND) == ("src/main.c",)
    assert _files(folder.path) == SECOND | {"src/main.c": "mine"}
    assert OutputFolder(folder.path, EDITABLE).is_current("source", "2")


def test_an_edited_file_is_refused_when_the_folder_is_opened(tmp_path: Path) -> None:
    OutputFolder(tmp_path / "out").install("source", "1", FIRST)
    for name in ("src/model.c", "src/main.c"):
        (tmp_path / "out" / name).write_text("mine")
    with pytest.raises(OutputError, match=r"src/main\.c, .*src/model\.c: not as edgelstm wrote it"):
        OutputFolder(tmp_path / "out")
    with pytest.raises(OutputError, match=r"^[^,]*src/model\.c: not as edgelstm wrote it"):
        OutputFolder(tmp_path / "out", EDITABLE)


def test_a_file_of_the_users_in_the_way_is_refused(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path / "out")
    folder.install("source", "1", FIRST)
    (folder.path / "src" / "new.c").write_text("mine")
    with pytest.raises(OutputError, match=r"new\.c: not as edgelstm wrote it"):
        folder.install("source", "2", SECOND)
    assert _files(folder.path) == FIRST | {"src/new.c": "mine"}


def test_foreign_folders_are_refused(tmp_path: Path) -> None:
    for index in range(9):
        (tmp_path / f"photo{index}").touch()
    with pytest.raises(OutputError, match=r"did not write: photo0, photo1, photo2, photo3, photo4, \.\.\."):
        OutputFolder(tmp_path)
    with pytest.raises(OutputError, match="is a file"):
        OutputFolder(tmp_path / "photo0")
    (tmp_path / "empty").mkdir()
    OutputFolder(tmp_path / "empty")
    (tmp_path / "empty" / ".edgelstm-x1").touch()
    OutputFolder(tmp_path / "empty")


def test_a_link_that_leads_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path / "out")
    folder.install("model", "1", {"model.tflite": "x"})
    (tmp_path / "elsewhere").mkdir()
    (folder.path / "src").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OutputError, match="leads out of"):
        folder.install("source", "1", FIRST)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_a_folder_may_itself_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "disk")
    OutputFolder(tmp_path / "out").install("source", "1", FIRST)
    assert _files(tmp_path / "disk") == FIRST


def test_forgotten_and_withdrawn_stages(tmp_path: Path) -> None:
    folder = OutputFolder(tmp_path / "out")
    folder.forget("source")
    folder.withdraw("source")
    assert not folder.path.exists()
    folder.install("source", "1", FIRST)
    folder.install("report", "1", {"report.json": "{}"})
    folder.forget("source")
    assert _files(folder.path) == FIRST | {"report.json": "{}"}
    assert not OutputFolder(folder.path).is_current("source", "1")
    folder.withdraw("report")
    assert _files(folder.path) == FIRST
    assert not OutputFolder(folder.path).is_current("report", "1")


@pytest.mark.parametrize("writes", range(12))
def test_an_interruption_at_any_point_is_survived(writes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupt the `writes`-th write of a first build and of one that replaces it."""
    done = [0]

    def write(path: Path, content: bytes | str, *, executable: bool = False) -> None:
        if done[0] == writes:
            raise KeyboardInterrupt
        done[0] += 1
        write_atomically(path, content, executable=executable)

    def build(contents: dict[str, str], key: str) -> None:
        folder = OutputFolder(tmp_path / "out", EDITABLE)
        folder.forget("source")
        folder.withdraw("report")
        folder.install("source", key, contents)
        folder.install("report", key, {"report.json": key})

    for contents, key in ((FIRST, "1"), (SECOND, "2")):
        done[0] = 0
        with monkeypatch.context() as patch:
            patch.setattr(output, "write_atomically", write)
            try:
                build(contents, key)
            except KeyboardInterrupt:
                assert not OutputFolder(tmp_path / "out", EDITABLE).is_current("report", key)
        build(contents, key)
        folder = OutputFolder(tmp_path / "out", EDITABLE)
        assert folder.is_current("source", key)
        assert _files(tmp_path / "out") == contents | {"report.json": key}


def test_an_interrupted_build_of_other_files_leaves_none_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = OutputFolder(tmp_path / "out")
    folder.install("source", "1", FIRST)

    def write(path: Path, content: bytes | str, *, executable: bool = False) -> None:
        write_atomically(path, content, executable=executable)
        if path.name == "new.c":
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(output, "write_atomically", write)
        folder.install("source", "2", SECOND)
    OutputFolder(tmp_path / "out").install("source", "3", FIRST)
    assert _files(tmp_path / "out") == FIRST


def test_a_manifest_of_an_older_version_is_read(tmp_path: Path) -> None:
    OutputFolder(tmp_path / "out").install("source", "1", FIRST)
    manifest = tmp_path / "out" / MANIFEST
    stages = json.loads(manifest.read_text())
    del stages["stages"]["source"]["unfinished"]
    manifest.write_text(json.dumps(stages))
    assert OutputFolder(tmp_path / "out").is_current("source", "1")


def test_a_huge_manifest_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / MANIFEST).open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(OutputError, match="is damaged"):
        OutputFolder(tmp_path)
