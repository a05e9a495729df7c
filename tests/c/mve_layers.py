"""Recurrent and Dense layers as C for MVE in one program: the rendered templates, a table of them, and results."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from mve_cases import Case
from random_models import Bounds, random_inputs, random_model
from random_native import random_native_model

from edgelstm.codegen.environment import template_environment
from edgelstm.codegen.items import make_item
from edgelstm.codegen.layouts import LAYOUTS
from edgelstm.codegen.options import Options
from edgelstm.codegen.plan import PlannedOp
from edgelstm.ir import AnyArray, IntArray, Model, Op, Quantization, QuantizedTensor
from edgelstm.numerics.contracts import CHOICES, Contract
from edgelstm.numerics.gate_functions import GateFunction
from edgelstm.ops import scales
from edgelstm.ops.dense import Dense
from edgelstm.ops.gru import Gru
from edgelstm.simulate import simulate_steps

BOUNDS = {
    "any": Bounds(units=48, inputs=40, timesteps=10, layers=1),
    "one unit": Bounds(units=1, inputs=40, timesteps=10, layers=1),
    "one input": Bounds(units=40, inputs=1, timesteps=10, layers=1),
    "many inputs": Bounds(units=20, inputs=300, timesteps=4, layers=1),
    "many units": Bounds(units=150, inputs=20, timesteps=4, layers=1),
}
SEEDS = {"any": range(20), "one unit": range(20, 24), "one input": range(24, 30), "many inputs": range(30, 35),
         "many units": (36,)}  # fmt: skip
NATIVE_SEEDS = {"any": range(34), "one unit": range(48, 52), "one input": range(52, 56), "many inputs": range(56, 60),
                "many units": (61, 64)}  # fmt: skip

_STATE = """\
    {dtype}_t {layer}_{state}[{units}];
    {dtype}_t {state}_guard;
"""

_RESET = """\
    for (unsigned k = 0; k < {units}u; k++) {{
        self.{layer}_{state}[k] = {initial};
    }}
    self.{state}_guard = 90;
"""

_GIVE = """\
        if (!give(self.{layer}_{state}, sizeof self.{layer}_{state}) || self.{state}_guard != 90) {{
            return 0;
        }}
"""

_RUN = """\
static int run_{layer}(void)
{{
    static {layer}_t self;
    static int8_t input[{inputs}];
{resets}    for (unsigned t = 0; t < {timesteps}u; t++) {{
        if (!take(input, {inputs}u)) {{
            return 0;
        }}
        {layer}_{layer}(&self, input);
{gives}    }}
    return 1;
}}
"""

_RUN_DENSE = """\
static int run_{layer}(void)
{{
    static int8_t input[{inputs}];
    static int8_t output[{units} + 1];
    output[{units}] = 90;
    for (unsigned t = 0; t < {times}u; t++) {{
        if (!take(input, {inputs}u)) {{
            return 0;
        }}
        {layer}_{layer}(input, output);
        if (!give(output, {units}u)) {{
            return 0;
        }}
    }}
    return output[{units}] == 90;
}}
"""

_MAIN = """\
static int (*const runs[])(void) = {{{runs}}};

int app_main(void)
{{
    int good = 1;
    input_file = port_open_read("vectors.bin");
    output_file = port_open_write("results.bin");
    for (unsigned k = 0; good && k < sizeof runs / sizeof runs[0]; k++) {{
        good = runs[k]();
    }}
    return good ? 0 : 1;
}}
"""

_HEAD = """\
#include "edgelstm_mve_activations.h"
#include "edgelstm_mve_hard_sigmoid.h"
#include "edgelstm_mve_lstm.h"
#include "edgelstm_mve_recurrent.h"
#include "port.h"

static int input_file, output_file;

static int take(void *to, uint32_t size)
{
    return port_read(input_file, to, size) == (int32_t)size;
}

static int give(const void *from, uint32_t size)
{
    return port_write(output_file, from, size) == (int32_t)size;
}

"""


@dataclass(frozen=True, eq=False)
class Layer:
    """A recurrent layer alone, and the inputs (timesteps, size) that it runs on."""

    name: str
    model: Model
    inputs: IntArray

    @property
    def op(self) -> Op:
        return self.model.ops[0]


@dataclass(frozen=True, eq=False)
class DenseLayer:
    """A Dense, its rounding, and the inputs (times, size) that it runs on."""

    name: str
    op: Dense
    contract: Contract
    inputs: IntArray


def random_layers() -> list[Layer]:
    """Of the `litert` contract."""
    return [
        _layer(f"layer{seed}", random_model(seed, Contract.LITERT, BOUNDS[kind]), seed, BOUNDS[kind])
        for kind, seeds in SEEDS.items()
        for seed in seeds
    ]


def native_layers() -> list[Layer]:
    """Of the `native` contract; GRUs of all six forms in turn."""
    return [
        _layer(f"native{seed}", _in_form(random_native_model(seed, BOUNDS[kind]), seed), seed, BOUNDS[kind])
        for kind, seeds in NATIVE_SEEDS.items()
        for seed in seeds
    ]


def _in_form(model: Model, seed: int) -> Model:
    op = model.ops[0]
    if not isinstance(op, Gru):
        return model
    return replace(model, ops=(replace(op, reset_after=seed % 2 == 0, gate=tuple(GateFunction)[seed // 2 % 3]),))


def _layer(name: str, whole: Model, seed: int, bounds: Bounds) -> Layer:
    model = Model(whole.name, whole.input, whole.ops[:1], bounds.timesteps, whole.contract)
    inputs = random_inputs(model, seed, 3)
    return Layer(name, model, np.concatenate([row[: bounds.timesteps // 2] for row in inputs]))


def dense_layers() -> list[DenseLayer]:
    """One block of rows, several, and several passes over columns, with both roundings."""
    sizes = [(1, 1), (7, 3), (16, 4), (20, 32), (40, 33), (113, 9), (300, 70), (112, 64)]
    return [
        DenseLayer(
            f"dense{index}{contract.value}", _dense(index, *sizes[index]), contract, _dense_inputs(index, *sizes[index])
        )
        for index in range(len(sizes))
        for contract in CHOICES
    ]


def _dense_inputs(seed: int, inputs: int, _: int) -> IntArray:
    return np.random.default_rng(seed).integers(-128, 128, (6, inputs)).astype(np.int8)


def _dense(seed: int, inputs: int, units: int) -> Dense:
    rng = np.random.default_rng(seed)
    source = QuantizedTensor("input", inputs, is_sequence=False, quantization=Quantization(scales.float32(0.02), 3))
    result = QuantizedTensor("output", units, False, Quantization(scales.float32(0.003 * inputs**0.5), -20))
    kernel_scales = tuple(scales.float32(scale) for scale in rng.uniform(0.001, 0.004, units))
    kernel = rng.integers(-127, 128, (units, inputs)).astype(np.int8)
    bias = rng.integers(-20000, 20000, units).astype(np.int32)
    return Dense("output", source, result, kernel, kernel_scales, bias, relu=seed % 2 == 1)


def program(layers: Sequence[Layer], dense: Sequence[DenseLayer]) -> str:
    """A program that runs every layer on its part of vectors.bin."""
    texts = [definition(layer.op, layer.name) + _run(layer) for layer in layers]
    texts += [
        _text(layer.op, layer.name, layer.contract)
        + _RUN_DENSE.format(
            layer=layer.name, units=layer.op.output.size, inputs=layer.op.input.size, times=len(layer.inputs)
        )
        for layer in dense
    ]
    runs = ", ".join(f"run_{name}" for name in [*(layer.name for layer in layers), *(layer.name for layer in dense)])
    return _HEAD + "\n".join(texts) + _MAIN.format(runs=runs)


def _run(layer: Layer) -> str:
    resets, gives = (_states(text, layer.op, layer.name) for text in (_RESET, _GIVE))
    inputs, timesteps = layer.op.input.size, len(layer.inputs)
    return _RUN.format(layer=layer.name, inputs=inputs, timesteps=timesteps, resets=resets, gives=gives)


def _states(text: str, op: Op, name: str) -> str:
    """The text for each state array."""
    return "".join(
        text.format(layer=name, state=state.name, dtype=state.dtype, units=state.size, initial=state.initial)
        for state in op.state
    )


def cases(layers: Sequence[Layer], dense: Sequence[DenseLayer]) -> Iterator[Case]:
    """The state after every step, and outputs, as the simulator has them."""
    for layer in layers:
        states = [step.state[0] for step in simulate_steps(layer.model, layer.inputs[None])]
        left = b"".join(array.astype(array.dtype.newbyteorder("<")).tobytes() for state in states for array in state)
        yield Case(f"{layer.name} {layer.op.input.size}x{layer.op.output.size}", layer.inputs.tobytes(), _bytes(left))
    for item in dense:
        outputs, _ = item.op.simulate(item.contract, item.inputs, ())
        yield Case(f"{item.name} {item.op.input.size}x{item.op.output.size}", item.inputs.tobytes(), outputs.ravel())


def definition(op: Op, name: str) -> str:
    """The C of a layer: the state <name>_t, in which guards follow the arrays, and the function <name>_<name>."""
    contract = Contract.NATIVE if op.is_native else Contract.LITERT
    return f"typedef struct {{\n{_states(_STATE, op, name)}}} {name}_t;\n\n{_text(op, name, contract)}"


def _text(op: Op, name: str, contract: Contract) -> str:
    planned = PlannedOp(op, name)
    model = Model(name, op.input, (op,), 1, contract)
    return make_item(
        template_environment(), model, name, planned, Options("mve", "speed", sha256=""), LAYOUTS["mve"]
    ).text


def _bytes(data: bytes) -> AnyArray:
    return np.frombuffer(data, np.uint8)
