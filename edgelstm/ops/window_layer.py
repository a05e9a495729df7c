"""The float side of windows over time: their options in Keras, and what each tap sees."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from edgelstm.errors import DataError
from edgelstm.ir import FloatArray, SourceLayer, Tensor
from edgelstm.ops.options import whole_number
from edgelstm.ops.sources import LARGEST_SIZE
from edgelstm.ops.window import MOST_TICKS, Window, same_window


@dataclass(frozen=True)
class WindowOptions:
    """What Keras calls a window.

    Attributes:
        taps: `kernel_size` or `pool_size`.
        stride: `strides`.
        dilation: `dilation_rate`.
        padding: "valid", "same" or "causal", as the file has it.
    """

    taps: int
    stride: int
    dilation: int
    padding: str

    @classmethod
    def of(cls, source: SourceLayer, size_key: str) -> "WindowOptions":
        """Read them; ModelFormatError where one is no whole number. A pool's stride is its size by default."""
        taps = whole_number(source, size_key)
        default = taps if size_key == "pool_size" else 1
        return cls(
            taps=taps,
            stride=whole_number(source, "strides", default),
            dilation=whole_number(source, "dilation_rate", 1),
            padding=str(source.config.get("padding", "valid")).lower(),
        )

    @property
    def span(self) -> int:
        """Time steps from the first tap to the last."""
        return (self.taps - 1) * self.dilation + 1

    def problems(self, input_tensor: Tensor, paddings: tuple[str, ...]) -> list[str]:
        """Say why there is no window over this sequence."""
        if not input_tensor.is_sequence:
            return ["needs a sequence; set return_sequences=True on the layer before it"]
        found = []
        if self.padding not in paddings:
            found.append(f"padding={self.padding!r} is not supported, only {', '.join(paddings)}")
        if max(self.span, self.stride) > MOST_TICKS or self.span * input_tensor.size > LARGEST_SIZE:
            found.append(
                f"a window of {self.span} steps of {input_tensor.size} values every {self.stride} steps is too large; "
                f"at most {MOST_TICKS} steps and {LARGEST_SIZE} values are supported"
            )
        timesteps = input_tensor.timesteps
        if self.padding == "same" and self.stride > 1 and timesteps is None:
            found.append("padding='same' with strides needs an input of fixed length: it pads by the length")
        if not found and timesteps is not None and not self.window(timesteps).pace.count(timesteps):
            found.append(f"its window of {self.span} steps is longer than the sequence of {timesteps}")
        return found

    def window(self, timesteps: int | None) -> Window:
        """The window over a sequence of that length."""
        if self.padding == "same":
            return same_window(self.taps, self.stride, self.dilation, timesteps)
        return Window(self.taps, self.stride, self.dilation, self.span - 1 if self.padding == "causal" else 0)


def windowed(name: str, size: int, input_tensor: Tensor, window: Window) -> Tensor:
    """The sequence of a window's results."""
    timesteps = input_tensor.timesteps
    count = None if timesteps is None else window.pace.count(timesteps)
    return Tensor(name, size, is_sequence=True, timesteps=count)


def tap_values(name: str, inputs: FloatArray, window: Window, padding: float = 0.0) -> Iterator[FloatArray]:
    """What each tap sees of (batch, time, size), in turn: (batch, results, size).

    Raises:
        DataError: the sequence is too short for a result of the layer `name`.
    """
    count = window.pace.count(inputs.shape[1])
    if not count:
        raise DataError(
            f"layer {name!r} looks at {window.span} time steps, and a sequence has only {inputs.shape[1]}",
            "give longer sequences",
        )
    padded = np.pad(inputs, ((0, 0), (window.before, window.behind), (0, 0)), constant_values=padding)
    for tap in range(window.taps):
        first = tap * window.dilation
        yield padded[:, first : first + (count - 1) * window.stride + 1 : window.stride]
