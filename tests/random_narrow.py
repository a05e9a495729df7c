"""Random quantized models by seed whose weights have 4 bits, in some layers or all, beside layers of 8."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from random_models import Bounds, _dense_and_activation, _lstm, _quantization
from random_native import _gru, _hidden, _projection, _simple_rnn

from edgelstm.ir import Model, Op, Quantization, QuantizedTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.gate_functions import GateFunction
from edgelstm.ops import scales
from edgelstm.ops.dense import Dense
from edgelstm.ops.gru import Gru
from edgelstm.ops.last_step import LastStep
from edgelstm.ops.lstm import LstmRows
from edgelstm.ops.narrow_projection import NarrowProjection
from edgelstm.ops.projection import Projection
from edgelstm.ops.simple_rnn import SimpleRnn
from edgelstm.ops.weight_bits import NARROW

BOUNDS = Bounds()
_RATIO = 18
"""Of a step of 4 bits to one of 8."""


def random_narrow_model(seed: int, bounds: Bounds = BOUNDS) -> Model:
    """The model of this seed: recurrent layers, the first with weights of 4 bits, then perhaps a head."""
    rng = np.random.default_rng(seed + 8_000_000)
    tensor = QuantizedTensor("input", int(rng.integers(1, bounds.inputs + 1)), True, _quantization(rng))
    model_input, ops = tensor, list[Op]()
    for index in range(int(rng.integers(1, bounds.layers + 1))):
        units = int(rng.integers(1, bounds.units + 1))
        kind = str(rng.choice(["lstm_rows", "lstm_rows", "gru", "simple_rnn"] if index == 0 else [*BUILDERS]))
        op = BUILDERS[kind](rng, f"{kind}{index}", tensor, units)
        ops.append(_narrow(rng, op) if index == 0 or rng.random() < 0.7 else op)
        tensor = ops[-1].output
    if rng.random() < 0.6:
        ops.append(LastStep.of("last", tensor))
        head = _dense_and_activation(rng, "head", ops[-1].output, int(rng.integers(1, 14)))
        ops += [_narrow(rng, op) if rng.random() < 0.7 else op for op in head]
    timesteps = int(rng.integers(1, bounds.timesteps + 1))
    return Model(f"random_narrow_{seed}", model_input, tuple(ops), timesteps, Contract.NATIVE)


def _lstm_rows(rng: np.random.Generator, name: str, source: QuantizedTensor, units: int) -> LstmRows:
    hidden = _hidden(rng)
    reach = 4096 * float(rng.choice([1.0, 2.0, 2.0, 8.0, 60.0]))

    def projection(columns: int, value: Quantization) -> Projection:
        return _projection(rng, 4 * units, columns, value, scales.GATE_SCALE, reach)

    return LstmRows(
        name,
        source,
        QuantizedTensor(name, units, True, hidden),
        projection(source.size, source.quantization),
        projection(units, hidden),
        cell=Quantization(2.0 ** float(rng.integers(-15, -8)), 0, "int16"),
        gate=GateFunction(rng.choice([gate.value for gate in GateFunction], p=[0.8, 0.1, 0.1])),
    )


BUILDERS: Mapping[str, Callable[[np.random.Generator, str, QuantizedTensor, int], Op]] = {
    "lstm_rows": _lstm_rows,
    "gru": _gru,
    "simple_rnn": _simple_rnn,
    "lstm": _lstm,
}


def _narrow(rng: np.random.Generator, op: Op) -> Op:
    """The same op with weights of 4 bits, where it can have such."""
    if isinstance(op, Gru):
        kernels = tuple(_narrow_projection(rng, one) for one in op.kernels)
        return replace(
            op, kernels=kernels, recurrent_kernels=tuple(_narrow_projection(rng, one) for one in op.recurrent_kernels)
        )
    if isinstance(op, LstmRows | SimpleRnn):
        kernel, recurrent = _narrow_projection(rng, op.kernel), _narrow_projection(rng, op.recurrent_kernel)
        return replace(op, kernel=kernel, recurrent_kernel=recurrent)
    if isinstance(op, Dense):
        kernel_scales = tuple(scales.float32(_RATIO * scale) for scale in op.kernel_scales)
        bias = np.rint(op.bias / _RATIO).astype(np.int32)
        return replace(op, kernel=_narrow_weights(op.kernel), kernel_scales=kernel_scales, bias=bias, bits=NARROW)
    return op


def _narrow_projection(rng: np.random.Generator, projection: Projection) -> NarrowProjection:
    """Now and then with a bias that takes sums beyond what the fastest layouts hold."""
    real = np.array(projection.scales) * _RATIO * projection.value.scale / projection.result_scale
    largest = int(rng.choice([255, 255, 131, 3]))
    step = 2.0 ** -min(max(np.floor(np.log2(largest / real.max())), 0), 24)
    factors = np.clip(np.rint(real / step), 1, largest)
    bias = np.rint(projection.bias / _RATIO).astype(np.int64)
    if rng.random() < 0.1:
        bias[rng.integers(len(bias))] += int(rng.choice([-(2**19), 2**19, 2**20]))
    unit = step * projection.result_scale / projection.value.scale
    return NarrowProjection(
        weights=_narrow_weights(projection.weights),
        scales=tuple(scales.float32(float(factor * unit)) for factor in factors),
        bias=np.clip(bias, -(2**21), 2**21).astype(np.int32),
        value=projection.value,
        result_scale=projection.result_scale,
    )


def _narrow_weights(weights: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(weights / _RATIO), -7, 7).astype(np.int8)
