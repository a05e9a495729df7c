"""The tables of README.md, in Markdown, from committed results."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from kernel_costs import PLAIN, ROWS, Cost
from kernel_fit import fit, formula
from kernel_limits import Check, ratio
from kernel_models import LSTMS, NATIVES, PUBLISHED_SHAPES, shape_of
from kernel_peers import read_peers
from kernel_results import Prediction

from edgelstm.codegen.emit import OPTIMIZE

_SHAPES = [str(shape) for shape in PUBLISHED_SHAPES]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def limits(checks: Sequence[Check]) -> str:
    """Asked, measured, and whether that passes."""
    rows = [(check.subject, f"≤ {check.show(check.asked)}", _shown(check), _verdict(check)) for check in checks]
    return table(("what", "asked", "measured", "verdict"), rows)


def verdict(check: Check) -> str:
    """A limit in a line."""
    return f"{check.subject}: {_shown(check)} {check.verdict}, asked ≤ {check.show(check.asked)}"


def instructions(costs: Sequence[Cost]) -> str:
    """A mean step of a single LSTM, and its ratio to CMSIS-NN."""
    return _by_shape(costs, _mean)


def worst_steps(costs: Sequence[Cost]) -> str:
    """How far the slowest step lies above the mean one: of usual and of stress sequences."""
    return _by_shape(costs, _worst)


def loads(costs: Sequence[Cost]) -> str:
    """Instructions that read memory, and words read."""
    return _by_shape(costs, lambda c: f"{c.loads} / {c.loaded_words}")


def memory(costs: Sequence[Cost]) -> str:
    """Flash and RAM: the smallest and the largest published shape, and the models of several layers."""
    middle = {name for name in (*LSTMS, *NATIVES) if shape_of(name) not in (PUBLISHED_SHAPES[0], PUBLISHED_SHAPES[-1])}
    shown = {cost.model for cost in costs} - middle
    header = (
        "model", "target", "mode", "compiler", "code", "tables", "constants", "weights", "state", "buffers", "stack",
        "step",
    )  # fmt: skip
    rows = [
        (
            cost.model, cost.target, cost.optimize, cost.family,
            *(
                str(size)
                for size in (
                    cost.code_bytes, cost.tables_bytes, cost.other_constants_bytes, cost.weights_bytes,
                    cost.state_bytes, cost.buffer_bytes, cost.stack_bytes, cost.instructions_per_step,
                )
            ),
        )
        for cost in costs
        if cost.model in shown and cost.variant == PLAIN
    ]  # fmt: skip
    return table(header, sorted(rows))


def others(costs: Sequence[Cost]) -> str:
    """Published instructions of every tool on cores that we measured, and our `speed` with gcc as a ratio to them."""
    ours = {
        (cost.target, cost.model): cost.instructions_per_step
        for cost in costs
        if (cost.optimize, cost.variant, cost.family) == ("speed", PLAIN, "gcc")
    }
    grouped: dict[tuple[str, ...], list[str]] = {}
    measured = {target for target, _ in ours}
    for peer in (peer for peer in read_peers() if peer.target in measured):
        key = (peer.target, peer.tool, peer.version, f"{peer.compiler} {peer.flags}", peer.measure)
        own = ours.get((peer.target, f"lstm_{peer.inputs}_{peer.units}"))
        grouped.setdefault(key, []).append(
            f"{peer.instructions}" + (f" ({own / peer.instructions:.2f})" if own else "")
        )
    return table(
        ("core", "tool", "version", "compiler", "measure", *_SHAPES), [(*key, *cells) for key, cells in grouped.items()]
    )


def steps_on_m4(costs: Sequence[Cost]) -> str:
    """Instructions of a step on Cortex-M4 by gcc for two shapes, from plain C to the fastest; options beside modes."""
    named = {
        (cost.optimize, cost.variant, cost.model): cost
        for cost in costs
        if (cost.target, cost.family) == ("cortex-m4", "gcc")
    }
    models = ("lstm_16_32", "lstm_40_64")
    rows = [
        (label, mode, *(_mean(cost) if (cost := named.get((mode, variant, model))) else "" for model in models))
        for label, mode, variant in _ON_M4
    ]
    return table(("technique", "mode", *(str(shape_of(model)) for model in models)), rows)


_ON_M4 = (
    ("plain rows in portable C (`isa/ref.h`)", "speed", ROWS),
    ("hybrid layout (pairs and Winograd's inner product), intrinsics (`--no-asm`)", "speed", "no-asm"),
    ("hybrid layout, assembler, no tables", "size", PLAIN),
    ("hybrid layout, assembler, tables of 1 KB", "balanced", PLAIN),
    ("hybrid layout, assembler, tables of 13 KB", "speed", PLAIN),
    ("the same with weights of 1.5 bytes (chain4, `--wide-weights`)", "speed", "wide-weights"),
    ("hybrid layout, assembler, `--constant-time`", "speed", "constant-time"),
)


def optimize(costs: Sequence[Cost]) -> str:
    """What each mode costs: LSTM(32) on 16 inputs, Cortex-M4, gcc."""
    named = {
        cost.optimize: cost
        for cost in costs
        if (cost.model, cost.target, cost.variant, cost.family) == ("lstm_16_32", "cortex-m4", PLAIN, "gcc")
    }
    rows = [
        (f"`{mode}`", _tables(cost), f"{cost.instructions_per_step:,}", f"{ratio(cost):.2f}")
        for mode in reversed(OPTIMIZE)
        if (cost := named.get(mode))
    ]
    return table(("", "tables", "instructions a step, LSTM(32) on 16 inputs, Cortex-M4", "of CMSIS-NN's"), rows)


def techniques(costs: Sequence[Cost]) -> str:
    """What each choice saves: instructions of a step with it, relative to those without it."""
    named = {(cost.target, cost.optimize, cost.variant, cost.model): cost for cost in costs if cost.family == "gcc"}
    targets = sorted({cost.target for cost in costs})
    rows = [
        (label, target, *cells)
        for label, (to_mode, to_variant), (from_mode, from_variant) in _COMPARISONS
        for target in targets
        if any(
            cells := [
                _saving(named.get((target, to_mode, to_variant, m)), named.get((target, from_mode, from_variant, m)))
                for m in LSTMS
            ]
        )
    ]
    return table(("technique", "core", *_SHAPES), rows)


_COMPARISONS = (
    ("the core's kernel and layout, instead of portable C and rows (speed)", ("speed", PLAIN), ("speed", ROWS)),
    ("the same (size)", ("size", PLAIN), ("size", ROWS)),
    ("assembler, instead of intrinsics or C (speed)", ("speed", PLAIN), ("speed", "no-asm")),
    (
        "`balanced` instead of `size`: 1 KB of tables (none on Cortex-M55), loops unrolled",
        ("balanced", PLAIN),
        ("size", PLAIN),
    ),
    ("`speed` instead of `balanced`: 13 KB of tables (none on Cortex-M55)", ("speed", PLAIN), ("balanced", PLAIN)),
    ("weights of 1.5 bytes (speed)", ("speed", "wide-weights"), ("speed", PLAIN)),
    ("constant time: what it costs (speed)", ("speed", "constant-time"), ("speed", PLAIN)),
    ("constant time: what it costs (balanced)", ("balanced", "constant-time"), ("balanced", PLAIN)),
)


def cost_models(predictions: Sequence[Prediction]) -> str:
    """The coefficients of each model, and every shape measured and predicted."""
    groups: dict[tuple[str, str, str], list[Prediction]] = {}
    for prediction in predictions:
        groups.setdefault((prediction.target, prediction.optimize, prediction.compiler), []).append(prediction)
    summary = [(*key, *_cost_model(group)) for key, group in groups.items()]
    header = ("core", "mode", "compiler", "step", "largest deviation of a test shape")
    return f"{table(header, summary)}\n\n{_predictions(predictions)}"


def _cost_model(group: Sequence[Prediction]) -> tuple[str, str]:
    known = [p for p in group if p.role == "fit"]
    coefficients = fit([(p.inputs, p.units) for p in known], [p.measured for p in known])
    largest = max((abs(p.deviation) for p in group if p.role == "test"), default=0.0)
    return formula(coefficients), f"{100 * largest:.1f} %"


def _predictions(predictions: Sequence[Prediction]) -> str:
    header = ("core", "mode", "compiler", "shape", "role", "measured", "predicted", "deviation")
    return table(
        header,
        [
            (
                p.target, p.optimize, p.compiler, str((p.inputs, p.units)), p.role, str(p.measured), str(p.predicted),
                f"{100 * p.deviation:+.1f} %",
            )
            for p in predictions
        ],
    )  # fmt: skip


def _by_shape(costs: Sequence[Cost], cell: Callable[[Cost], str]) -> str:
    rows: dict[tuple[str, ...], dict[str, str]] = {}
    for cost in costs:
        if cost.model in LSTMS:
            key = (cost.target, cost.optimize, cost.variant, cost.family)
            rows.setdefault(key, {})[cost.model] = cell(cost)
    header = ("core", "mode", "option", "compiler", *_SHAPES)
    return table(header, [(*key, *_cells(rows[key])) for key in sorted(rows)])


def _cells(by_model: dict[str, str]) -> Iterator[str]:
    return (by_model.get(model, "") for model in LSTMS)


def _mean(cost: Cost) -> str:
    share = ratio(cost)
    return f"{cost.instructions_per_step}" + ("" if share is None else f" ({share:.3f})")


def _worst(cost: Cost) -> str:
    slowest = (100 * (step / cost.instructions_per_step - 1) for step in (cost.worst_step, cost.worst_stress_step))
    return " / ".join(f"{percent:+.1f} %" for percent in slowest)


def _tables(cost: Cost) -> str:
    return f"{cost.tables_bytes:,} bytes" if cost.tables_bytes else "none"


def _saving(new: Cost | None, old: Cost | None) -> str:
    return f"{100 * (new.instructions_per_step / old.instructions_per_step - 1):+.0f} %" if new and old else ""


def _verdict(check: Check) -> str:
    return check.verdict if check.is_required else f"{check.verdict} (remark)"


def _shown(check: Check) -> str:
    return "" if check.measured is None else check.show(check.measured)
