"""Where the error of a quantized model comes from, as records; docs/accuracy.md says what each number means."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class LayerError:
    """A layer, or an input.

    Attributes:
        name: the layer's.
        kind: what it is, as `inspect` calls it; "input" for an input.
        sqnr_db: signal to noise of its output in the integer model: all errors up to here.
        own_sqnr_db: of its integers alone, given float inputs rounded to its input's scale; None where it only moves
            values.
        share: of the energy of the model's output error, what this layer's own error makes there (0 to 1, or more:
            errors may cancel); None likewise.
    """

    name: str
    kind: str
    sqnr_db: float
    own_sqnr_db: float | None
    share: float | None


@dataclass(frozen=True)
class PartError:
    """A gate or a state of a recurrent layer.

    Attributes:
        layer: whose.
        name: the gate's or the state's.
        sqnr_db: of what a gate yields, like a layer's `sqnr_db`; None for a state.
        shares: like a layer's `share`, for each thing that is rounded there, by name, and it alone.
    """

    layer: str
    name: str
    sqnr_db: float | None
    shares: Mapping[str, float]


@dataclass(frozen=True)
class WorstSample:
    """The test sequence whose outputs are furthest from the float model's.

    Attributes:
        index: of the sequence among the test data, from 0.
        share: of the error's energy over all sequences that were looked at.
        sqnr_db: of its outputs.
        step: at which step its largest error is; None where the model answers once.
        output: of which output that is, from 0.
        error: that error, integer less float, in the output's unit.
    """

    index: int
    share: float
    sqnr_db: float
    step: int | None
    output: int
    error: float


@dataclass(frozen=True)
class Advice:
    """What to do about an error.

    Attributes:
        kind: "levels", "range", "cell", "row", ...: one for each cause.
        text: a sentence.
    """

    kind: str
    text: str


@dataclass(frozen=True)
class ErrorReport:
    """All of it.

    Attributes:
        sequences: how many test sequences were looked at, of `available`.
        sqnr_db: of the model's outputs.
        inputs: a row for each that is no id.
        layers: in the model's order.
        parts: of layers with gates.
        worst: None where there is no error at all.
    """

    sequences: int
    available: int
    sqnr_db: float
    inputs: tuple[LayerError, ...]
    layers: tuple[LayerError, ...]
    parts: tuple[PartError, ...]
    worst: WorstSample | None
    advice: tuple[Advice, ...]

    def to_mapping(self) -> dict[str, Any]:
        """For JSON, which knows no infinity: no noise at all is null."""
        found: dict[str, Any] = _finite(asdict(self))
        return found


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
