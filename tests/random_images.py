"""Random quantized models by seed over images: convolutions and pools of time and features, then other layers."""

from dataclasses import dataclass, field, replace

import numpy as np
from random_models import _dense_and_activation, _lstm, _quantization
from random_windows import _reduction, _rows, random_window

from edgelstm.ir import Model, Op, QuantizedTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.activation import Activation
from edgelstm.ops.average_pool2d import AveragePool2D
from edgelstm.ops.conv2d import Conv2D
from edgelstm.ops.depthwise2d import DepthwiseConv2D
from edgelstm.ops.max_pool2d import MaxPool2D
from edgelstm.ops.patch import PatchOp
from edgelstm.ops.window import Window, same_window

KINDS = ("conv", "conv", "conv", "depthwise", "pointwise", "max", "average", "activation")


@dataclass
class _Image:
    """The graph so far: its ops, the image that the last of them yields, features of its rows, and its length."""

    rng: np.random.Generator
    tensor: QuantizedTensor
    features: int
    length: int
    ops: list[Op] = field(default_factory=list)

    @property
    def channels(self) -> int:
        return self.tensor.size // self.features

    def add(self, op: Op) -> None:
        self.ops.append(op)
        self.tensor = op.output
        if isinstance(op, PatchOp):
            self.features, self.length = op.results, op.window.pace.count(self.length)


def random_image_model(seed: int, contract: Contract) -> Model:
    """The model of this seed: 1 to 4 layers on an image, perhaps others on the sequence of its rows, perhaps an end."""
    rng = np.random.default_rng(seed + 16_000_000)
    timesteps, features = int(rng.integers(1, 13)), int(rng.integers(1, 9))
    channels = int(rng.choice([1, 1, 2, 3, 4]))
    source = QuantizedTensor("input", features * channels, True, _quantization(rng))
    image = _Image(rng, source, features, timesteps)
    for index in range(int(rng.integers(1, 5))):
        kind = str(rng.choice(KINDS[: len(KINDS) if index else -1]))
        image.add(_layer(image, kind, f"{kind}{index}"))
    if rng.random() < 0.6:
        image.add(_lstm(rng, "lstm", image.tensor, int(rng.integers(1, 7))))
    end = ("flat", "none", "last", "mean", "largest")[seed % 5]
    if end != "none":
        image.add(_reduction(rng, end, image.tensor, image.length))
    if end != "none" and rng.random() < 0.6:
        image.ops += _dense_and_activation(rng, "head", image.tensor, int(rng.integers(1, 9)))
    return Model(f"random_images_{seed}", source, tuple(image.ops), timesteps, contract)


def _layer(image: _Image, kind: str, name: str) -> Op:
    rng, tensor = image.rng, image.tensor
    if kind == "activation":
        return Activation(name, tensor, replace(tensor, name=name, quantization=_quantization(rng)), "relu")
    if kind == "pointwise":
        return random_conv2d(rng, name, tensor, (Window(1), Window(1)), image.features, int(rng.integers(1, 9)))
    is_dilated = kind in ("conv", "depthwise")
    windows = (
        random_window(rng, image.length, is_padded=kind != "average", is_dilated=is_dilated),
        _across(rng, image.features, is_padded=kind != "average", is_dilated=is_dilated),
    )
    if kind == "conv":
        return random_conv2d(rng, name, tensor, windows, image.features, int(rng.integers(1, 9)))
    if kind == "depthwise":
        return random_depthwise2d(rng, name, tensor, windows, image.features, int(rng.choice([1, 1, 2, 3])))
    if kind == "average" and rng.random() < 0.6:
        windows = (_same(rng, image.length), _same(rng, image.features))
    output = replace(tensor, name=name, size=windows[1].pace.count(image.features) * image.channels)
    if kind == "max":
        return MaxPool2D(name, tensor, output, *windows, image.features)
    return AveragePool2D.on(name, tensor, output, windows, image.features, image.length)


def _same(rng: np.random.Generator, size: int) -> Window:
    """With the padding "same", of which a patch may see any border, or several."""
    return same_window(int(rng.integers(1, size + 3)), int(rng.integers(1, 4)), 1, size)


def _across(rng: np.random.Generator, features: int, *, is_padded: bool, is_dilated: bool) -> Window:
    """Over features: those of a padded row may be behind the last result."""
    window = random_window(rng, features, is_padded=is_padded, is_dilated=is_dilated)
    if is_padded and rng.random() < 0.1:
        window = replace(window, behind=int(rng.integers(0, window.span)))
    return window


def random_conv2d(
    rng: np.random.Generator,
    name: str,
    source: QuantizedTensor,
    windows: tuple[Window, Window],
    features: int,
    filters: int,
) -> Conv2D:
    """Rows that meet all channels of what a patch has."""
    columns = windows[0].taps * windows[1].taps * source.size // features
    _, _, output, kernel, kernel_scales, bias, relu = _rows(rng, name, source, filters, columns)
    wide = replace(output, size=filters * windows[1].pace.count(features))
    return Conv2D(name, source, wide, kernel, kernel_scales, bias, relu, *windows, features)


def random_depthwise2d(
    rng: np.random.Generator,
    name: str,
    source: QuantizedTensor,
    windows: tuple[Window, Window],
    features: int,
    per_input: int,
) -> DepthwiseConv2D:
    """Rows that meet one channel of what a patch has."""
    outputs = per_input * source.size // features
    taps = windows[0].taps * windows[1].taps
    _, _, output, kernel, kernel_scales, bias, relu = _rows(rng, name, source, outputs, taps)
    wide = replace(output, size=outputs * windows[1].pace.count(features))
    return DepthwiseConv2D(name, source, wide, kernel, kernel_scales, bias, relu, *windows, features)
