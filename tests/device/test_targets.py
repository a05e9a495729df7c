from pathlib import Path

import pytest

from edgelstm.codegen.layouts import LAYOUTS
from edgelstm.device.architectures import ARCHITECTURES
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


def test_what_contradicts_is_told_beside_what_is_misspelt(tmp_path):
    text = GOOD.replace("ticks_hz =", "tick_hz =").replace("origin = 0x2000_0000", "origin = 0x0000_1000")
    text = text.replace('runners = ["qemu", "unicorn"]', 'runners = ["qemu", "bochs"]').replace("-mthumb", "-specs=x")
    with pytest.raises(TargetError) as caught:
        read_target(write(tmp_path, text))
    problems = [line.split(":")[0] for line in caught.value.message.splitlines()[1:]]
    assert problems == ["  - qemu.ticks_hz", "  - qemu.tick_hz", "  - compiler_flags.gcc", "  - runners", "  - memory"]


def test_a_machine_of_qemu_is_not_held_against_who_does_not_use_it(tmp_path):
    text = GOOD.replace("origin = 0x2000_0000", "origin = 0x2400_0000")
    target = read_target(write(tmp_path, text.replace('runners = ["qemu", "unicorn"]', 'runners = ["unicorn"]')))
    assert target.region("ram").origin == 0x24000000
    unknown = text.replace('machine = "mps2-an386"', 'machine = "olimex-stm32-h405"')
    assert read_target(write(tmp_path, unknown)).region("ram").origin == 0x24000000


def test_boards_have_clocks_and_cores_have_none():
    for name in list_targets():
        target = load_target(name)
        assert (target.clock_hz > 0) == bool(target.board or target.simavr or name == "esp8266"), name
        assert target.simavr is None or target.simavr.clock_hz == target.clock_hz


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('arch = "cortex-m"', 'arch = "pdp11"', "arch: 'pdp11' is none of"),
        ('runners = ["qemu", "unicorn"]', 'runners = ["bochs"]', "runners: 'bochs' is none of"),
        ('runners = ["qemu", "unicorn"]', "runners = 3", "runners: needs a list of text"),
        ("[unicorn]", "[unicorns]", "unicorns: unknown key; did you mean unicorn?"),
        ("stack_bytes = 0x4000", "stak_bytes = 0x4000", "stak_bytes: unknown key; did you mean stack_bytes?"),
        ("origin = 0x2000_0000", "orgin = 0x2000_0000", "memory[1].orgin: unknown key; did you mean origin?"),
        ("origin = 0x2000_0000", "origin = 0x2400_0000", "memory ram: QEMU's mps2-an386 has no 0x24000000"),
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


@pytest.mark.parametrize(
    ("like", "old", "new", "problem"),
    [
        ("cortex-m4", "origin = 0x0000_0000", "origin = 0x0000_0080", "flash: begins at 0x80, where it must"),
        ("rv32imc", "origin = 0x8000_0000", "origin = 0x8000_0002", "flash: begins at 0x80000002, where it must"),
        ("esp32c3", "data_origin = 0x3C00_0000", "data_origin = 0x3C00_0010", "flash_data: begins at 0x3c000010"),
        ("atmega2560", "origin = 0\n", "origin = 0x100\n", "flash: begins at 0x100, where it must begin at 0x0"),
        ("atmega2560", "size_bytes = 0x4_0000", "size_bytes = 0x80_0002", "flash: ends behind 0x800000"),
        ("atmega2560", "origin = 0x80_0200", "origin = 0x4_0200", "ram: begins at 0x40200, where it must"),
        ("atmega2560", "size_bytes = 0x2000", "size_bytes = 0x1_0000", "ram: ends behind 0x810000"),
        ("cortex-m4", 'isa = "armv7em"', 'isa = "nosuch"', "isa: 'nosuch' is none of armv6m"),
        ("cortex-m3", 'isa = "armv7m"', 'isa = "avr"', "isa: 'avr' is none of armv6m"),
        ("atmega2560", 'isa = "avr"', 'isa = "ref"', "isa: 'ref' is none of avr"),
        ("esp8266", 'isa = "', 'isa = "rv32', "is none of ref, lx106, the kernels for xtensa"),
    ],
)
def test_what_an_architecture_asks_is_checked_as_the_file_is_read(tmp_path, like, old, new, problem):
    text = (targets_dir() / f"{like}.toml").read_text()
    assert old in text
    with pytest.raises(TargetError) as caught:
        read_target(write(tmp_path, text.replace(old, new, 1)))
    assert problem in caught.value.message
    assert "board.toml" in caught.value.message


@pytest.mark.parametrize("arch", ARCHITECTURES)
def test_the_kernels_of_every_architecture_exist(arch):
    like = {target.arch: target for target in map(load_target, list_targets())}[arch]
    assert set(ARCHITECTURES[arch].isas) <= set(LAYOUTS)
    assert like.isa in ARCHITECTURES[arch].isas


FLAGS = 'gcc = ["-mcpu=cortex-m4", "-mthumb", "-mfloat-abi=soft"]'


@pytest.mark.parametrize(
    "flags",
    ['"firmware.elf"', '"-mthumb", "x"', '"-target", "thumb-none", "x.o"', '"-o"', '"@file"', '"-target", "-o"'],
)
def test_compiler_flags_name_no_files(tmp_path, flags):
    assert FLAGS in GOOD
    with pytest.raises(TargetError, match=r"compiler_flags\.gcc: '[^']+' does not choose a core"):
        read_target(write(tmp_path, GOOD.replace(FLAGS, f"gcc = [{flags}]")))


def test_a_large_file_is_refused_and_not_cut(tmp_path):
    padding = "# " + "x" * ((1 << 16) - len(GOOD.encode()) - 3) + "\n"
    assert read_target(write(tmp_path, GOOD + padding)).arch == "cortex-m"
    with pytest.raises(TargetError, match="larger than 65536 bytes"):
        read_target(write(tmp_path, GOOD + padding + "#"))


@pytest.mark.parametrize("text", ["a = ", "\0", "a = " + "[" * 30000, "a.b = 1\na = 2"])
def test_damaged_files(tmp_path, text):
    with pytest.raises(TargetError, match="cannot be read"):
        read_target(write(tmp_path, text))
