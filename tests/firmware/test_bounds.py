"""Weights and sums at their bounds: the fast layouts are exact up to theirs, and beyond it another layout is taken."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from cores import CORES, QEMU

from edgelstm.codegen.emit import Options, emit
from edgelstm.codegen.layouts import LAYOUTS, WIDE_LAYOUTS
from edgelstm.device.compilers import PROGRAMS, find_compiler
from edgelstm.device.runners import choose_runner
from edgelstm.device.targets import load_target
from edgelstm.device.toolchain import compile_firmware
from edgelstm.ir import Model, Quantization, QuantizedTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops import scales
from edgelstm.ops.lstm import Gate, Lstm
from edgelstm.verification.ladder import Expectation, run_program
from edgelstm.verification.trace import simulator_trace

UNITS, INPUTS, STEPS = 6, 11, 6
LIMIT = 2**23
TARGETS = CORES

# Each layer reads the hidden state of the one before it, so that one program covers all.
KINDS = (
    "random", "all_127", "all_minus_127", "alternating", "at_the_limit", "past_the_limit",
    "large_factor", "too_large_factor",
)  # fmt: skip
FALLS_BACK = ("past_the_limit",)
SPELLS_OUT = ("past_the_limit", "too_large_factor")


def _weights(kind: str, rng: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    if kind == "all_127":
        return np.full((rows, columns), 127, np.int8)
    if kind == "all_minus_127":
        return np.full((rows, columns), -127, np.int8)
    if kind == "alternating":
        sign = (-1) ** (np.arange(rows)[:, None] + np.arange(columns))
        return (127 * sign).astype(np.int8)
    return rng.integers(-127, 128, (rows, columns)).astype(np.int8)


def _gate(kind: str, rng: np.random.Generator, columns: int, source: Quantization, hidden: Quantization) -> Gate:
    # Factors from 2^-12 to 2^-4 for sums of 20 bits; "large" ones shift to the left.
    factor = 2.0 ** float({"large_factor": 3.3, "too_large_factor": 9.7}.get(kind, rng.uniform(-12, -4)))
    kernel = _weights(kind, rng, UNITS, columns)
    recurrent = _weights(kind, rng, UNITS, UNITS)
    bias = rng.integers(-3000, 3000, UNITS).astype(np.int64)
    folded = bias - source.zero_point * kernel.astype(np.int64).sum(axis=1)
    low, high = scales.accumulator_range(kernel, folded)
    if kind == "at_the_limit":
        bias[::2] += (LIMIT - 1 - high)[::2]
        bias[1::2] += (-LIMIT + 1 - low)[1::2]
    if kind == "past_the_limit":
        bias[-1] += LIMIT - high[-1]
    kernel_scale = scales.float32(factor * 2.0**-12 / source.scale)
    return Gate(
        kernel, kernel_scale, recurrent, scales.float32(factor * 2.0**-12 / hidden.scale), bias.astype(np.int32)
    )


def _model(cell_exponent: int) -> Model:
    rng = np.random.default_rng(cell_exponent + 100)
    tensor = QuantizedTensor("input", INPUTS, is_sequence=True, quantization=Quantization(2.0**-5, -128))
    model_input, ops = tensor, list[Lstm]()
    for kind in KINDS:
        output = QuantizedTensor(kind, UNITS, is_sequence=True, quantization=Quantization(2.0**-7, 3))
        gates = tuple(_gate(kind, rng, tensor.size, tensor.quantization, output.quantization) for _ in range(4))
        cell = Quantization(2.0**cell_exponent, 0, "int16")
        ops.append(Lstm(kind, tensor, output, gates, cell=cell))
        tensor = output
    return Model("bounds", model_input, tuple(ops), STEPS, Contract.LITERT)


def _expected(model: Model) -> Expectation:
    rng = np.random.default_rng(7)
    inputs = rng.integers(-128, 128, (4, STEPS, INPUTS)).astype(np.int8)
    inputs[1], inputs[2] = -128, 127
    inputs[3] = rng.choice([-128, 127], (STEPS, INPUTS))
    return Expectation(model, inputs, simulator_trace(model, inputs))


def _functions(text: str) -> dict[str, str]:
    """The text of each layer's function."""
    parts = re.split(r"static void bounds_(\w+)\(bounds_t \*self", text)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("isa", [isa for isa, layouts in LAYOUTS.items() if len(layouts) > 1])
@pytest.mark.parametrize("wide", [False, True])
def test_a_layer_past_the_bound_takes_another_layout(isa: str, wide: bool) -> None:
    layouts = (WIDE_LAYOUTS if wide else LAYOUTS).get(isa)
    if layouts is None:
        return
    text = emit(_model(-12), Options(isa, "balanced", "0" * 64, wide_weights=wide)).files["bounds.c"]
    for kind, function in _functions(text).items():
        at_limit = kind in ("at_the_limit", "large_factor")
        fast = next(layout.name for layout in layouts if layout.sum_limit == LIMIT or not at_limit)
        slow = layouts[-1].name
        wanted = f"el_dot4_{slow}(" if kind in FALLS_BACK else f"el_{'dot4' if kind in SPELLS_OUT else 'gates'}_{fast}("
        assert wanted in function, (kind, function[:2000])


@pytest.mark.parametrize("optimize", ["size", "balanced", "speed"])
@pytest.mark.parametrize("name", TARGETS)
def test_bounds_are_exact_on_every_core(
    name: str, optimize: str, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    target = load_target(name)
    for tool in (PROGRAMS[target.arch][0], QEMU[target.arch]):
        require_tool(tool)
    model = _model({"size": -15, "balanced": -12, "speed": -9}[optimize])
    expected = _expected(model)
    for wide in (False, True) if target.isa in WIDE_LAYOUTS else (False,):
        work = tmp_path / str(wide)
        work.mkdir()
        for file, text in emit(model, Options(target.isa, optimize, "0" * 64, wide_weights=wide)).files.items():
            (work / file).write_text(text)
        program = compile_firmware(
            target, find_compiler(target, "gcc"), sorted(work.glob("*.c")), [work], work / "build", "it",
            optimize=optimize, warnings_are_errors=True,
        ).elf  # fmt: skip
        run = run_program(name, expected, program, choose_runner(target, "qemu"), 60, lambda text: None)
        assert run.rung.values > 0
        assert run.rung.mismatches == 0, run.rung.first
