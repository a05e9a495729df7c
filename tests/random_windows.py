"""Random quantized models by seed with windows over time: convolutions, pools and reductions among other layers."""

from dataclasses import replace

import numpy as np
from random_graphs import BOUNDS
from random_models import Bounds, _dense_and_activation, _lstm, _quantization, _weights

from edgelstm.ir import AnyArray, Model, Op, Quantization, QuantizedTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops import scales
from edgelstm.ops.conv1d import Conv1D
from edgelstm.ops.depthwise import DepthwiseConv1D
from edgelstm.ops.flatten import Flatten
from edgelstm.ops.global_pooling import GlobalAverage, GlobalMax
from edgelstm.ops.last_step import LastStep
from edgelstm.ops.pooling import AveragePool, MaxPool
from edgelstm.ops.window import Window, same_window

MOST_TAPS = 5


WINDOW_LAYERS = ("conv", "depthwise", "separable", "max", "average", "largest", "mean", "flat")
"""What `random_window_layer` knows: five that yield sequences, three that yield a vector."""


def random_window_layer(seed: int, contract: Contract, layer: str, bounds: Bounds = BOUNDS) -> Model:
    """The model of this seed with this layer alone: behind an LSTM, or in front of one where it yields a sequence."""
    rng = np.random.default_rng(seed + 16_000_000)
    timesteps = int(rng.integers(1, 2 * bounds.timesteps + 1))
    source = QuantizedTensor("input", int(rng.integers(1, bounds.inputs + 1)), True, _quantization(rng))
    units = int(rng.integers(1, bounds.units + 1))
    ops: list[Op] = []
    if layer in WINDOW_LAYERS[-3:]:
        ops.append(_lstm(rng, "lstm", source, units))
        ops.append(_reduction(rng, layer, ops[-1].output, timesteps))
    elif rng.random() < 0.5:
        _grow(rng, ops, layer, layer, source, timesteps, bounds)
        ops.append(_lstm(rng, "lstm", ops[-1].output, units))
    else:
        ops.append(_lstm(rng, "lstm", source, units))
        _grow(rng, ops, layer, layer, ops[-1].output, timesteps, bounds)
    return Model(f"random_{layer}_{seed}", source, tuple(ops), timesteps, contract)


def random_windows(seed: int, contract: Contract, bounds: Bounds = BOUNDS) -> Model:
    """The model of this seed: 1 to 4 blocks over time, the first a window, then perhaps a reduction and a head."""
    rng = np.random.default_rng(seed + 12_000_000)
    timesteps = int(rng.integers(1, 2 * bounds.timesteps + 1))
    source = QuantizedTensor("input", int(rng.integers(1, bounds.inputs + 1)), True, _quantization(rng))
    ops: list[Op] = []
    tensor, length = source, timesteps
    for index in range(int(rng.integers(1, 5))):
        kind = str(rng.choice(["conv", "conv", "depthwise", "max", "average", "lstm", "dense"][: 7 if index else 4]))
        tensor, length = _grow(rng, ops, kind, f"{kind}{index}", tensor, length, bounds)
    end = ("flat", "none", "last", "mean", "largest")[seed % 5]
    if end != "none":
        ops.append(_reduction(rng, end, tensor, length))
    if end != "none" and rng.random() < 0.6:
        ops += _dense_and_activation(rng, "head", ops[-1].output, int(rng.integers(1, 9)))
    return Model(f"random_windows_{seed}", source, tuple(ops), timesteps, contract)


def _grow(
    rng: np.random.Generator,
    ops: list[Op],
    kind: str,
    name: str,
    tensor: QuantizedTensor,
    length: int,
    bounds: Bounds,
) -> tuple[QuantizedTensor, int]:
    """Add a layer; its output and that one's length."""
    units = int(rng.integers(1, bounds.units + 1))
    if kind == "lstm":
        ops.append(_lstm(rng, name, tensor, min(units, 8)))
        return ops[-1].output, length
    if kind == "dense":
        ops.extend(_dense_and_activation(rng, name, tensor, min(units, 12)))
        return ops[-1].output, length
    window = random_window(rng, length, is_padded=True, is_dilated=kind in ("conv", "depthwise", "separable"))
    if kind == "separable":
        ops.append(random_depthwise(rng, f"{name}_each", tensor, int(rng.choice([1, 2])), window))
        ops.extend(_dense_and_activation(rng, name, ops[-1].output, units))
    elif kind == "conv":
        ops.append(random_convolution(rng, name, tensor, units, window))
    elif kind == "depthwise":
        ops.append(random_depthwise(rng, name, tensor, int(rng.choice([1, 1, 2, 3])), window))
    elif kind == "max":
        ops.append(MaxPool(name, tensor, replace(tensor, name=name), window))
    else:
        ops.append(AveragePool.on(name, tensor, window, length))
    return ops[-1].output, window.pace.count(length)


def random_window(rng: np.random.Generator, timesteps: int, *, is_padded: bool, is_dilated: bool) -> Window:
    """A window that yields something over that many steps."""
    while True:
        taps, stride = int(rng.integers(1, MOST_TAPS + 1)), int(rng.choice([1, 1, 1, 2, 3]))
        dilation = int(rng.choice([1, 2, 3])) if stride == 1 and is_dilated else 1
        window = Window(taps, stride, dilation)
        kind = rng.choice(["valid", "same", "causal"]) if is_padded else "valid"
        if kind == "same":
            window = same_window(taps, stride, dilation, timesteps)
        elif kind == "causal" and is_dilated:
            window = replace(window, before=window.span - 1)
        if window.pace.count(timesteps) > 0:
            return window


def random_convolution(
    rng: np.random.Generator, name: str, source: QuantizedTensor, filters: int, window: Window
) -> Conv1D:
    """Rows that meet all values of the taps."""
    return Conv1D(*_rows(rng, name, source, filters, window.taps * source.size), window)


def random_depthwise(
    rng: np.random.Generator, name: str, source: QuantizedTensor, per_input: int, window: Window
) -> DepthwiseConv1D:
    """Rows that meet one value of each tap."""
    return DepthwiseConv1D(*_rows(rng, name, source, per_input * source.size, window.taps), window)


def _rows(
    rng: np.random.Generator, name: str, source: QuantizedTensor, rows: int, columns: int
) -> tuple[str, QuantizedTensor, QuantizedTensor, AnyArray, tuple[float, ...], AnyArray, bool]:
    """All of a convolution but its window: weights and scales that leave outputs of ordinary size, or saturate some."""
    base = float(np.exp(rng.uniform(-6, -3)))
    per_row = rng.random() < 0.8
    kernel_scales = tuple(scales.float32(base * float(rng.uniform(0.3, 1))) for _ in range(rows if per_row else 1))
    reach = 60 * 40 * columns**0.5 * source.quantization.scale * base * float(rng.choice([0.2, 1.0, 1.0, 3.0]))
    quantization = Quantization(scales.float32(reach / 128), int(rng.integers(-128, 128)))
    output = QuantizedTensor(name, rows, True, quantization)
    bias = scales.round_bias(rng.normal(0, 200, rows), 1.0)
    return name, source, output, _weights(rng, (rows, columns)), kernel_scales, bias, bool(rng.random() < 0.4)


def _reduction(rng: np.random.Generator, kind: str, tensor: QuantizedTensor, length: int) -> Op:
    if kind == "last" or (kind == "flat" and length == 1):
        return LastStep.of(kind, tensor)
    if kind == "flat":
        return Flatten.of(kind, tensor, length)
    if kind == "largest":
        return GlobalMax(kind, tensor, replace(tensor, name=kind, is_sequence=False))
    scale = scales.float32(tensor.quantization.scale * float(np.exp(rng.uniform(-3, 1))))
    result = Quantization(scale, int(rng.integers(-128, 128)))
    return GlobalAverage(kind, tensor, QuantizedTensor(kind, tensor.size, False, result))
