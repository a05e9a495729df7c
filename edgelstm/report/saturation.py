"""What test data clip: values beyond the range that the integers hold."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Saturation:
    """An array of which some values were clipped.

    Attributes:
        where: 'channel 2 of the input', 'the cell state of "lstm"', 'the output of "dense"'.
        percent: the share of its values.
        samples: on how many test sequences.
        margin: what the range must be multiplied by to hold all of them; None where that helps nothing, because the
            range ends at 0 on that side.
    """

    where: str
    percent: float
    samples: int
    margin: float | None
