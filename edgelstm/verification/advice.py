"""What to do about errors: rules, each of which looks for one cause and for its effect on the output."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from edgelstm.ir import Model, QuantizedTensor, Ranges
from edgelstm.ops.lstm import LstmOp
from edgelstm.project.settings import LARGEST_MARGIN, MOST_CELL_BITS
from edgelstm.quantization import widen, with_cell_bits
from edgelstm.report.errors_found import Advice, PartError
from edgelstm.report.saturation import Saturation
from edgelstm.simulate import quantize_array
from edgelstm.verification.cells import WEIGHTS, GateRows, mixed_cell
from edgelstm.verification.layer_errors import Errors
from edgelstm.verification.saturation import measure_saturation

FEW_LEVELS = 32
"""Of 256: a channel that has no more uses 5 bits of its 8."""

FEW_STEPS = 16
"""Of 127: what the largest weight of a row should exceed."""

WORTH_A_WORD = 0.1
"""The least share of the output's error that a cause must make."""

CLIPPED_PERCENT, CLIPPED_SEQUENCES = 1.0, 2
"""Of an array's values, and on how many sequences (fewer where fewer were looked at), before ranges are to blame."""

MOST_LINES, MOST_LISTED = 8, 6
"""Of one kind, and arrays in one."""

WORTH_A_CHANGE_DB = 1.0
"""What another range must gain at the output."""


@dataclass(frozen=True)
class Chosen:
    """How the model was quantized, as far as advice changes it.

    Attributes:
        ranges: that it was quantized with.
        margin: that is in them.
        with_ranges: the model with others.
    """

    ranges: Ranges
    margin: float
    with_ranges: Callable[[Ranges], Model]


def advise(errors: Errors, parts: Sequence[PartError], chosen: Chosen) -> tuple[Advice, ...]:
    """A line for each cause that was found; none where there is no error."""
    if not errors.total:
        return ()
    rules = (_of_channels(errors), _of_ranges(errors, chosen), _of_rows(errors, parts))
    return tuple(line for lines in rules for line in list(lines)[:MOST_LINES])


def _of_channels(errors: Errors) -> Iterator[Advice]:
    """Channels of an input of which so few levels are used that the output suffers."""
    inputs = errors.bench.model.inputs
    for tensor in inputs:
        if tensor.vocabulary or tensor.size == 1:
            continue
        where = "the input" if len(inputs) == 1 else f'input "{tensor.name}"'
        for channel, levels in _few_levels(errors, tensor):
            share = errors.of_input(tensor.name, channel).share or 0.0
            if share >= WORTH_A_WORD:
                cure = "adapt its Normalization to the data" if tensor.scaling else "put a Normalization at the input"
                yield Advice(
                    "levels",
                    f"channel {channel} of {where} uses {levels} of 256 levels, and makes {_percent(share)} of the "
                    f"output's error: {cure}, which gives each channel a range of its own",
                )


def _few_levels(errors: Errors, tensor: QuantizedTensor) -> Iterator[tuple[int, int]]:
    """Channels that vary, with how many integers lie between their smallest and largest, where these are few."""
    values = np.concatenate([one[tensor.name].reshape(-1, tensor.size) for one in errors.reference])
    spans = np.ptp(quantize_array(values, tensor.quantization).astype(np.int64), axis=0)
    for channel in np.flatnonzero((np.ptp(values, axis=0) > 0.0) & (spans + 1 < FEW_LEVELS)):
        yield int(channel), int(spans[channel]) + 1


def _of_ranges(errors: Errors, chosen: Chosen) -> Iterator[Advice]:
    """Arrays that test data leave often, and the margin, or the bits of cell states, that serves them best."""
    bench = errors.bench
    cells = {f'the cell state of "{op.name}"': op for op in bench.model.ops if isinstance(op, LstmOp)}
    least = min(CLIPPED_SEQUENCES, len(bench.samples.x))
    clipped = [
        one
        for one in measure_saturation(bench.float_model, bench.model, bench.samples, chosen.ranges).found
        if one.percent >= CLIPPED_PERCENT and one.samples >= least
    ]
    others = [one for one in clipped if one.where not in cells]
    if others:
        yield Advice(
            "range",
            f"test data leave the calibrated range: {_listed(others, errors)}; " + _margin(errors, others, chosen),
        )
    for one in clipped:
        op = cells.get(one.where)
        if op is not None and not others:
            yield Advice("cell", f"{_listed([one], errors)} is beyond its scale; {_cell_bits(errors, chosen, op)}")


def _listed(clipped: Sequence[Saturation], errors: Errors) -> str:
    looked_at = len(errors.bench.samples.x)
    listed = ", ".join(
        f"{one.where} ({one.percent:.1f} % of its values, in {one.samples} of {looked_at} sequences)"
        for one in clipped[:MOST_LISTED]
    )
    return listed + (f" and {len(clipped) - MOST_LISTED} more" if len(clipped) > MOST_LISTED else "")


def _margin(errors: Errors, clipped: Sequence[Saturation], chosen: Chosen) -> str:
    """Of the margins that hold an array each, the one with the least error at the output."""
    wanted = {math.ceil(10 * chosen.margin * one.margin) / 10 for one in clipped if one.margin is not None}
    tried = {
        margin: _sqnr_of(errors, widen(errors.bench.float_model, chosen.ranges, margin / chosen.margin), chosen)
        for margin in sorted(wanted)
        if margin <= LARGEST_MARGIN
    }
    best = max(tried, key=tried.__getitem__, default=None)
    if best is None or tried[best] < errors.sqnr_db + WORTH_A_CHANGE_DB:
        return "calibrate on data that cover it"
    return f"--margin {best:.1f} brings {_from_to(errors, tried[best])}, or calibrate on data that cover it"


def _cell_bits(errors: Errors, chosen: Chosen, op: LstmOp) -> str:
    largest = errors.largest(f"{op.name}/cell")
    bits = math.ceil(math.log2(largest))
    if bits > MOST_CELL_BITS:
        return f"it counts up to {largest:.0f}, which no scale holds: train on longer sequences, or reset the network"
    reached = _sqnr_of(errors, with_cell_bits(errors.bench.float_model, chosen.ranges, bits), chosen)
    return f"--cell-bits {bits} brings {_from_to(errors, reached)}, or calibrate on sequences as long as these"


def _from_to(errors: Errors, reached: float) -> str:
    return f"the output's SQNR from {errors.sqnr_db:.1f} to {reached:.1f} dB"


def _sqnr_of(errors: Errors, ranges: Ranges, chosen: Chosen) -> float:
    """Of the model with other ranges."""
    return Errors(replace(errors.bench, model=chosen.with_ranges(ranges))).sqnr_db


def _of_rows(errors: Errors, parts: Sequence[PartError]) -> Iterator[Advice]:
    """Rows of weights so large that those that share their scale keep few of its steps."""
    shares = {(part.layer, part.name): part.shares.get(WEIGHTS, 0.0) for part in parts}
    for layer in errors.bench.float_model.layers:
        op = errors.bench.op_of(layer)
        cell = None if op is None else mixed_cell(layer, op)
        if cell is None:
            continue
        for matrix in cell.rows():
            share = shares.get((layer.name, matrix.gate), 0.0)
            text = _spoiled(matrix) if share >= WORTH_A_WORD else ""
            if text:
                yield Advice(
                    "row",
                    f'{text} of "{layer.name}"; the weights of this gate make {_percent(share)} of the output\'s '
                    "error: limit them while training (kernel_constraint, weight decay)",
                )


def _spoiled(matrix: GateRows) -> str:
    """In words which row is how much larger than most; "" where none is."""
    reach = np.abs(matrix.rows.astype(np.int64)).max(axis=1, initial=0)
    usual = int(np.median(reach))
    if len(reach) < 3 or usual >= FEW_STEPS:
        return ""
    return (
        f"unit {int(reach.argmax())} has weights up to {reach.max() / max(usual, 1):.0f} times those of most units, "
        f"which keep {usual} of 127 steps, in the {matrix.meets} of the {matrix.gate}"
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
