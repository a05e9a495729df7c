"""A step takes at most these fractions of the instructions of CMSIS-NN's int8 LSTM (clang -O3, the same emulator)."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mve_layers import definition
from mve_programs import TARGET, chip_program, mve_headers

from edgelstm.codegen.vector_lstm import vector_lstm
from edgelstm.device.runners import choose_runner
from edgelstm.ir import Quantization, QuantizedTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops import scales
from edgelstm.ops.lstm import Gate, Lstm

PROGRAMS = {"gcc": "arm-none-eabi-gcc", "zig": "ziglang"}
STEPS = 64

# (inputs, units): instructions of CMSIS-NN, fraction, bytes of stack
LIMITS = {
    (6, 16): (5360, 0.25, 512),
    (16, 32): (9712, 0.30, 768),
    (28, 20): (6812, 0.32, 640),
    (40, 64): (20656, 0.38, 1280),
    (40, 128): (45104, 0.45, 2304),
}

# Gains of the input part and of the recurrent part with which a gate needs more instructions.
GAINS = {
    "ordinary": (1.0, 1.0),
    "input part shifted left": (4.0, 1.0),
    "recurrent part beyond 16 bits": (1.0, 4.0),
    "both shifted left": (4.0, 16.0),
}

CASES = [
    *(("gcc", shape, "ordinary") for shape in LIMITS),
    *(("gcc", (6, 16), gain) for gain in GAINS if gain != "ordinary"),
    ("zig", (6, 16), "both shifted left"),
    ("zig", (28, 20), "ordinary"),
]

_MAIN = """
#include "port.h"

int app_main(void)
{{
    static layer_t self;
    static int8_t input[{inputs}];
    uint32_t measured[2];
    const uint32_t start = port_ticks();
    for (unsigned t = 0; t < {steps}u; t++) {{
        layer_layer(&self, input);
    }}
    measured[0] = port_ticks_since(start);
    port_stack_paint();
    layer_layer(&self, input);
    measured[1] = port_stack_used();
    return port_write(port_open_write("measured.bin"), measured, sizeof measured) == (int32_t)sizeof measured ? 0 : 1;
}}
"""


def test_gains_have_the_names_they_claim() -> None:
    facts = {name: vector_lstm(_layer(6, 16, gains), Contract.LITERT) for name, gains in GAINS.items()}
    found = {
        name: (fact.input_left, fact.recurrent_left, fact.recurrent_part_fits) for name, fact in facts.items() if fact
    }
    assert found == {
        "ordinary": (0, 0, 1),
        "input part shifted left": (1, 0, 1),
        "recurrent part beyond 16 bits": (0, 0, 0),
        "both shifted left": (1, 1, 0),
    }


@pytest.mark.parametrize(("compiler", "shape", "gain"), CASES, ids=str)
def test_a_step_is_cheap(
    compiler: str, shape: tuple[int, int], gain: str, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    for name in (PROGRAMS[compiler], "qemu-system-arm"):
        require_tool(name)
    instructions, stack_bytes = _measure(_layer(*shape, GAINS[gain]), compiler, tmp_path)
    reference, fraction, most_stack_bytes = LIMITS[shape]
    assert instructions <= fraction * reference, instructions
    assert stack_bytes <= most_stack_bytes


def _measure(op: Lstm, compiler: str, folder: Path) -> tuple[float, int]:
    """Instructions of a step with its call and the loop around it, and the stack that a step takes."""
    text = definition(op, "layer").replace(
        "static void layer_layer", "static __attribute__((noinline)) void layer_layer"
    )
    source = folder / "speed.c"
    includes = '#include "edgelstm_mve_activations.h"\n#include "edgelstm_mve_lstm.h"\n'
    source.write_text(includes + text + _MAIN.format(inputs=op.input.size, steps=STEPS))
    result = choose_runner(TARGET, "qemu").run(
        chip_program(compiler, source, mve_headers(), folder), [], cwd=folder, timeout_s=60
    )
    assert result.exit_code == 0, result.output
    ticks, stack_bytes = np.frombuffer((folder / "measured.bin").read_bytes(), "<u4")
    return float(ticks * result.instructions_per_tick) / STEPS, int(stack_bytes)


def _layer(inputs: int, units: int, gains: tuple[float, float]) -> Lstm:
    """Weights of a size at which, with gains of 1, the gates' recurrent parts fit 16 bits in small layers only."""
    rng = np.random.default_rng(units)
    source = QuantizedTensor("input", inputs, is_sequence=True, quantization=Quantization(scales.float32(0.02), 3))
    hidden = Quantization(scales.float32(1.9 / 255), 5)

    kernel_scale, recurrent_scale = (
        scales.float32(gain * 2.2 / columns**0.5 / 127) for gain, columns in zip(gains, (inputs, units), strict=True)
    )

    def gate() -> Gate:
        return Gate(
            rng.integers(-127, 128, (units, inputs)).astype(np.int8), kernel_scale,
            rng.integers(-127, 128, (units, units)).astype(np.int8), recurrent_scale,
            rng.integers(-9999, 9999, units).astype(np.int32),
        )  # fmt: skip

    output = QuantizedTensor("layer", units, is_sequence=True, quantization=hidden)
    cell = Quantization(2.0**-12, 0, "int16")
    return Lstm("layer", source, output, (gate(), gate(), gate(), gate()), 10.0, cell=cell)
