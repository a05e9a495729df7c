"""Every board's file says all that its flash runners want to know, and the programs understand it."""

import re
from pathlib import Path

import pytest
from elf_file import EM_ARM, EM_AVR, EM_RISCV, EM_XTENSA, cortex_m_program, elf_bytes
from qemu_boards import require

from edgelstm.device.compilers import find_compiler
from edgelstm.device.flash import FLASH_RUNNERS, Connection, FlashJob, choose_flash_runner, read_segments
from edgelstm.device.process import run
from edgelstm.device.targets import list_targets, load_target
from edgelstm.device.toolchain import compile_firmware

TABLES = [(name, runner) for name in list_targets() for runner in load_target(name).flash]
CHIPS = [name for name in list_targets() if load_target(name).flash_runner]


@pytest.mark.parametrize("name", CHIPS)
def test_its_own_runner_has_a_plan(name: str, tmp_path: Path) -> None:
    target = load_target(name)
    elf = tmp_path / "a.elf"
    machine = {"cortex-m": EM_ARM, "riscv": EM_RISCV, "avr": EM_AVR, "xtensa": EM_XTENSA}[target.arch]
    stored = next((region for region in target.memory if region.name == "iram"), target.region("flash"))
    elf.write_bytes(elf_bytes([(stored.origin, cortex_m_program(300))], machine=machine))
    runners = {target.flash_runner, *target.flash} & set(FLASH_RUNNERS)
    assert target.flash_runner in runners
    for name_of_runner in runners:
        runner = choose_flash_runner(target, name_of_runner)
        port = "/dev/ttyACM0" if "port" in runner.reached_by else None
        assert runner.plan(FlashJob(elf, Connection(port=port)))


@pytest.mark.parametrize("name", [name for name, runner in TABLES if runner == "openocd"])
def test_openocd_has_its_files_and_gets_as_far_as_the_probe(name: str, tmp_path: Path) -> None:
    """Its configuration is read to the end, without `init`: nothing is connected to."""
    openocd = require("openocd")
    options = choose_flash_runner(load_target(name), "openocd").options
    argv = [openocd, "-c", "gdb_port disabled", "-f", f"interface/{options.text('interface')}.cfg"]
    if transport := options.text("transport"):
        argv += ["-c", f"transport select {transport}"]
    argv += ["-f", f"target/{options.text('target')}.cfg", "-c", "shutdown"]
    completed = run(argv, timeout_s=30, cwd=tmp_path)
    assert completed.exit_code == 0, completed.output


@pytest.mark.parametrize("name", [name for name, runner in TABLES if runner == "pyocd"])
def test_pyocd_has_the_chip_or_its_pack_may(name: str) -> None:
    """Names that are not built in cannot be checked without the packs, only their form.

    There ST's parts carry their package, as in STM32F446RETx; those of the F1 family have no such variants.
    """
    builtin = pytest.importorskip("pyocd.target.builtin").BUILTIN_TARGETS
    chip = choose_flash_runner(load_target(name), "pyocd").options.text("target")
    assert chip in builtin or re.fullmatch(r"stm32(f1\d\d[a-z][0-9a-z]|(?!f1)[a-z]\d[0-9a-z]{4}[a-z]x)", chip)


@pytest.mark.parametrize("name", [name for name, runner in TABLES if runner == "jlink"])
def test_a_device_of_jlink_is_one_word(name: str) -> None:
    assert re.fullmatch(r"[A-Z0-9_]+", choose_flash_runner(load_target(name), "jlink").options.text("device"))


@pytest.mark.skipif("esp32c3" not in list_targets(), reason="no such board")
def test_the_esp32c3_gets_the_words_by_which_its_rom_starts_it(tmp_path: Path) -> None:
    require("riscv64-unknown-elf-gcc")
    target = load_target("esp32c3")
    source = tmp_path / "app.c"
    source.write_text(
        '#include "port.h"\nstatic volatile int one = 7;\nint app_main(void) { port_print("x"); return one; }\n'
    )
    elf = compile_firmware(target, find_compiler(target), [source], [], tmp_path / "out", "app").elf
    runner = choose_flash_runner(target)
    plan = runner.plan(FlashJob(elf))
    assert "write-flash 0x0 firmware.bin" in plan
    assert "elf2image" not in plan
    start = target.region("flash").origin
    stored = {segment.address - start: segment.data for segment in read_segments(elf)}
    assert stored[0].startswith(bytes.fromhex("1d04dbae1d04dbae"))
    # What is stored is one run of flash from its start: the file that is written begins there.
    assert max(stored) < 0x10000
