"""Without a compiler, an emulator or a package, the message says what to install, before any work begins."""

import importlib.util
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command import BUILD, edgelstm, succeed


def _hide(monkeypatch: pytest.MonkeyPatch, folder: Path, *programs: str) -> None:
    """Leave on PATH the programs named, and none of the packages that stand in for the others."""
    folder.mkdir()
    for program in programs:
        (folder / program).symlink_to(str(shutil.which(program)))
    monkeypatch.setenv("PATH", str(folder))
    original = importlib.util.find_spec

    def find_spec(name: str, package: str | None = None) -> Any:
        return None if name.partition(".")[0] in {"ziglang", "unicorn"} else original(name, package)

    monkeypatch.setattr("importlib.util.find_spec", find_spec)


@pytest.mark.parametrize(
    ("programs", "message", "hint"),
    [
        ((), "no compiler for cortex-m4 was found", ["gcc-arm-none-eabi", 'pip install "edgelstm[emulate]"']),
        (("arm-none-eabi-gcc", "cc"), "can run a firmware for cortex-m4", ["qemu-system-arm", "unicorn"]),
        (("arm-none-eabi-gcc", "qemu-system-arm"), "no compiler for host was found", ["install gcc", "pip install"]),
    ],
)
def test_what_to_install_is_said_before_any_work(
    programs: tuple[str, ...],
    message: str,
    hint: list[str],
    workspace: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    require_tool: Callable[[str], None],
) -> None:
    for program in programs:
        require_tool(program)
    _hide(monkeypatch, tmp_path_factory.mktemp("path") / "bin", *programs)
    outcome = edgelstm(*BUILD)
    assert not Path("out").exists()
    assert message in outcome.error
    for word in hint:
        assert word in outcome.error
    assert outcome.err.startswith("error: ")


@pytest.mark.parametrize("verb", ["build", "verify"])
def test_nothing_counts_as_verified_without_the_exact_interpreter(
    verb: str, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgelstm.verification.oracles.Oracle.is_available", property(lambda oracle: False))
    outcome = edgelstm(verb, *BUILD[1:], "--target", "host")
    assert outcome.code == 1
    assert "LiteRT BUILTIN_REF is not installed, so nothing official could be compared" in outcome.error
    assert 'pip install "edgelstm[verify]"' in outcome.error
    assert not Path("out").exists()


def test_training_without_tensorflow_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    succeed("new", ".")
    monkeypatch.setitem(sys.modules, "keras", None)
    assert 'pip install "edgelstm[train]"' in edgelstm("build").error
    assert not Path("out").exists()
    assert "run `edgelstm train` first" in edgelstm("inspect").error
