"""The float side of ops over images: their options in Keras, and what each tap sees."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Self

from edgelstm.ir import FloatArray, SourceLayer, Tensor
from edgelstm.ops.convolution import ConvolutionLayer
from edgelstm.ops.kernel_layer import bias_of, fused_ceiling
from edgelstm.ops.options import two_numbers
from edgelstm.ops.sources import LARGEST_SIZE
from edgelstm.ops.window import Window
from edgelstm.ops.window_layer import WindowOptions, tap_values, windowed

NEEDS_IMAGE = (
    "needs an image (time, features, channels); give the model such an input, or put Reshape((-1, features, channels)) "
    "in front"
)


@dataclass(frozen=True)
class PatchOptions:
    """What Keras calls a window over an image.

    Attributes:
        time: its options for the first axis.
        across: those for the second, the features.
    """

    time: WindowOptions
    across: WindowOptions

    @classmethod
    def of(cls, source: SourceLayer, size_key: str) -> "PatchOptions":
        """Read them; ModelFormatError where one is no pair of whole numbers. A pool's strides are its size."""
        taps = two_numbers(source, size_key, (2, 2) if size_key == "pool_size" else None)
        strides = two_numbers(source, "strides", taps if size_key == "pool_size" else (1, 1))
        dilations = two_numbers(source, "dilation_rate", (1, 1))
        padding = str(source.config.get("padding", "valid")).lower()
        return cls(*(WindowOptions(*three, padding) for three in zip(taps, strides, dilations, strict=True)))

    @classmethod
    def of_row(cls, features: int) -> "PatchOptions":
        """Of what sees so many features of one step, and the next as many beside them."""
        return cls(WindowOptions(1, 1, 1, "valid"), WindowOptions(features, features, 1, "valid"))

    @property
    def taps(self) -> tuple[int, int]:
        """Over time, and across the features."""
        return self.time.taps, self.across.taps

    def problems(self, input_tensor: Tensor, values: int) -> list[str]:
        """Say why there is no such window over this image, with so many values for each feature of a result."""
        if not input_tensor.channels:
            return [NEEDS_IMAGE]
        found = self.time.problems(input_tensor, ("valid", "same"))
        features = input_tensor.size // input_tensor.channels
        if found:
            return found
        across = self.across.window(features)
        results = across.pace.count(features)
        if results < 1:
            found.append(f"its window of {across.span} features is wider than the {features} there are")
        if results * values > LARGEST_SIZE:
            found.append(f"{results} features of {values} values make a row of more than {LARGEST_SIZE}")
        padded = (across.before + features + across.behind) * input_tensor.channels
        if self.time.span * padded > LARGEST_SIZE:
            found.append(f"a window of {self.time.span} rows of {padded} values is more than {LARGEST_SIZE}")
        return found


def image(name: str, values: int, input_tensor: Tensor, window: Window, across: Window) -> Tensor:
    """The image of a window's results, with so many values for each feature."""
    count = across.pace.count(input_tensor.size // input_tensor.channels)
    row = windowed(name, count * values, input_tensor, window)
    return Tensor(name, row.size, is_sequence=True, timesteps=row.timesteps, channels=values)


def patch_values(
    name: str, inputs: FloatArray, window: Window, across: Window, features: int, padding: float = 0.0
) -> Iterator[FloatArray]:
    """What each tap sees of (batch, time, size), in turn, time after time: (batch, results, features, channels).

    Raises:
        DataError: the sequence is too short for a result of the layer `name`.
    """
    for rows in tap_values(name, inputs, window, padding):
        batch, results, size = rows.shape
        of_feature = rows.reshape(batch * results, features, size // features)
        for seen in tap_values(name, of_feature, across, padding):
            yield seen.reshape(batch, results, *seen.shape[1:])


@dataclass(frozen=True, eq=False)
class PatchLayer(ConvolutionLayer):
    """A trained convolution over images; its kernel begins with the taps, those over time first.

    Attributes:
        across: the window over features.
        features: how many a row of the input has.
    """

    reads_images: ClassVar[bool] = True

    across: Window = field(kw_only=True)
    features: int = field(kw_only=True)

    @classmethod
    def over(cls, source: SourceLayer, input_tensor: Tensor, kernel: FloatArray, options: PatchOptions) -> Self:
        """The layer with this kernel and these windows, and everything else from a Keras layer."""
        outputs, ceiling = kernel.shape[-1], fused_ceiling(source)
        features = input_tensor.size // input_tensor.channels
        window, across = options.time.window(input_tensor.timesteps), options.across.window(features)
        return cls(
            name=source.name,
            input=input_tensor,
            output=image(source.name, outputs, input_tensor, window, across),
            kernel=kernel,
            bias=bias_of(source, outputs),
            relu=ceiling is not None,
            ceiling=math.inf if ceiling is None else ceiling,
            window=window,
            across=across,
            features=features,
        )

    @property
    def is_padded(self) -> bool:
        """See `ConvolutionLayer.is_padded`."""
        return super().is_padded or bool(self.across.before or self.across.behind)

    def flat(self, results: FloatArray) -> FloatArray:
        """(batch, results, features, outputs) as (batch, results, size)."""
        return results.reshape(*results.shape[:2], -1)
