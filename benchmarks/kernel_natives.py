"""The table of the layers of the contract `native` and of int16, beside the LSTM that other libraries have, too."""

from collections.abc import Mapping, Sequence

from kernel_costs import PLAIN, Cost
from kernel_models import INT16_KIND, NATIVE_KINDS, PUBLISHED_SHAPES
from kernel_peers import best_cmsis_nn, read_peers
from kernel_tables import table

from edgelstm.codegen.emit import OPTIMIZE

_NAMES = {"gru": "GRU", "rnn": "SimpleRNN", "hardlstm": "LSTM, hard_sigmoid", INT16_KIND: "LSTM, int16"}
_OURS, _CMSIS_NN = "our LSTM", "CMSIS-NN's LSTM"

_Steps = Mapping[tuple[str, str, str], int]
"""Instructions of a mean step by model, target and mode."""


def natives(costs: Sequence[Cost]) -> str:
    """A mean step of each layer by gcc, and its ratio to one of an int8 LSTM of the same shape.

    No other library has an int8 GRU or SimpleRNN, so theirs is to our LSTM in the same mode. An LSTM with hard_sigmoid
    does the work of one with sigmoid but for a function, so its is to CMSIS-NN's, on cores that have that.
    """
    steps: _Steps = {
        (cost.model, cost.target, cost.optimize): cost.instructions_per_step
        for cost in costs
        if (cost.variant, cost.family) == (PLAIN, "gcc")
    }
    targets = sorted({cost.target for cost in costs})
    rows = [
        _row(steps, kind, target, mode)
        for kind in (*NATIVE_KINDS, INT16_KIND)
        for target in targets
        for mode in OPTIMIZE
        if any((_model(kind, shape), target, mode) in steps for shape in PUBLISHED_SHAPES)
    ]
    return table(("layer", "core", "mode", "ratio to", *map(str, PUBLISHED_SHAPES)), rows)


def _row(steps: _Steps, kind: str, target: str, mode: str) -> tuple[str, ...]:
    published = [best_cmsis_nn(read_peers(), target, *shape) for shape in PUBLISHED_SHAPES]
    known = [peer.instructions for peer in published if peer]
    is_official = kind == "hardlstm" and len(known) == len(published)
    references = known if is_official else [steps.get((_model("lstm", s), target, mode)) for s in PUBLISHED_SHAPES]
    own = [steps.get((_model(kind, shape), target, mode)) for shape in PUBLISHED_SHAPES]
    cells = [_cell(count, reference) for count, reference in zip(own, references, strict=True)]
    return _NAMES[kind], target, mode, _CMSIS_NN if is_official else _OURS, *cells


def _cell(count: int | None, reference: int | None) -> str:
    if count is None:
        return ""
    return f"{count} ({count / reference:.3f})" if reference else str(count)


def _model(kind: str, shape: tuple[int, int]) -> str:
    return f"{kind}_{shape[0]}_{shape[1]}"
