"""The same bits at every optimization level, with and without frame pointer and assembler, and beside another model."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from cores import CORES, QEMU
from random_models import Bounds, random_inputs, random_model
from reference_models import classifier, dense, tagger

from edgelstm.codegen.emit import Options, emit
from edgelstm.codegen.layouts import WIDE_LAYOUTS
from edgelstm.device import toolchain
from edgelstm.device.compilers import PROGRAMS, find_compiler
from edgelstm.device.runners import choose_runner
from edgelstm.device.targets import load_target
from edgelstm.device.toolchain import compile_firmware
from edgelstm.ir import FloatModel, Tensor
from edgelstm.numerics.contracts import Contract
from edgelstm.quantization import quantize
from edgelstm.verification.ladder import Expectation, run_program
from edgelstm.verification.trace import simulator_trace

TARGETS = [name for name in CORES if name not in ("cortex-m7", "cortex-m33")]
LEVELS = ("-O0", "-Og", "-O1", "-O2", "-O3", "-Os")
WITHOUT_ASSEMBLER = (("zig", "-O1"), ("gcc", "-Og"))
SEEDS = {"size": 8, "balanced": 12, "speed": 16}


@pytest.mark.parametrize(
    ("compiler", "level"), [*(("gcc", level) for level in LEVELS), ("zig", "-O0"), ("zig", "-O1"), ("zig", "-Os")]
)
@pytest.mark.parametrize("name", TARGETS)
def test_levels_and_frame_pointers_change_no_bit(
    name: str,
    compiler: str,
    level: str,
    require_tool: Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    target = load_target(name)
    if target.arch == "cortex-m":
        # At -O0 a function has room for the variables of all that are inlined into it, each apart.
        target = replace(target, stack_bytes=max(target.stack_bytes, 0x1000))
    if compiler not in target.compiler_flags:
        pytest.skip(f"{compiler} does not compile for {name}")
    for tool in (PROGRAMS[target.arch][0] if compiler == "gcc" else "ziglang", QEMU[target.arch]):
        require_tool(tool)
    number = LEVELS.index(level)
    optimize = list(SEEDS)[number % 3]
    monkeypatch.setitem(toolchain.OPTIMIZE_FLAGS, optimize, level)
    frame = "-fno-omit-frame-pointer" if number % 2 else "-fomit-frame-pointer"
    kept = tuple(flag for flag in toolchain._FREESTANDING_FLAGS if "frame-pointer" not in flag)
    monkeypatch.setattr(toolchain, "_FREESTANDING_FLAGS", (*kept, frame))
    model = random_model(SEEDS[optimize], Contract.LITERT, Bounds(units=37, inputs=29, timesteps=6, layers=2))
    inputs = random_inputs(model, 1, 3)
    expected = Expectation(model, inputs, simulator_trace(model, inputs))
    options = Options(
        target.isa, optimize, "0" * 64,
        no_asm=(compiler, level) in WITHOUT_ASSEMBLER, wide_weights=level == "-O3" and target.isa in WIDE_LAYOUTS,
    )  # fmt: skip
    for file, text in emit(model, options).files.items():
        (tmp_path / file).write_text(text)
    program = compile_firmware(
        target, find_compiler(target, compiler), sorted(tmp_path.glob("*.c")), [tmp_path], tmp_path / "build", "it",
        optimize=optimize, warnings_are_errors=True,
    ).elf  # fmt: skip
    run = run_program(name, expected, program, choose_runner(target, "qemu"), 60, lambda text: None)
    assert run.rung.values > 0
    assert run.rung.mismatches == 0, run.rung.first


@pytest.mark.parametrize("optimize", ["size", "speed"])
def test_link_time_optimization_changes_no_bit(
    optimize: str, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm"):
        require_tool(tool)
    target = load_target("cortex-m4")
    target = replace(target, compiler_flags={"gcc": (*target.compiler_flags["gcc"], "-flto")})
    model = random_model(SEEDS[optimize], Contract.LITERT, Bounds(units=37, inputs=29, timesteps=6, layers=2))
    inputs = random_inputs(model, 1, 3)
    expected = Expectation(model, inputs, simulator_trace(model, inputs))
    for file, text in emit(model, Options(target.isa, optimize, "0" * 64)).files.items():
        (tmp_path / file).write_text(text)
    program = compile_firmware(
        target, find_compiler(target, "gcc"), sorted(tmp_path.glob("*.c")), [tmp_path], tmp_path / "build", "it",
        optimize=optimize, warnings_are_errors=True,
    ).elf  # fmt: skip
    run = run_program("cortex-m4", expected, program, choose_runner(target, "qemu"), 60, lambda text: None)
    assert run.rung.values > 0
    assert run.rung.mismatches == 0, run.rung.first


TWO_MODELS = """#include "{first}.h"
#include "{second}.h"
#include "port.h"

static {first}_t one;
static {second}_t other;

int app_main(void)
{{
    port_print({first}_selftest(&one) ? "passed " : "failed ");
    port_print({second}_selftest(&other) ? "passed" : "failed");
    return 0;
}}
"""


@pytest.mark.parametrize("optimize", ["size", "speed"])
def test_two_models_share_a_program(optimize: str, require_tool: Callable[[str], None], tmp_path: Path) -> None:
    """And the library's headers, which are the same for both."""
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm"):
        require_tool(tool)
    target = load_target("cortex-m4")
    models = [classifier(6, (16, 9), 4, 12, Contract.LITERT), tagger(5, 12, 8, Contract.LITERT)]
    written: dict[str, str] = {}
    for model in models:
        files = emit(model, Options(target.isa, optimize, "0" * 64)).files
        own = {name: text for name, text in files.items() if name.startswith((model.name, "edgelstm_"))}
        assert all(written.get(name, text) == text for name, text in own.items())
        written |= own
    first, second = (model.name for model in models)
    written["main.c"] = TWO_MODELS.format(first=first, second=second)
    for name, text in written.items():
        (tmp_path / name).write_text(text)
    program = compile_firmware(
        target, find_compiler(target, "gcc"), sorted(tmp_path.glob("*.c")), [tmp_path], tmp_path / "build", "it",
        optimize=optimize, warnings_are_errors=True,
    ).elf  # fmt: skip
    result = choose_runner(target, "qemu").run(program, [], cwd=tmp_path, timeout_s=60)
    assert (result.exit_code, result.output.strip()) == (0, "passed passed")


@pytest.mark.parametrize("compiler", ["gcc", "zig"])
def test_a_model_without_state_compiles_and_is_exact(
    compiler: str, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    for tool in ("arm-none-eabi-gcc" if compiler == "gcc" else "ziglang", "qemu-system-arm"):
        require_tool(tool)
    target = load_target("cortex-m4")
    layer = dense("dense", Tensor("input", 7, is_sequence=True), 5)
    ranges = {"input": (-2.0, 2.0), "dense": (-3.0, 3.0)}
    model = quantize(FloatModel("stateless", layer.input, (layer,), 6), ranges, 6, Contract.LITERT)
    inputs = random_inputs(model, 1, 3)
    expected = Expectation(model, inputs, simulator_trace(model, inputs))
    for file, text in emit(model, Options(target.isa, "balanced", "0" * 64)).files.items():
        (tmp_path / file).write_text(text)
    program = compile_firmware(
        target, find_compiler(target, compiler), sorted(tmp_path.glob("*.c")), [tmp_path], tmp_path / "build", "it",
        warnings_are_errors=True,
    ).elf  # fmt: skip
    run = run_program("cortex-m4", expected, program, choose_runner(target, "qemu"), 60, lambda text: None)
    assert run.rung.values > 0
    assert run.rung.mismatches == 0, run.rung.first
