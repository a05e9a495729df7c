"""Random quantized models by seed: any mixture of our layers, with ordinary, saturating and extreme numbers."""

from dataclasses import dataclass, replace

import numpy as np

from edgelstm.ir import IntArray, Model, Op, Quantization, QuantizedTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops import scales
from edgelstm.ops.activation import Activation
from edgelstm.ops.dense import Dense
from edgelstm.ops.last_step import LastStep
from edgelstm.ops.lstm import Gate, Lstm
from edgelstm.ops.softmax import Softmax


@dataclass(frozen=True)
class Bounds:
    """How large a random model may become."""

    units: int = 64
    inputs: int = 40
    timesteps: int = 12
    layers: int = 3


def random_model(seed: int, contract: Contract, bounds: Bounds = Bounds()) -> Model:
    """The model of this seed: 1..layers LSTMs and Denses over time, then perhaps a head behind the last step."""
    rng = np.random.default_rng(seed)
    size = int(rng.integers(1, bounds.inputs + 1))
    tensor = QuantizedTensor("input", size, is_sequence=True, quantization=_quantization(rng))
    model_input, ops = tensor, list[Op]()
    for index in range(int(rng.integers(1, bounds.layers + 1))):
        units = int(rng.integers(1, bounds.units + 1))
        if index and rng.random() < 0.3:
            ops += _dense_and_activation(rng, f"dense{index}", tensor, min(units, 16))
        else:
            ops.append(_lstm(rng, f"lstm{index}", tensor, units))
        tensor = ops[-1].output
    if rng.random() < 0.75:
        ops.append(LastStep.of("last", tensor))
        if rng.random() < 0.8:
            ops += _dense_and_activation(rng, "head", ops[-1].output, int(rng.integers(1, 13)))
    timesteps = int(rng.integers(1, bounds.timesteps + 1))
    return Model(f"random_{seed}", model_input, tuple(ops), timesteps, contract)


def random_inputs(model: Model, seed: int, sequences: int) -> IntArray:
    """Stored inputs (sequences, rows, width): uniform, extremes only, and near the zero point.

    Ids are those that exist, those of int16, and the first and last of both.
    """
    rng = np.random.default_rng(seed + 1_000_003)
    arrays = {
        tensor.name: _random_values(rng, tensor, (sequences, model.timesteps if tensor.is_sequence else 1, tensor.size))
        for tensor in model.inputs
    }
    vectors = {tensor.name: arrays[tensor.name][:, 0] for tensor in model.inputs if not tensor.is_sequence}
    return model.layout.join(arrays | vectors)


def _random_values(rng: np.random.Generator, tensor: QuantizedTensor, shape: tuple[int, ...]) -> IntArray:
    if tensor.vocabulary:
        return _random_ids(rng, tensor.vocabulary, shape)
    limits = np.iinfo(tensor.quantization.dtype)
    uniform = rng.integers(limits.min, limits.max + 1, shape)
    extreme = rng.choice([limits.min, limits.max], shape)
    spread = 12 * (limits.max + 1) // 128
    calm = np.clip(np.rint(rng.normal(tensor.quantization.zero_point, spread, shape)), limits.min, limits.max)
    kind = np.arange(shape[0])[:, None, None] % 3
    return np.where(kind == 0, uniform, np.where(kind == 1, calm, extreme)).astype(limits.dtype)


def _random_ids(rng: np.random.Generator, vocabulary: int, shape: tuple[int, ...]) -> IntArray:
    known = rng.integers(0, vocabulary, shape)
    ends = rng.choice([-(2**15), -1, 0, vocabulary - 1, vocabulary, 2**15 - 1], shape)
    kind = np.arange(len(known))[:, None, None] % 3
    return np.where(kind == 0, known, np.where(kind == 1, ends, rng.integers(-(2**15), 2**15, shape))).astype(np.int16)


def with_contract(model: Model, contract: Contract) -> Model:
    """The same integers under other rounding rules."""
    return replace(model, contract=contract)


def _quantization(rng: np.random.Generator) -> Quantization:
    if rng.random() < 0.15:
        return Quantization(2.0 ** float(rng.integers(-9, -3)), int(rng.choice([-128, 0, 127])))
    return Quantization(scales.float32(float(np.exp(rng.uniform(-6, -2)))), int(rng.integers(-128, 128)))


def _weights(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    kind = rng.random()
    if kind < 0.1:
        return rng.choice([-127, 127], shape).astype(np.int8)
    if kind < 0.15:
        return np.zeros(shape, np.int8)
    spread = float(rng.uniform(5, 60))
    return np.clip(np.rint(rng.normal(0, spread, shape)), -127, 127).astype(np.int8)


def _lstm(rng: np.random.Generator, name: str, source: QuantizedTensor, units: int) -> Lstm:
    # A gain of 1 leaves gates of realistic size; large ones saturate gates, cell and hidden state.
    gain = float(rng.choice([0.3, 1.0, 1.0, 1.0, 4.0, 40.0]))
    hidden = Quantization(
        scales.float32(float(rng.uniform(0.3, 1.3)) / 127), int(rng.choice([0, 3, -5, -128, 127, 20]))
    )
    if rng.random() < 0.1:
        hidden = Quantization(2.0**-7, 0)

    def gate() -> Gate:
        kernel_scale = scales.float32(
            gain * float(rng.uniform(0.5, 2)) / (40 * 40 * source.size**0.5 * source.quantization.scale)
        )
        recurrent_scale = scales.float32(gain * float(rng.uniform(0.5, 2)) / (20 * 40 * units**0.5 * hidden.scale) / 4)
        bias = rng.normal(0, 1, units) / (kernel_scale * source.quantization.scale)
        return Gate(
            _weights(rng, (units, source.size)),
            kernel_scale,
            _weights(rng, (units, units)),
            recurrent_scale,
            scales.round_bias(bias, 1.0),
        )

    clip = float(rng.choice([0.0, 0.0, 10.0, 0.5]))
    cell = Quantization(2.0 ** float(rng.integers(-15, -8)), 0, "int16")
    output = QuantizedTensor(name, units, is_sequence=True, quantization=hidden)
    return Lstm(name, source, output, (gate(), gate(), gate(), gate()), clip, cell=cell)


def _dense_and_activation(rng: np.random.Generator, name: str, source: QuantizedTensor, units: int) -> list[Op]:
    per_row = rng.random() < 0.7
    base = float(np.exp(rng.uniform(-6, -3)))
    kernel_scales = tuple(scales.float32(base * float(rng.uniform(0.3, 1))) for _ in range(units if per_row else 1))
    reach = 60 * 40 * max(1.0, source.size**0.5) * source.quantization.scale * base
    if rng.random() < 0.2:
        kernel_scales = tuple(2.0**-6 for _ in kernel_scales)
        result = Quantization(2.0 ** round(np.log2(reach / 128)), int(rng.integers(-128, 128)))
    else:
        result = Quantization(scales.float32(reach / 128), int(rng.integers(-128, 128)))
    output = QuantizedTensor(name, units, source.is_sequence, result)
    bias = rng.normal(0, 200, units) if rng.random() < 0.8 else np.zeros(units)
    dense = Dense(
        name, source, output, _weights(rng, (units, source.size)), kernel_scales, scales.round_bias(bias, 1.0),
        relu=bool(rng.random() < 0.3),
    )  # fmt: skip
    function = rng.choice(["none", "softmax", "relu", "sigmoid", "tanh"])
    if function == "none":
        return [dense]
    after = f"{name}_{function}"
    if function == "softmax":
        fixed = QuantizedTensor(after, units, source.is_sequence, scales.SIGMOID_OUTPUT)
        return [dense, Softmax(after, output, fixed)]
    quantization = {"sigmoid": scales.SIGMOID_OUTPUT, "tanh": scales.TANH_OUTPUT}.get(
        str(function), Quantization(scales.float32(result.scale * 0.7), int(rng.integers(-128, 128)))
    )
    return [
        dense,
        Activation(after, output, QuantizedTensor(after, units, source.is_sequence, quantization), str(function)),
    ]
