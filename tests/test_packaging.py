"""The wheel holds the package, the templates and the targets, all of them and nothing else, and works on its own."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True, timeout=300, capture_output=True)
    return next(folder.glob("*.whl"))


def _tracked(*folders: str) -> set[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z", *folders],
        cwd=ROOT, check=True, timeout=60, capture_output=True, text=True,
    )  # fmt: skip
    return {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}


def test_the_wheel_holds_what_git_knows(wheel: Path) -> None:
    packed = {
        name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name and not name.endswith("/")
    }
    package = _tracked("edgelstm")
    data = {f"edgelstm/_data/{name}" for name in _tracked("templates", "targets")}
    assert packed == package | data


def test_the_wheel_works_without_the_checkout(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    script = (
        "import sys; sys.path.insert(0, sys.argv[1]); import edgelstm; from edgelstm.cli import call;"
        "assert edgelstm.__file__.startswith(sys.argv[1]); sys.exit(call(['targets', '--json']))"
    )
    ran = subprocess.run(
        [sys.executable, "-P", "-c", script, str(site)],
        cwd=tmp_path, timeout=60, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    assert '"cortex-m4"' in ran.stdout


def test_importing_edgelstm_is_light() -> None:
    heavy = ("keras", "tensorflow", "h5py", "numpy", "ai_edge_litert", "tflite_runtime", "unicorn")
    script = f"import sys, edgelstm; print([name for name in {heavy} if name in sys.modules])"
    ran = subprocess.run([sys.executable, "-c", script], timeout=60, capture_output=True, text=True, check=True)
    assert ran.stdout.strip() == "[]"
