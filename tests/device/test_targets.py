from pathlib import Path

import pytest

from edgelstm.codegen.layouts import LAYOUTS
from edgelstm.device.targets import list_targets, load_target, read_target, support_dirs
from edgelstm.errors import TargetError
from edgelstm.resources import targets_dir, templates_dir

GOOD = (targets_dir() / "cortex-m4.toml").read_text()


def write(folder: Path, text: str) -> Path:
    path = folder / "board.toml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", list_targets())
def test_every_shipped_target_loads_and_has_its_files(name):
    target = load_target(name)
    assert target.name == name
    assert target.description
    assert all(any(folder.glob("*.c")) for folder in support_dirs(target))
    assert (templates_dir() / "c" / "app" / "port.h").is_file()


def test_the_two_first_targets():
    assert {"cortex-m4", "host"} <= set(list_targets())
    chip = load_target("cortex-m4")
    assert (chip.region("flash").origin, chip.region("ram").origin) == (0, 0x20000000)
    assert chip.runners == ("qemu", "unicorn")
    assert chip.flash_runner == "gdb"
    host = load_target("host")
    assert (host.memory, host.stack_bytes, host.runners) == ((), 0, ("host",))


def test_which_kernels_every_core_gets():
    kernels = {name: load_target(name).isa for name in list_targets()}
    assert {kernels[name] for name in ("cortex-m4", "cortex-m7", "cortex-m33")} == {"armv7em"}
    for isa in kernels.values():
        assert isa in LAYOUTS


@pytest.mark.parametrize(("wrong", "right"), [("cortex-m", "cortex-m4"), ("hots", "host"), ("Cortex-M4", "cortex-m4")])
def test_unknown_target_suggests_the_nearest(wrong, right):
    with pytest.raises(TargetError) as caught:
        load_target(wrong)
    assert right in caught.value.hint
    assert "edgelstm targets" in caught.value.hint


@pytest.mark.parametrize("name", ["../targets/host", "/etc/passwd", "", "host\0", "h" * 5000])
def test_names_are_no_paths(name):
    with pytest.raises(TargetError, match="there is no target called"):
        load_target(name)


def test_asking_for_memory_that_is_not_there():
    with pytest.raises(TargetError, match="host has no memory called flash"):
        load_target("host").region("flash")


def test_everything_wrong_is_told_at_once(tmp_path):
    text = GOOD.replace('arch = "cortex-m"', "arch = 7").replace("ticks_hz = 25_000_000", "ticks_hz = -1")
    text = text.replace('machine = "mps2-an386"', 'machine = "mps2,accel=x"').replace("isa =", "iso =")
    with pytest.raises(TargetError) as caught:
        read_target(write(tmp_path, text))
    for problem in (
        "arch: needs",
        "isa: needs",
        "iso: unknown key",
        "qemu.machine: needs",
        "qemu.ticks_hz: needs",
    ):
        assert problem in caught.value.message


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('arch = "cortex-m"', 'arch = "pdp11"', "arch: 'pdp11' is none of"),
        ('runners = ["qemu", "unicorn"]', 'runners = ["bochs"]', "runners: 'bochs' is none of"),
        ('runners = ["qemu", "unicorn"]', "runners = 3", "runners: needs a list of text"),
        ("[unicorn]", "[unicorns]", "unicorns: unknown key"),
        ('name = "ram"', 'name = "rom"', "memory: cortex-m needs the regions"),
        ("origin = 0x2000_0000", "origin = 0x0020_0000", "flash and ram overlap"),
        ("origin = 0x2000_0000", "origin = 0xFFFF_F000", "ram: ends behind"),
        ("origin = 0x2000_0000", "origin = true", "memory[1].origin: needs an integer"),
        ("stack_bytes = 0x4000", "stack_bytes = 0x4004", "not a multiple of 8"),
        ("stack_bytes = 0x4000", "", "stack_bytes: needed"),
        ("stack_bytes = 0x4000", "stack_bytes = 0x80_0000", "at most the size of ram"),
        ("gcc = [", "tcc = [", "compiler_flags.tcc: the families are"),
        ('description = "', 'description = "\\u001b[31m', "description: needs text"),
    ],
)
def test_wrong_values(tmp_path, old, new, problem):
    assert old in GOOD
    with pytest.raises(TargetError) as caught:
        read_target(write(tmp_path, GOOD.replace(old, new)))
    assert problem in caught.value.message


@pytest.mark.parametrize("text", ["a = ", "\0", "a = " + "[" * 30000, "a.b = 1\na = 2"])
def test_damaged_files(tmp_path, text):
    with pytest.raises(TargetError, match="cannot be read"):
        read_target(write(tmp_path, text))
