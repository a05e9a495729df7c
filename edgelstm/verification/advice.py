"""What to do about errors: rules, each of which looks for one cause and for its effect on the output."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from edgelstm.ir import QuantizedTensor, Ranges
from edgelstm.ops.lstm import Lstm
from edgelstm.project.settings import LARGEST_MARGIN, MOST_CELL_BITS
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

MOST_LINES = 8
"""Of one kind."""


@dataclass(frozen=True)
class Chosen:
    """The options with which the model was quantized, as far as advice changes them."""

    margin: float = 1.0


def advise(errors: Errors, parts: Sequence[PartError], ranges: Ranges, chosen: Chosen) -> tuple[Advice, ...]:
    """A line for each cause that was found; none where there is no error."""
    if not errors.total:
        return ()
    rules = (_of_channels(errors), _of_ranges(errors, ranges, chosen), _of_rows(errors, parts))
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


def _of_ranges(errors: Errors, ranges: Ranges, chosen: Chosen) -> Iterator[Advice]:
    """Arrays that test data leave often."""
    bench = errors.bench
    cells = {f'the cell state of "{op.name}"': op for op in bench.model.ops if isinstance(op, Lstm)}
    least = min(CLIPPED_SEQUENCES, len(bench.samples.x))
    for one in measure_saturation(bench.float_model, bench.model, bench.samples, ranges):
        if one.percent < CLIPPED_PERCENT or one.samples < least:
            continue
        text = f"{one.where} saturates: {one.percent:.1f} % of its values, in {one.samples} of {len(bench.samples.x)}"
        op = cells.get(one.where)
        if op is None:
            yield Advice("range", f"{text} sequences: {_margin(one, chosen)}")
        else:
            yield Advice("cell", f"{text} sequences: {_cell_bits(errors.largest(f'{op.name}/cell'))}")


def _cell_bits(largest: float) -> str:
    bits = math.ceil(math.log2(largest))
    if bits <= MOST_CELL_BITS:
        return f"--cell-bits {bits}, or calibrate on sequences as long as these"
    return f"it counts up to {largest:.0f}, which no scale holds: train on longer sequences, or reset the network"


def _margin(one: Saturation, chosen: Chosen) -> str:
    margin = None if one.margin is None else math.ceil(10 * chosen.margin * one.margin) / 10
    if margin is None or margin > LARGEST_MARGIN:
        return "calibrate on data that cover it"
    return f"--margin {margin:.1f}, or calibrate on data that cover it"


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
