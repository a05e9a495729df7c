"""Measures a model along a stream: growth of its error, cell states, recovery from a burst, and warm-up."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from edgelstm.data.dataset import Samples
from edgelstm.errors import DataError
from edgelstm.ir import BoolArray, FloatArray, IntArray, Model, Quantization
from edgelstm.ops.lstm import LstmOp
from edgelstm.ops.scales import LARGEST_CELL_EXPONENT
from edgelstm.report.drift import CellUse, Decade, DriftReport, Settling
from edgelstm.report.progress import Progress
from edgelstm.simulate import dequantize_array
from edgelstm.verification.fast_steps import State
from edgelstm.verification.stream import Feed, Stream

MOST_VALUES = 1 << 28
"""Steps times the width of the widest tensor: what is kept of a run must fit a computer's memory."""

WATCHED = 2_000
"""Steps in which a warm-up or a recovery must be over, or it counts as none; a quarter of a shorter stream."""

BURST, BEFORE_BURST = 50, 500
"""Steps of extreme inputs, and of the stream before them."""

SMOOTHED, USUAL = 16, 1.5
"""Steps over which errors are averaged, and how far above the largest of the undisturbed stream, before a burst is said
to be over: two streams that agree again need not agree to the last bit."""

STARTS = 8
"""States that a warm-up compares: after a reset, both ends of what they hold, and random ones."""

_PARTS = 10
_MOST_BITS = 15 + LARGEST_CELL_EXPONENT
_SEED = 0


@dataclass(frozen=True, eq=False)
class _Runs:
    """Both models on the whole stream.

    Attributes:
        exact: (steps, values) of the float model.
        found: of the integer model.
    """

    exact: FloatArray
    found: FloatArray
    cells: tuple[CellUse, ...]


def measure_drift(stream: Stream, test: Samples, steps: int, progress: Progress) -> DriftReport:
    """Run float model and integers on test sequences, one behind the other without a reset, again and again.

    Raises:
        DataError: the float model yields NaN or infinite outputs, or so many steps do not fit the memory.
    """
    data_steps = _data_steps(test)
    feed = strung_together(stream.model, test, steps)
    runs = _whole_run(stream, feed, progress)
    few = {name: values[:, : _watched(steps)] for name, values in feed.items()}
    return DriftReport(
        steps,
        data_steps,
        tuple(_decades(runs.exact, runs.found)),
        runs.cells,
        _warm_up(stream, few),
        _recovery(stream, feed),
    )


def strung_together(model: Model, test: Samples, steps: int) -> Feed:
    """The valid steps of all sequences one behind the other, from the first again where they end: (1, steps, size)."""
    widest = max([tensor.size for tensor in model.inputs] + [op.output.size for op in model.ops])
    if steps * widest > MOST_VALUES:
        raise DataError(
            f"{steps} steps of {widest} values do not fit the memory", f"--steps {MOST_VALUES // widest} would"
        )
    lengths = np.full(len(test.x), test.x.shape[1]) if test.lengths is None else test.lengths
    rows: list[FloatArray] = []
    missing = steps
    while missing > 0:
        for values, length in zip(test.x, lengths, strict=True):
            rows.append(values[: min(int(length), missing)])
            missing -= len(rows[-1])
            if not missing:
                break
    arrays = model.layout.split(np.concatenate(rows)[np.newaxis])
    return {tensor.name: tensor.scaled(arrays[tensor.name]) for tensor in model.inputs}


def _watched(steps: int) -> int:
    return min(WATCHED, steps // 4)


def _data_steps(test: Samples) -> int:
    return int(test.x.shape[0] * test.x.shape[1] if test.lengths is None else test.lengths.sum())


def _whole_run(stream: Stream, feed: Feed, progress: Progress) -> _Runs:
    lstms = ((layer, op) for layer, op in stream.recurrent if isinstance(op, LstmOp))
    watch = {op.name: _CellWatch(layer.name, op) for layer, op in lstms}
    reached: dict[str, float] = {}
    steps = next(iter(feed.values())).shape[1]
    done = 0

    def observe(name: str, values: FloatArray) -> None:
        if name.endswith("/cell"):
            reached[name] = max(reached.get(name, 0.0), float(np.abs(values).max()))

    def on_state(name: str, state: State) -> None:
        nonlocal done
        if name in watch:
            watch[name].add(state[1])
        done += 1
        if done % 1000 == 0:
            progress.advance("integer steps", done, steps * len(stream.recurrent))

    exact = stream.in_float(feed, observe)[0]
    if not np.isfinite(exact).all():
        raise DataError(
            "the float model yields NaN or infinite outputs along the stream", "its states grow without bound"
        )
    found = stream.in_integers(feed, on_state)[0]
    cells = tuple(one.use(reached.get(f"{one.layer}/cell", 0.0)) for one in watch.values())
    return _Runs(exact, found, cells)


class _CellWatch:
    """Counts the cell states of an LSTM that lie at the end of what they can hold."""

    def __init__(self, layer: str, op: LstmOp) -> None:
        self.layer = layer
        self._bits = 15 + round(math.log2(op.cell.scale))
        self._clipped: IntArray = np.zeros(op.units, np.int64)
        self._values = 0

    def add(self, cell: IntArray) -> None:
        """(batch, units)."""
        limits = np.iinfo(cell.dtype)
        self._clipped += ((cell == limits.min) | (cell == limits.max)).sum(axis=0)
        self._values += cell.size

    def use(self, reached: float) -> CellUse:
        """All that was seen, and the float model's largest cell state."""
        order = np.argsort(-self._clipped, kind="stable")
        units = tuple(int(unit) for unit in order if self._clipped[unit])
        needed = max(0, math.ceil(math.log2(max(reached, 2.0**-15))))
        percent = 100.0 * float(self._clipped.sum()) / max(1, self._values)
        return CellUse(self.layer, self._bits, percent, units, reached, needed if needed <= _MOST_BITS else None)


def _decades(exact: FloatArray, found: FloatArray) -> Iterator[Decade]:
    """1 to 10, 11 to 100, ...; what remains behind the last whole one joins it where it is short."""
    full_scale = float(np.ptp(exact)) or 1.0
    squares = np.square(found - exact).mean(axis=1)
    ends = [0]
    while ends[-1] < len(squares):
        ends.append(min(len(squares), max(10, 10 * ends[-1])))
    if len(ends) > 2 and ends[-1] < 5 * ends[-2]:
        del ends[-2]
    for first, last in pairwise(ends):
        parts = np.array_split(squares[first:last], min(_PARTS, last - first))
        levels = np.sqrt([part.mean() for part in parts])
        whole = math.sqrt(float(squares[first:last].mean()))
        halves = [float(np.median(half)) for half in np.array_split(levels, 2)]
        rise = halves[1] / halves[0] if halves[0] else 1.0
        yield Decade(first + 1, last, 100.0 * whole / full_scale, 100.0 * float(np.median(levels)) / full_scale, rise)


def _recovery(stream: Stream, feed: Feed) -> Settling:
    """Two bursts, of the largest and of the smallest inputs, beside the stream without one."""
    steps = next(iter(feed.values())).shape[1]
    before = min(BEFORE_BURST, steps // 4)
    behind = before + min(BURST, steps // 4)
    last = behind + _watched(steps)
    disturbed = {
        name: _with_bursts(stream.model, name, values[:, :last], before, behind) for name, values in feed.items()
    }
    errors = stream.in_integers(disturbed) - stream.in_float(disturbed)
    levels = _smoothed(np.square(errors[:, behind:]).mean(axis=2))
    usual = float(levels[0].max())
    watched = levels.shape[1]
    return Settling(_settled(levels[1:].max(axis=0) <= USUAL**2 * usual), None, watched)


def _with_bursts(model: Model, name: str, values: FloatArray, first: int, last: int) -> FloatArray:
    """Undisturbed, and with the largest and the smallest value that the input can hold from step `first` to `last`."""
    tensor = next(one for one in model.inputs if one.name == name)
    found = np.repeat(values, 3, axis=0)
    limits = np.iinfo(tensor.quantization.dtype)
    ends = (float(tensor.vocabulary - 1), 0.0) if tensor.vocabulary else (float(limits.max), float(limits.min))
    for row, stored in enumerate(ends, 1):
        found[row, first:last] = (stored - tensor.quantization.zero_point) * tensor.quantization.scale
    return found


def _smoothed(squares: FloatArray) -> FloatArray:
    """Means of the last `SMOOTHED` steps, (batch, steps); fewer at the start."""
    sums = np.cumsum(np.pad(squares, ((0, 0), (1, 0))), axis=1)
    ends = np.arange(1, sums.shape[1])
    starts = np.maximum(ends - SMOOTHED, 0)
    means: FloatArray = (sums[:, ends] - sums[:, starts]) / (ends - starts)
    return means


def _warm_up(stream: Stream, feed: Feed) -> Settling:
    """Whether the outputs of all starts are within a step of those after a reset, and for good."""
    starts = dict(_starts(stream))
    several = {name: np.repeat(values, STARTS, axis=0) for name, values in feed.items()}
    step = np.repeat(
        [one.quantization.scale for one in stream.model.outputs], [one.size for one in stream.model.outputs]
    )

    def settled(outputs: FloatArray) -> int | None:
        return _settled((np.abs(outputs - outputs[:1]) <= 1.001 * step).all(axis=(0, 2)))

    watched = next(iter(feed.values())).shape[1]
    return Settling(
        settled(stream.in_integers(several, starts=starts)), settled(stream.in_float(several, starts=starts)), watched
    )


def _starts(stream: Stream) -> Iterator[tuple[str, tuple[FloatArray, ...]]]:
    """States of each recurrent layer: zeros, both ends of what its integers hold, and random ones between."""
    rng = np.random.default_rng(_SEED)
    for layer, op in stream.recurrent:
        arrays = {array.name: array for array in op.state}
        states = []
        for names in op.filled:
            ends = [_ends(arrays[name].quantization) for name in names]
            low, high = max(one[0] for one in ends), min(one[1] for one in ends)
            values = rng.uniform(low, high, (STARTS, op.output.size)).astype(np.float32)
            values[:3] = np.array([[0.0], [high], [low]], np.float32)
            states.append(values)
        yield layer.name, tuple(states)


def _ends(quantization: Quantization) -> tuple[float, float]:
    """The smallest and the largest real value."""
    limits = np.iinfo(quantization.dtype)
    low, high = dequantize_array(np.array([limits.min, limits.max]), quantization)
    return float(low), float(high)


def _settled(is_calm: BoolArray) -> int | None:
    """How many steps pass before it is calm for good; None where the last tenth is not calm throughout."""
    stirred = np.flatnonzero(~is_calm)
    passed = int(stirred[-1]) + 1 if len(stirred) else 0
    return passed if passed <= 0.9 * len(is_calm) else None
