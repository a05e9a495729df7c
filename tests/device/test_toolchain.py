import os
import re
import shutil
from pathlib import Path

import pytest
from cores import CORES, GCC
from intel_hex import read_intel_hex

from edgelstm.device.compilers import find_compiler
from edgelstm.device.elf import read_elf
from edgelstm.device.runners import choose_runner
from edgelstm.device.targets import load_target
from edgelstm.device.toolchain import compile_firmware
from edgelstm.errors import ProjectError, TargetError, ToolError, ToolFailedError, ToolMissingError

CHIP = load_target("cortex-m4")
HOST = load_target("host")
CHIPS = CORES


def compile_text(text: str, folder: Path, choice: str = "gcc", target=CHIP, **options):
    source = folder / "app.c"
    source.parent.mkdir(parents=True, exist_ok=True)
    source.write_text(text)
    return compile_firmware(target, find_compiler(target, choice), [source], [], folder / "out", "app", **options)


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize("compiler", ["gcc", "zig"])
def test_all_images_hold_the_same_program(build, compiler, chip):
    target = load_target(chip)
    if compiler not in target.compiler_flags:
        pytest.skip(f"{compiler} does not compile for {chip}")
    firmware = build("lab", chip, compiler)
    elf = read_elf(firmware.elf)
    stored = {s.load_address + i: byte for s in elf.segments for i, byte in enumerate(s.data)}
    start = min(stored) if target.runs_from_ram else target.region("flash").origin
    binary = firmware.bin.read_bytes()
    assert {address: binary[address - start] for address in stored} == stored
    assert len(binary) == max(stored) + 1 - start
    content, entry = read_intel_hex(firmware.hex.read_text())
    assert content == stored
    thumb_bit = 1 if elf.machine == "EM_ARM" else 0
    assert entry == elf.entry == elf.symbol("reset_handler").address | thumb_bit
    assert "app_main" in firmware.map.read_text()
    assert firmware.compiler.family == compiler
    assert firmware.sanitizers == ()
    assert firmware.warnings == ""


@pytest.mark.parametrize("compiler", ["gcc", "zig"])
@pytest.mark.parametrize("chip", ["cortex-m4", "rv32imc"])
def test_the_same_sources_give_the_same_bytes_anywhere(compiler, chip, require_tool, tmp_path):
    target = load_target(chip)
    require_tool({"gcc": GCC[target.arch], "zig": "ziglang"}[compiler])
    text = '#include "port.h"\nint app_main(void) { port_print(__FILE__); return 0; }\n'
    one = compile_text(text, tmp_path / "here", compiler, target)
    other = compile_text(text, tmp_path / "a" / "longer way" / "there", compiler, target)
    assert one.elf.read_bytes() == other.elf.read_bytes()
    assert one.hex.read_bytes() == other.hex.read_bytes()
    assert re.search(rb"(?<![.\w])/[\w.-]+/", one.elf.read_bytes()) is None, "an absolute path"


def test_optimizing_for_size_gives_a_smaller_program(require_tool, tmp_path):
    require_tool("arm-none-eabi-gcc")
    text = "#include <stdint.h>\nvolatile int32_t x[9];\nint app_main(void) { int32_t s = 0;\n"
    text += "for (int i = 0; i < 9; i++) { s += x[i] * x[i] / 7; }\n return s; }\n"
    sizes = {
        optimize: compile_text(text, tmp_path / optimize, optimize=optimize).bin.stat().st_size
        for optimize in ("speed", "balanced", "size")
    }
    assert sizes["size"] < sizes["balanced"] == sizes["speed"]
    with pytest.raises(ProjectError, match="fast"):
        compile_text(text, tmp_path / "fast", optimize="fast")


@pytest.mark.parametrize("compiler", ["gcc", "zig"])
@pytest.mark.parametrize("chip", ["cortex-m0", "cortex-m4", "rv32imc"])
def test_64_bit_arithmetic_links_without_a_c_library(compiler, chip, require_tool, tmp_path):
    target = load_target(chip)
    require_tool({"gcc": GCC[target.arch], "zig": "ziglang"}[compiler])
    text = """#include <stdint.h>
    struct big { int32_t x[40]; } from, to;
    volatile int64_t value = 1234567890;
    volatile int shift = 40;
    int app_main(void) {
        from.x[39] = 5;
        to = from;
        return (int)((value * -value) >> shift) + (int)(value << (shift - 37)) % 100 + to.x[39];
    }
    """
    firmware = compile_text(text, tmp_path, compiler, target)
    require_tool("unicorn")
    result = choose_runner(target, "unicorn").run(firmware.elf, [], cwd=tmp_path, timeout_s=20)
    low = ((1234567890 << 3) + 2**31) % 2**32 - 2**31
    expected = (-(1234567890**2) >> 40) + (abs(low) % 100) * (1 if low > 0 else -1) + 5
    assert result.exit_code == expected & 0xFF


def test_a_refused_source_shows_the_command_and_what_was_said(require_tool, tmp_path):
    require_tool("arm-none-eabi-gcc")
    with pytest.raises(ToolFailedError) as caught:
        compile_text("int app_main(void) { return nonsense; }\n", tmp_path)
    assert "the command was: " in caught.value.message
    assert "-mcpu=cortex-m4" in caught.value.message
    assert "nonsense" in caught.value.message
    assert not (tmp_path / "out" / "app.elf").exists()


def test_a_failed_link_leaves_the_old_firmware_alone(require_tool, tmp_path):
    require_tool("arm-none-eabi-gcc")
    old = compile_text("int app_main(void) { return 0; }\n", tmp_path).elf.read_bytes()
    with pytest.raises(ToolFailedError, match="missing_function"):
        compile_text("int missing_function(void);\nint app_main(void) { return missing_function(); }\n", tmp_path)
    assert (tmp_path / "out" / "app.elf").read_bytes() == old


def test_warnings_are_shown_or_refused(require_tool, tmp_path):
    require_tool("arm-none-eabi-gcc")
    text = "int app_main(void) { long long x = 5; char c = x; return c; }\n"
    assert "-Wconversion" in compile_text(text, tmp_path).warnings
    with pytest.raises(ToolFailedError, match="Wconversion"):
        compile_text(text, tmp_path, warnings_are_errors=True)


@pytest.mark.parametrize("compiler", ["gcc", "zig"])
@pytest.mark.parametrize(("declaration", "region"), [("const char", "flash"), ("char", "ram")])
def test_what_does_not_fit_is_told_with_the_excess(compiler, declaration, region, require_tool, tmp_path):
    require_tool({"gcc": "arm-none-eabi-gcc", "zig": "ziglang"}[compiler])
    text = f"volatile {declaration} big[5000000] = {{0}};\nint app_main(void) {{ return big[3]; }}\n"
    with pytest.raises(TargetError, match=rf"does not fit into cortex-m4: it exceeds {region} by \d+ bytes"):
        compile_text(text, tmp_path, compiler)


@pytest.mark.parametrize("name", ["../app", "a b", "", "-o", "x" * 100, "a/b"])
def test_firmware_names_are_no_paths(name, require_tool, tmp_path):
    require_tool("arm-none-eabi-gcc")
    with pytest.raises(ProjectError, match="cannot name a firmware"):
        compile_firmware(CHIP, find_compiler(CHIP), [], [], tmp_path, name)


def test_odd_folder_names_do_no_harm(require_tool, tmp_path):
    require_tool("arm-none-eabi-gcc")
    folder = tmp_path / "-odd $(touch x);, name"
    assert compile_text("int app_main(void) { return 0; }\n", folder).elf.is_file()
    assert not list(tmp_path.rglob("x"))


def test_a_sanitized_host_program(build):
    firmware = build("lab", "host", "gcc")
    assert firmware.sanitizers in (("address", "undefined"), ("undefined-trap",), ())
    if os.environ.get("CI") == "true":
        assert firmware.sanitizers == ("address", "undefined")
    assert (firmware.bin, firmware.hex, firmware.map) == (None, None, None)


def test_the_architecture_s_own_compiler_comes_first(require_tool):
    require_tool("arm-none-eabi-gcc")
    compiler = find_compiler(CHIP)
    assert compiler.name == "arm-none-eabi-gcc"
    assert compiler.family == "gcc"
    assert compiler.version[0].isdigit()
    assert find_compiler(CHIP, compiler.argv[0]) == compiler


def test_zig_stands_in_for_a_missing_gcc(require_tool, monkeypatch, tmp_path):
    require_tool("ziglang")
    monkeypatch.setenv("PATH", str(tmp_path))
    compiler = find_compiler(CHIP)
    assert (compiler.name, compiler.family) == ("zig", "zig")


def test_zig_builds_without_a_home(require_tool, monkeypatch, tmp_path):
    require_tool("ziglang")
    for name in ("HOME", "XDG_CACHE_HOME", "ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    assert compile_text("int app_main(void) { return 0; }\n", tmp_path, "zig").elf.is_file()


def test_a_module_in_the_build_folder_is_not_taken_for_zig(require_tool, tmp_path):
    require_tool("ziglang")
    (tmp_path / "out" / "ziglang").mkdir(parents=True)
    (tmp_path / "out" / "ziglang" / "__main__.py").write_text("raise SystemExit('taken')")
    assert compile_text("int app_main(void) { return 0; }\n", tmp_path, "zig").elf.is_file()


@pytest.mark.parametrize(
    ("chip", "package", "emulator"),
    [
        ("cortex-m4", "gcc-arm-none-eabi", "qemu-system-arm"),
        ("rv32imc", "gcc-riscv64-unknown-elf", "qemu-system-misc"),
    ],
)
def test_nothing_found_says_what_to_install(monkeypatch, tmp_path, chip, package, emulator):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ToolMissingError) as caught:
        choose_runner(load_target(chip))
    assert f"install {emulator} (apt)" in caught.value.hint
    for choice in (None, "gcc", "zig"):
        with pytest.raises(ToolMissingError) as caught:
            find_compiler(load_target(chip), choice)
        assert f"install {package} (apt)" in caught.value.hint
        assert "edgelstm[emulate]" in caught.value.hint


def test_wrong_choices(tmp_path):
    with pytest.raises(ToolMissingError, match="no compiler called 'icc'"):
        find_compiler(CHIP, "icc")
    with pytest.raises(ToolMissingError):
        find_compiler(CHIP, str(tmp_path / "gcc"))
    if shutil.which("echo"):
        with pytest.raises(ToolError, match="neither gcc nor clang nor zig"):
            find_compiler(CHIP, shutil.which("echo"))
    if shutil.which("clang"):
        with pytest.raises(ToolError, match="cannot build for cortex-m4"):
            find_compiler(CHIP, "clang")
