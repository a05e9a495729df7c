"""Random models with int16 activations by seed: ordinary, saturating and extreme numbers, often int8 layers between."""

from dataclasses import replace

import numpy as np
from random_models import Bounds, _dense_and_activation, _weights
from random_models import _lstm as _lstm8
from random_models import _quantization as _quantization8

from edgelstm.ir import Model, Op, Quantization, QuantizedTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops import scales
from edgelstm.ops.activation16 import Activation16
from edgelstm.ops.concatenate import Concatenate
from edgelstm.ops.dense16 import Dense16
from edgelstm.ops.flatten import Flatten
from edgelstm.ops.last_step import LastStep
from edgelstm.ops.lstm import Gate, Lstm16
from edgelstm.ops.repeat_vector import RepeatVector
from edgelstm.ops.requantize import Requantize
from edgelstm.ops.reverse import Reverse
from edgelstm.ops.softmax16 import Softmax16

_BOUNDS = Bounds()


def random_int16_model(seed: int, bounds: Bounds = _BOUNDS) -> Model:
    """The model of this seed: layers over time, perhaps a decoder behind them, perhaps a head behind the last step."""
    rng = np.random.default_rng(seed)
    timesteps = int(rng.integers(1, bounds.timesteps + 1))
    is_wide = rng.random() < 0.8
    quantization = _quantization(rng) if is_wide else _quantization8(rng)
    model_input = QuantizedTensor("input", int(rng.integers(1, bounds.inputs + 1)), True, quantization)
    ops: list[Op] = []
    for index in range(int(rng.integers(1, bounds.layers + 1))):
        ops += _layer(rng, f"layer{index}", ops[-1].output if ops else model_input, bounds)
    end = rng.random()
    if end < 0.15 and timesteps > 1:
        ops.append(Flatten.of("flat", ops[-1].output, timesteps))
    elif end < 0.8:
        ops.append(LastStep.of("last", ops[-1].output))
        if rng.random() < 0.25:
            ops.append(RepeatVector.of("repeated", ops[-1].output, int(rng.integers(2, 6))))
            ops += _layer(rng, "decoder", ops[-1].output, bounds)
    if end < 0.8 and rng.random() < 0.8:
        ops += _dense(rng, "head", _wide(ops), int(rng.integers(1, 13)))
        ops += _narrow(rng, ops) if rng.random() < 0.2 else []
    return Model(f"random16_{seed}", model_input, tuple(ops), timesteps, Contract.TFLM)


def _layer(rng: np.random.Generator, name: str, source: QuantizedTensor, bounds: Bounds) -> list[Op]:
    """A layer on either width, behind what brings its input to it."""
    units = int(rng.integers(1, bounds.units + 1))
    kind = rng.random()
    if kind < 0.15 and (source.name != "input" or source.quantization.dtype == "int8"):
        before, tensor = _as_int8(rng, source, name)
        return [*before, _lstm8(rng, name, tensor, units)]
    before, tensor = _as_int16(source, name)
    if kind < 0.65:
        return [*before, _lstm(rng, name, tensor, units)]
    if kind < 0.8:
        return [*before, *_both_ways(rng, name, tensor, min(units, 24))]
    return [*before, *_dense(rng, name, tensor, min(units, 16))]


def _wide(ops: list[Op]) -> QuantizedTensor:
    before, tensor = _as_int16(ops[-1].output, "wide_head")
    ops += before
    return tensor


def _narrow(rng: np.random.Generator, ops: list[Op]) -> list[Op]:
    """An int8 Dense behind."""
    before, tensor = _as_int8(rng, ops[-1].output, "narrow_head")
    return [*before, *_dense_and_activation(rng, "last_dense", tensor, int(rng.integers(1, 6)))]


def _as_int16(tensor: QuantizedTensor, name: str) -> tuple[list[Op], QuantizedTensor]:
    if tensor.quantization.dtype == "int16":
        return [], tensor
    op = Requantize.to_int16(tensor).named(f"{name}_int16")
    return [op], op.output


def _as_int8(rng: np.random.Generator, tensor: QuantizedTensor, name: str) -> tuple[list[Op], QuantizedTensor]:
    if tensor.quantization.dtype == "int8":
        return [], tensor
    step = scales.float32(tensor.quantization.scale * float(rng.uniform(60, 300)))
    op = Requantize.to(tensor, Quantization(step, int(rng.integers(-128, 128))), "int8").named(f"{name}_int8")
    return [op], op.output


def _quantization(rng: np.random.Generator) -> Quantization:
    if rng.random() < 0.15:
        return Quantization(2.0 ** float(rng.integers(-17, -11)), 0, "int16")
    return Quantization(scales.float32(float(np.exp(rng.uniform(-12, -7)))), 0, "int16")


def _lstm(rng: np.random.Generator, name: str, source: QuantizedTensor, units: int) -> Lstm16:
    # A gain of 1 leaves gates of realistic size; large ones saturate gates, cell and hidden state.
    gain = float(rng.choice([0.3, 1.0, 1.0, 1.0, 4.0, 40.0]))
    hidden = Quantization(scales.float32(float(rng.uniform(0.3, 1.3)) / 2**15), 0, "int16")
    if rng.random() < 0.1:
        hidden = Quantization(2.0**-15, 0, "int16")
    value_scale = source.quantization.scale * 256

    def gate() -> Gate:
        kernel_scale = scales.float32(gain * float(rng.uniform(0.5, 2)) / (40 * 40 * source.size**0.5 * value_scale))
        recurrent_scale = scales.float32(
            gain * float(rng.uniform(0.5, 2)) / (20 * 40 * units**0.5 * hidden.scale * 256) / 4
        )
        bias = rng.normal(0, 1, units) / (kernel_scale * source.quantization.scale)
        return Gate(
            _weights(rng, (units, source.size)),
            kernel_scale,
            _weights(rng, (units, units)),
            recurrent_scale,
            scales.round_bias(bias, 1.0, "int64"),
        )

    clip = float(rng.choice([0.0, 0.0, 10.0, 0.5]))
    cell = Quantization(2.0 ** float(rng.integers(-15, -8)), 0, "int16")
    output = QuantizedTensor(name, units, is_sequence=True, quantization=hidden)
    return Lstm16(name, source, output, (gate(), gate(), gate(), gate()), clip, cell=cell)


def _both_ways(rng: np.random.Generator, name: str, source: QuantizedTensor, units: int) -> list[Op]:
    """What a Bidirectional becomes: two LSTMs, one backwards, and both their sequences side by side."""
    forward = _lstm(rng, f"{name}_forward", source, units)
    turned = Reverse.of(f"{name}_turned", source)
    backward = _lstm(rng, f"{name}_backward", turned.output, units)
    again = Reverse.of(f"{name}_again", backward.output)
    quantization = max((forward.output.quantization, backward.output.quantization), key=lambda one: one.scale)
    ops: list[Op] = [forward, turned, backward, again]
    parts = []
    for part in (forward.output, again.output):
        if part.quantization != quantization:
            ops.append(Requantize.to(part, quantization, f"for_{name}"))
            parts.append(ops[-1].output)
        else:
            parts.append(part)
    joined = QuantizedTensor(name, 2 * units, is_sequence=True, quantization=quantization)
    return [*ops, Concatenate(name, parts[0], joined, (parts[1],))]


def _dense(rng: np.random.Generator, name: str, source: QuantizedTensor, units: int) -> list[Op]:
    per_row = rng.random() < 0.7
    base = float(np.exp(rng.uniform(-6, -3)))
    kernel_scales = tuple(scales.float32(base * float(rng.uniform(0.3, 1))) for _ in range(units if per_row else 1))
    reach = 60 * 40 * 256 * max(1.0, source.size**0.5) * source.quantization.scale * base
    result = Quantization(scales.float32(reach / 2**15), 0, "int16")
    if rng.random() < 0.2:
        kernel_scales = tuple(2.0**-6 for _ in kernel_scales)
        result = replace(result, scale=2.0 ** round(np.log2(reach / 2**15)))
    output = QuantizedTensor(name, units, source.is_sequence, result)
    bias = rng.normal(0, 200 * 256, units) if rng.random() < 0.8 else np.zeros(units)
    dense = Dense16(
        name, source, output, _weights(rng, (units, source.size)), kernel_scales,
        scales.round_bias(bias, 1.0, "int64"), relu=bool(rng.random() < 0.3),
    )  # fmt: skip
    function = str(rng.choice(["none", "softmax", "sigmoid", "tanh"]))
    if function == "none":
        return [dense]
    after = f"{name}_{function}"
    return [dense, Softmax16.on(after, output) if function == "softmax" else Activation16.on(after, output, function)]
