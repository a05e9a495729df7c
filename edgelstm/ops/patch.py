"""What ops over images have in common: each result sees a few neighbouring features of a few neighbouring time steps.

A step of an image is a row: its features after each other, the channels of each side by side. So images stream as
every sequence does; only features that lie beyond both ends of a row are padded here.
"""

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import BoolArray, IntArray, Pace, StateArray
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.sources import LARGEST_SIZE
from edgelstm.ops.window import MOST_TICKS, Window, WindowOp


@dataclass(frozen=True, eq=False)
class PatchOp(WindowOp):
    """An op on patches of an image: `apply_patches` sees them side by side.

    Attributes:
        across: which features each result sees, as `window` says of time steps.
        features: how many a row of the input has.
    """

    across: Window
    features: int

    @property
    def channels(self) -> int:
        """Values of a feature."""
        return self.input.size // self.features

    @property
    def results(self) -> int:
        """Features of the output."""
        return self.across.pace.count(self.features)

    @property
    def stretch(self) -> int:
        """Values that a result sees of a step."""
        return self.across.taps * self.channels

    @property
    def is_immediate(self) -> bool:
        """Whether each row of results is of one step alone, so that nothing is kept of others."""
        return self.window == Window(1) and self.row_size == self.input.size

    @property
    def pace(self) -> Pace | None:
        """See `Op.pace`."""
        return None if self.is_immediate else super().pace

    @property
    def state(self) -> tuple[StateArray, ...]:
        """See `WindowOp.state`."""
        return () if self.is_immediate else super().state

    @property
    def is_stretch(self) -> bool:
        """Whether what a result sees of a step lies side by side."""
        return self.across.taps == 1 or self.across.dilation == 1

    @property
    def row_size(self) -> int:
        """See `WindowOp.row_size`: the window keeps rows with their padding."""
        return (self.across.before + self.features + self.across.behind) * self.channels

    def row(self, values: IntArray) -> IntArray:
        """See `WindowOp.row`."""
        widths = (self.across.before * self.channels, self.across.behind * self.channels)
        return np.pad(values, ((0, 0), widths), constant_values=self.padding)

    def yields(self, values: tuple[IntArray, ...], state: tuple[IntArray, ...]) -> BoolArray:
        """See `Op.yields`."""
        return np.ones(len(values[0]), bool) if self.is_immediate else super().yields(values, state)

    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """See `Op.step`."""
        if self.is_immediate:
            return self.apply(contract, values[:, None]), ()
        return super().simulate(contract, values, state)

    def padded_across(self, before: int, behind: int) -> Self:
        """The op that pads the features itself, where this one reads padded ones."""
        across = self.across
        return replace(self, across=replace(across, before=across.before + before, behind=across.behind + behind))

    def problems(self, contract: Contract) -> list[str]:
        """Results must see some feature, and be no more than fit."""
        across, found = self.across, super().problems(contract)
        if across.before >= across.span or across.behind >= across.span:
            found.append(f"layer {self.name!r}: a result would see nothing but padding of the features")
        if self.results < 1 or max(across.span, across.stride) > MOST_TICKS or self.output.size > LARGEST_SIZE:
            found.append(
                f"layer {self.name!r}: {across.span} of {self.features} features at a time make {self.output.size} "
                f"values; 1 to {LARGEST_SIZE} are supported"
            )
        return found

    def apply(self, contract: Contract, taps: IntArray) -> IntArray:
        """See `WindowOp.apply`."""
        return self.apply_patches(contract, self.patches(taps)).reshape(len(taps), -1)

    def patches(self, taps: IntArray) -> IntArray:
        """(batch, results, steps, features, channels) of stored (batch, steps, row size)."""
        across = self.across
        rows = taps.reshape(*taps.shape[:2], -1, self.channels)
        first = across.stride * np.arange(self.results)
        seen = first[:, None] + across.dilation * np.arange(across.taps)
        found: IntArray = rows[:, :, seen].swapaxes(1, 2)
        return found

    @abstractmethod
    def apply_patches(self, contract: Contract, patches: IntArray) -> IntArray:
        """Compute (batch, results, values of each) from stored (batch, results, steps, features, channels)."""


def features_of(size: int, channels: int, what: str) -> int:
    """Features of a row; UnsupportedModelError where there is no whole number of them."""
    if channels < 1 or size % channels:
        raise UnsupportedModelError([f"{what}: {size} values a step are no features of {channels} channels"])
    return size // channels
