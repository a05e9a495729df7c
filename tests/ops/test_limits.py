"""At the ends of what a .tflite file may state, an op says that it cannot, or computes what the runtimes compute."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from random_models import Bounds, random_inputs, random_model

from edgelstm.codegen.emit import Options, emit
from edgelstm.errors import ModelError
from edgelstm.frontends.tflite import model_from_tflite
from edgelstm.ir import Model, Op, Quantization, QuantizedTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops import scales
from edgelstm.ops.dense import Dense
from edgelstm.ops.lstm import Lstm
from edgelstm.ops.softmax import MOST_CLASSES, Softmax
from edgelstm.tflite import write_tflite
from edgelstm.tflite.export import to_tflite_model
from edgelstm.verification.oracles import LITERT, TFLM, Oracle
from edgelstm.verification.trace import compare, simulator_trace


def softmax(scale: float, beta: float = 1.0, classes: int = 3) -> Softmax:
    source = QuantizedTensor("scores", classes, False, Quantization(scales.float32(scale), 5))
    return Softmax("softmax", source, QuantizedTensor("shares", classes, False, scales.SIGMOID_OUTPUT), beta)


@pytest.mark.parametrize("contract", Contract)
@pytest.mark.parametrize(
    ("scale", "beta"),
    [(2.0**-26, 1.0), (2.0**-26 * 0.8, 1.0), (2.0**-40, 1.0), (2.0**-20, 2.0**-6), (1.0, 0.0), (1.0, -1.0)],
)
def test_a_softmax_that_ends_the_runtimes_is_refused(contract: Contract, scale: float, beta: float) -> None:
    """Both stop their process where the multiplier is not above 1."""
    assert softmax(scale, beta).problems(contract) != []


@pytest.mark.parametrize("contract", Contract)
@pytest.mark.parametrize("scale", [2.0**-26 * 1.01, 2.0**-7, 31.0, 1e6])
def test_other_softmaxes_are_not(contract: Contract, scale: float) -> None:
    assert softmax(scale).problems(contract) == []
    assert softmax(scale, classes=MOST_CLASSES).problems(contract) == []
    assert softmax(scale, classes=MOST_CLASSES + 1).problems(contract) != []


@pytest.mark.parametrize("oracle", [LITERT, TFLM], ids=lambda oracle: oracle.contract.value)
@pytest.mark.parametrize("clip", [1e-9, 2.0**-16, 2.0**-9, 0.5, 1e9])
def test_any_cell_clip_is_the_runtime_s_or_refused(
    oracle: Oracle, clip: float, require_tool: Callable[[str], None]
) -> None:
    """TFLM clamps to 0 where the clip is below the cell's scale, LiteRT not at all."""
    require_tool(oracle.module.split(".")[0])
    for seed in range(4):
        model = random_model(seed, oracle.contract, Bounds(units=6, inputs=4, timesteps=4, layers=1))
        ops = tuple(replace(op, cell_clip=scales.float32(clip)) if isinstance(op, Lstm) else op for op in model.ops)
        model = replace(model, ops=ops)
        if any(op.problems(model.contract) for op in ops):
            assert clip < 2.0**-9
            continue
        inputs = random_inputs(model, seed, 3)
        assert compare(simulator_trace(model, inputs), oracle.trace(model, inputs)).mismatches == 0


@pytest.mark.parametrize("oracle", [LITERT, TFLM], ids=lambda oracle: oracle.contract.value)
@pytest.mark.parametrize("size", [1e-6, 1e-3, 1e3, 1e6])
def test_gates_of_absurd_scales_are_the_runtime_s(
    oracle: Oracle, size: float, require_tool: Callable[[str], None]
) -> None:
    """Left shifts that wrap, parts that saturate, multipliers that vanish."""
    require_tool(oracle.module.split(".")[0])
    rng = np.random.default_rng(8)
    for seed in range(4):
        model = random_model(seed, oracle.contract, Bounds(units=6, inputs=4, timesteps=4, layers=1))
        first = model.ops[0]
        assert isinstance(first, Lstm)
        gates = tuple(
            replace(
                gate,
                kernel_scale=scales.float32(gate.kernel_scale * size ** rng.uniform(0, 1)),
                recurrent_scale=scales.float32(gate.recurrent_scale * size ** rng.uniform(0, 1)),
            )
            for gate in first.gates
        )
        model = replace(model, ops=(replace(first, gates=gates), *model.ops[1:]))
        assert [problem for op in model.ops for problem in op.problems(model.contract)] == []
        inputs = random_inputs(model, seed, 3)
        assert compare(simulator_trace(model, inputs), oracle.trace(model, inputs)).mismatches == 0


FLOAT32_SCALES = [scales.float32(size) for size in (1e-45, 1.2e-38, 1e-20, 1e-9, 1e-3, 1.0, 1e9, 1e20, 3e38)]


def with_hostile_scales(model: Model, rng: np.random.Generator) -> Model:
    """Any float32 number wherever a file may state a scale, a few of them at a time."""

    def scale(old: float) -> float:
        return float(rng.choice(FLOAT32_SCALES)) if rng.random() < 0.15 else old

    def tensor(old: QuantizedTensor) -> QuantizedTensor:
        quantization = old.quantization
        if quantization in (scales.SIGMOID_OUTPUT, scales.TANH_OUTPUT):
            return old
        return replace(old, quantization=replace(quantization, scale=scale(quantization.scale)))

    source = current = tensor(model.input)
    ops: list[Op] = []
    for op in model.ops:
        output = (
            tensor(op.output)
            if type(op).__name__ != "LastStep"
            else replace(op.output, quantization=current.quantization)
        )
        changed = replace(op, input=current, output=output)
        if isinstance(changed, Lstm):
            gates = [
                replace(g, kernel_scale=scale(g.kernel_scale), recurrent_scale=scale(g.recurrent_scale))
                for g in changed.gates
            ]
            changed = replace(changed, gates=tuple(gates))
        elif isinstance(changed, Dense):
            changed = replace(changed, kernel_scales=tuple(scale(s) for s in changed.kernel_scales))
        ops.append(changed)
        current = output
    return replace(model, input=source, ops=tuple(ops))


@pytest.mark.parametrize("contract", Contract)
def test_any_scales_of_a_file_compile_or_are_refused(contract: Contract) -> None:
    """No warning, no overflow, no infinite loop."""
    rng = np.random.default_rng(9)
    compiled = 0
    for seed in range(45):
        model = random_model(seed % 30, contract, Bounds(units=4, inputs=3, timesteps=2, layers=2))
        try:
            with np.errstate(over="ignore"):  # ours to write such a file, not the reader's to be surprised
                data = write_tflite(to_tflite_model(with_hostile_scales(model, rng)))
            emit(model_from_tflite(data, "it", contract), Options("ref", "size", "0" * 64))
            compiled += 1
        except ModelError:
            continue
    assert 5 < compiled < 40


@pytest.mark.parametrize("contract", Contract)
def test_gate_scales_whose_product_leaves_float32_are_refused(contract: Contract) -> None:
    model = random_model(0, contract, Bounds(units=4, inputs=3, timesteps=2, layers=1))
    first = model.ops[0]
    assert isinstance(first, Lstm)
    huge = tuple(replace(gate, recurrent_scale=FLOAT32_SCALES[-1]) for gate in first.gates)
    output = replace(first.output, quantization=Quantization(scales.float32(1e9)))
    hostile = replace(model, ops=(replace(first, gates=huge, output=output),))
    data = write_tflite(to_tflite_model(hostile))
    with pytest.raises(ModelError):
        emit(model_from_tflite(data, "it", contract), Options("ref", "size", "0" * 64))
