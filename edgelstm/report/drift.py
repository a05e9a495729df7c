"""How far a quantized model goes from the float model along a stream, as records; docs/accuracy.md explains them."""

from dataclasses import asdict, dataclass
from typing import Any

GROWS, RISES = 1.5, 1.2
"""Errors that grow by more from one decade of steps to the next, and within the last from one half to the other, are
said to grow. Those of a random walk grow by 3.2 and 1.5."""


@dataclass(frozen=True)
class Decade:
    """Steps `first` to `last`, from 1.

    Attributes:
        error_percent: root mean square of the outputs' errors, in percent of full scale: the span of all float outputs.
        typical_percent: the median of that over ten equal parts, which single events do not move.
        rise: by what the median over the later five exceeds that over the first five.
    """

    first: int
    last: int
    error_percent: float
    typical_percent: float
    rise: float


@dataclass(frozen=True)
class CellUse:
    """What the long run does to the cell state of an LSTM.

    Attributes:
        layer: its name.
        integer_bits: n of the Q(n).(15 - n) that it has now.
        clipped_percent: the share of its values that lie at the end of 16 bits.
        units: those that were ever there, the most often clipped first.
        reached: its largest magnitude in float.
        needed_bits: what holds that; None where no scale does.
    """

    layer: str
    integer_bits: int
    clipped_percent: float
    units: tuple[int, ...]
    reached: float
    needed_bits: int | None


@dataclass(frozen=True)
class WiderCells:
    """The same stream with the cell scales that it asks for.

    Attributes:
        cell_bits: what `--cell-bits` was set to.
        error_percent: of the last decade.
    """

    cell_bits: int
    error_percent: float


@dataclass(frozen=True)
class Settling:
    """Steps until something is over; None where it is not within `watched` steps.

    Attributes:
        integer: of the integer model.
        real: of the float model.
    """

    integer: int | None
    real: int | None
    watched: int


@dataclass(frozen=True)
class DriftReport:
    """All of it.

    Attributes:
        steps: of the stream.
        data_steps: of the data that it was strung together from; they are repeated where it is longer.
        decades: the growth of the error.
        cells: of each LSTM.
        warm_up: steps until the outputs no longer tell from which state the model started.
        recovery: steps from the end of a burst of extreme inputs until the error is as without it; `real` is None.
        wider: what wider cells change; None where none are wanted.
    """

    steps: int
    data_steps: int
    decades: tuple[Decade, ...]
    cells: tuple[CellUse, ...]
    warm_up: Settling
    recovery: Settling
    wider: WiderCells | None = None

    @property
    def error_percent(self) -> float:
        """Of the last decade: what a limit is about."""
        return self.decades[-1].error_percent

    @property
    def growth(self) -> float:
        """By what the typical error grows in the last decade; below 1 where it shrinks."""
        if len(self.decades) < 2 or self.decades[-2].typical_percent == 0.0:
            return 1.0
        return self.decades[-1].typical_percent / self.decades[-2].typical_percent

    @property
    def grows(self) -> bool:
        """The verdict."""
        return self.growth > GROWS and self.decades[-1].rise > RISES

    @property
    def cell_bits(self) -> int | None:
        """The `--cell-bits` that the clipped cells want; None where none is clipped, or no scale holds one."""
        clipped = [one for one in self.cells if one.clipped_percent > 0.0]
        wanted = [one.needed_bits for one in clipped if one.needed_bits and one.needed_bits > one.integer_bits]
        return max(wanted, default=None)

    def to_mapping(self) -> dict[str, Any]:
        """For JSON."""
        verdict = {"error_percent": self.error_percent, "growth": self.growth, "grows": self.grows}
        return {**asdict(self), **verdict, "cell_bits": self.cell_bits}


def exceeded(report: DriftReport, most_percent: float | None) -> list[str]:
    """A line for a limit that is exceeded."""
    if most_percent is None or report.error_percent <= most_percent:
        return []
    return [
        f"the error of the last decade of {report.steps} steps is {report.error_percent:.3g} % of full scale, "
        f"more than {most_percent:g} %"
    ]
