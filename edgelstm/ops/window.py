"""What ops over a few neighbouring time steps have in common: convolution and pooling.

They keep the last steps as state and yield at every `stride`-th, so that they stream; padding in front is what the
state starts with, padding behind is fed in when the sequence has ended.
"""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from edgelstm.ir import BoolArray, IntArray, Pace, Quantization, StateArray, UnaryOp
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.sources import LARGEST_SIZE

COUNT = Quantization(1.0, 0, "int16")
"""Of a state that is a number of steps."""

MOST_TICKS = 2**15 - 1
"""Of a window's span, and from one window to the next: what `COUNT` counts."""


@dataclass(frozen=True)
class Window:
    """Which time steps of a sequence each result sees.

    Attributes:
        taps: how many.
        stride: steps from one window to the next.
        dilation: steps from one tap to the next.
        before, behind: steps of padding.
    """

    taps: int
    stride: int = 1
    dilation: int = 1
    before: int = 0
    behind: int = 0

    @property
    def span(self) -> int:
        """Time steps from the first tap to the last."""
        return (self.taps - 1) * self.dilation + 1

    @property
    def pace(self) -> Pace:
        """When windows are complete."""
        return Pace(self.span - 1 - self.before, self.stride, self.behind)


def same_window(taps: int, stride: int, dilation: int, timesteps: int | None) -> Window:
    """Keras' padding "same": as many results as strides begin, the smaller half of the padding in front.

    Where the length of the sequence is not known, `stride` must be 1.
    """
    span = (taps - 1) * dilation + 1
    padding = span - 1
    if timesteps is not None:
        padding = max((-(-timesteps // stride) - 1) * stride + span - timesteps, 0)
    return Window(taps, stride, dilation, padding // 2, padding - padding // 2)


@dataclass(frozen=True, eq=False)
class WindowOp(UnaryOp):
    """An op on the window's taps: `apply` sees them side by side."""

    window: Window

    @property
    def row_size(self) -> int:
        """Values that the window keeps of each step."""
        return self.input.size

    def row(self, values: IntArray) -> IntArray:
        """What it keeps of stored (batch, input size)."""
        return values

    @property
    def pace(self) -> Pace | None:
        """See `Op.pace`."""
        return self.window.pace

    @property
    def state(self) -> tuple[StateArray, ...]:
        """The steps of a window, oldest first, and how many more steps the next result takes."""
        size = self.window.span * self.row_size
        return (
            StateArray("window", "int8", size, self.padding, self.input.quantization, is_in_tflite=False),
            StateArray("countdown", "int16", 1, self.window.pace.first + 1, COUNT, is_in_tflite=False),
        )

    def padded(self, before: int, behind: int) -> Self:
        """The op that pads its input itself, where this one reads a padded one."""
        window = self.window
        return replace(self, window=replace(window, before=window.before + before, behind=window.behind + behind))

    def problems(self, contract: Contract) -> list[str]:
        """The window must be one that C keeps, and begin with the first step at the latest."""
        window, found = self.window, super().problems(contract)
        if max(window.span, window.stride, window.behind) > MOST_TICKS or window.span * self.row_size > LARGEST_SIZE:
            found.append(f"layer {self.name!r}: a window of {window.span} steps of {self.row_size} values is too large")
        if window.before >= window.span:
            found.append(f"layer {self.name!r}: {window.before} steps of padding come before a window of {window.span}")
        return found

    def yields(self, values: tuple[IntArray, ...], state: tuple[IntArray, ...]) -> BoolArray:
        """See `Op.yields`."""
        last: BoolArray = state[1][:, 0] == 1
        return last

    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """See `Op.step`."""
        window = np.concatenate([state[0][:, self.row_size :], self.row(values)], axis=1).astype(np.int8)
        countdown = np.where(state[1] == 1, self.window.stride, state[1] - 1).astype(np.int16)
        taps = window.reshape(len(window), self.window.span, self.row_size)[:, :: self.window.dilation]
        return self.apply(contract, taps), (window, countdown)

    @abstractmethod
    def apply(self, contract: Contract, taps: IntArray) -> IntArray:
        """Compute (batch, output size) from stored (batch, taps, row size)."""
