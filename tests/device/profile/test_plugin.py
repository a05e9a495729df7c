"""The plugin is compiled once, also where several want it at the same time; where it cannot be, Unicorn counts."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from firmware import FIRST, SECOND, build_loops, count

from edgelstm.device.compilers import find_compiler
from edgelstm.device.profile.plugin import ensure_plugin, plugin_api
from edgelstm.device.targets import load_target
from edgelstm.errors import OutputError, ToolError, ToolFailedError

BROKEN = "int this_is_not_c(\n"


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch, require_tool):
    """An empty cache, in which plugins lie."""
    for tool in ("cc", "qemu-system-arm", "unicorn"):
        require_tool(tool)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache, of mine"))
    return tmp_path / "cache, of mine" / "edgelstm" / "plugins"


@pytest.fixture
def broken(tmp_path, monkeypatch):
    """A plugin that no compiler accepts."""
    (tmp_path / "broken" / "qemu").mkdir(parents=True)
    (tmp_path / "broken" / "qemu" / "profile.c").write_text(BROKEN)
    monkeypatch.setattr("edgelstm.device.profile.plugin.targets_dir", lambda: tmp_path / "broken")


def test_it_is_compiled_once(cache):
    first = ensure_plugin(1)
    written = first.stat()
    assert ensure_plugin(1) == first
    assert first.stat() == written
    assert list(cache.iterdir()) == [first]


def test_each_compiler_and_interface_has_its_own(cache, require_tool):
    require_tool("clang")
    host = load_target("host")
    compilers = [find_compiler(host, choice) for choice in ("gcc", "clang")]
    plugins = {ensure_plugin(api, compiler) for api in (1, 2) for compiler in compilers}
    assert len(plugins) == 4
    assert set(cache.iterdir()) == plugins


@pytest.mark.parametrize("choice", ["clang", "zig"])
def test_what_other_compilers_make_of_it_counts_alike(choice, require_tool, tmp_path, monkeypatch):
    require_tool("ziglang" if choice == "zig" else choice)
    elf = build_loops("cortex-m4", tmp_path)
    expected = count(elf, "cortex-m4", "qemu", tmp_path)
    compiler = find_compiler(load_target("host"), choice)
    monkeypatch.setattr("edgelstm.device.compiled.host_compiler", lambda: compiler)
    assert count(elf, "cortex-m4", "qemu", tmp_path) == expected


def test_two_processes_may_compile_it_at_the_same_time(cache):
    code = "from edgelstm.device.profile.plugin import ensure_plugin; print(ensure_plugin(1))"
    processes = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=Path.cwd())
        for _ in range(2)
    ]
    said = {process.communicate(timeout=120)[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert [str(path) for path in cache.iterdir()] == list(said)


def test_a_compiler_that_refuses_is_named_and_leaves_nothing(cache, tmp_path):
    source = tmp_path / "broken.c"
    source.write_text(BROKEN)
    with pytest.raises(ToolFailedError, match=r"(?s)could not compile the plugin.*error") as caught:
        ensure_plugin(1, source=source)
    assert "--runner unicorn" in caught.value.hint
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_named(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(OutputError, match="cannot be written") as caught:
        ensure_plugin(1)
    assert "XDG_CACHE_HOME" in caught.value.hint


@pytest.mark.parametrize("part", ["edgelstm", "edgelstm/plugins"])
@pytest.mark.parametrize("mode", [0o770, 0o707, 0o702])
def test_a_cache_that_others_may_write_is_refused(mode, part, cache):
    cache.mkdir(parents=True, mode=0o700)
    folder = cache.parents[1] / part
    folder.chmod(mode)
    with pytest.raises(ToolError, match="others may change it") as caught:
        ensure_plugin(1)
    assert str(folder) in caught.value.hint
    assert list(cache.iterdir()) == []


def test_a_cache_of_somebody_else_is_refused(cache, monkeypatch):
    cache.mkdir(parents=True, mode=0o700)
    monkeypatch.setattr("os.geteuid", lambda: cache.stat().st_uid + 1)
    with pytest.raises(ToolError, match="others may change it"):
        ensure_plugin(1)


def test_a_cache_behind_a_link_is_refused(cache, tmp_path):
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    cache.parent.mkdir(parents=True, mode=0o700)
    cache.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ToolError, match="others may change it"):
        ensure_plugin(1)


def test_only_the_user_may_write_what_is_made(cache):
    before = os.umask(0)
    try:
        ensure_plugin(1)
    finally:
        os.umask(before)
    assert [folder.stat().st_mode & 0o777 for folder in (cache, cache.parent)] == [0o700, 0o700]


def test_without_a_home_each_run_has_a_folder_of_its_own(tmp_path):
    code = """
from stat import S_IMODE
from edgelstm.device.profile.plugin import ensure_plugin
plugin = ensure_plugin(1)
assert ensure_plugin(1) == plugin and plugin.is_file()
print(plugin, S_IMODE(plugin.parent.stat().st_mode))
"""
    environment = {key: value for key, value in os.environ.items() if key not in ("HOME", "XDG_CACHE_HOME")}
    environment["TMPDIR"] = str(tmp_path)
    command = [sys.executable, "-c", code]
    said = [subprocess.check_output(command, env=environment, text=True, timeout=120).split() for _ in range(2)]
    assert said[0][0] != said[1][0]
    assert [int(mode) for _, mode in said] == [0o700, 0o700]
    assert list(tmp_path.iterdir()) == []


def test_the_compiler_is_looked_for_once(monkeypatch):
    ensure_plugin(1)
    monkeypatch.setattr("edgelstm.device.compiled.find_compiler", None)
    ensure_plugin(1)


def test_unicorn_counts_where_the_plugin_cannot_and_nobody_chose(broken, tmp_path):
    elf = build_loops("cortex-m4", tmp_path)
    counted = count(elf, "cortex-m4", None, tmp_path, ("loop",))
    assert counted.tool.startswith("Unicorn ")
    assert counted.regions[0].calls == (3 * FIRST + 2, 3 * SECOND + 2)
    with pytest.raises(ToolFailedError, match="could not compile the plugin"):
        count(elf, "cortex-m4", "qemu", tmp_path, ("loop",))


def test_all_reasons_are_told_where_nothing_can_count(broken, tmp_path, monkeypatch):
    elf = build_loops("cortex-m4", tmp_path)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ToolError, match=r"(?s)nothing here can count.*could not compile") as caught:
        count(elf, "cortex-m4", None, tmp_path, ("loop",))
    assert "edgelstm[emulate]" in caught.value.hint


def test_a_qemu_without_plugins_is_named(tmp_path):
    stand_in = tmp_path / "qemu-system-arm"
    stand_in.write_text('#!/bin/sh\necho "$0: -plugin: invalid option"\nexit 1\n')
    stand_in.chmod(0o755)
    with pytest.raises(ToolFailedError, match="cannot load plugins"):
        plugin_api(str(stand_in))
