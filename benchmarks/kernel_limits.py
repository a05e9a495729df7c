"""The limits that the kernels must keep, and what was measured against each."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from kernel_costs import PLAIN, ROWS, Cost
from kernel_models import LSTMS, PUBLISHED_SHAPES, shape_of
from kernel_peers import best_cmsis_nn, read_peers
from kernel_results import Prediction

from edgelstm.codegen.emit import OPTIMIZE

KILOBYTE = 1024

REQUIRED_COMPILER = "gcc"
"""Its limits must be kept, and a measurement that one of them needs must exist; other compilers' are remarks."""

RATIO_LIMITS: dict[tuple[str, str], tuple[float, ...]] = {
    ("cortex-m4", "speed"): (0.34, 0.34, 0.34, 0.34, 0.35),
    ("cortex-m7", "speed"): (0.34, 0.34, 0.34, 0.34, 0.35),
    ("cortex-m33", "speed"): (0.34, 0.34, 0.34, 0.34, 0.35),
    ("cortex-m4", "balanced"): (0.44, 0.45, 0.45, 0.43, 0.42),
    ("cortex-m4", "size"): (0.60, 0.60, 0.60, 0.56, 0.54),
    ("cortex-m3", "speed"): (0.50,) * 5,
    ("cortex-m0", "speed"): (0.50,) * 5,
    ("cortex-m55", "speed"): (0.25, 0.30, 0.32, 0.38, 0.45),
}
"""A mean steady step to that of CMSIS-NN -O3 by the better of gcc and clang, at the published shapes."""

TABLE_LIMITS_BYTES = {
    ("cortex-m4", "speed"): 13.5 * KILOBYTE,
    ("cortex-m7", "speed"): 13.5 * KILOBYTE,
    ("cortex-m33", "speed"): 13.5 * KILOBYTE,
    ("cortex-m4", "balanced"): 1.2 * KILOBYTE,
    ("cortex-m4", "size"): 0,
    ("cortex-m55", "speed"): 0,
}
FLASH_LIMITS_BYTES = {LSTMS: 1.3 * KILOBYTE, ("classifier_16_32",): 2.0 * KILOBYTE}
RAM_LIMITS_BYTES = {"lstm_6_16": 400, "lstm_40_128": 1.4 * KILOBYTE}
ROWS_LIMIT = 0.45
MEASURED_TARGETS = ("cortex-m0", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55", "rv32imc")
CONSTANT_TIME_LIMIT = 0.01
COST_MODELS = (("cortex-m4", "balanced"), ("cortex-m4", "speed"))
COST_MODEL_LIMIT = 0.10
RANDOM_SHAPES = 20

_Key = tuple[str, str, str, str]
"""Model, target, mode and variant."""


@dataclass(frozen=True)
class Check:
    """A limit: what it is about, the largest value that passes, the value measured or None, and how to show both.

    One that is not required is a remark: shown, but nothing fails for it.
    """

    subject: str
    asked: float
    measured: float | None
    show: Callable[[float], str]
    is_required: bool

    @property
    def verdict(self) -> str:
        """ "pass", "FAIL" or "not measured"."""
        if self.measured is None:
            return "not measured"
        return "pass" if self.measured <= self.asked else "FAIL"


def all_checks(costs: Sequence[Cost], predictions: Sequence[Prediction]) -> list[Check]:
    """Every required limit, measured or not, and those of other compilers where they were measured."""
    others = sorted({cost.family for cost in costs} - {REQUIRED_COMPILER})
    found = [check for family in (REQUIRED_COMPILER, *others) for check in _of_family(costs, family)]
    found += _cost_models(predictions)
    return [check for check in found if check.is_required or check.measured is not None]


def unkept(checks: Iterable[Check]) -> list[Check]:
    """Required limits that fail or were not measured."""
    return [check for check in checks if check.is_required and check.verdict != "pass"]


def ratio(cost: Cost) -> float | None:
    """To the better of gcc's and clang's CMSIS-NN -O3; None where that was not measured."""
    if cost.model not in LSTMS:
        return None
    peer = best_cmsis_nn(read_peers(), cost.target, *shape_of(cost.model))
    return cost.instructions_per_step / peer.instructions if peer else None


def _of_family(costs: Sequence[Cost], family: str) -> Iterator[Check]:
    known = {(cost.model, cost.target, cost.optimize, cost.variant): cost for cost in costs if cost.family == family}
    is_required = family == REQUIRED_COMPILER
    for (target, optimize), limits in RATIO_LIMITS.items():
        for model, limit in zip(LSTMS, limits, strict=True):
            cost = known.get((model, target, optimize, PLAIN))
            subject = f"{target} {optimize} {family} {_shape(model)}"
            yield Check(subject, limit, ratio(cost) if cost else None, _factor, is_required)
    yield from _memory(known, family, is_required)
    if is_required:
        yield from _variants(known, family)


def _memory(known: dict[_Key, Cost], family: str, is_required: bool) -> Iterator[Check]:
    for (target, optimize), limit in TABLE_LIMITS_BYTES.items():
        keys = [(model, target, optimize, PLAIN) for model in LSTMS]
        size = _largest(known, keys, lambda cost: cost.tables_bytes)
        yield Check(f"{target} {optimize} {family} tables", limit, size, _bytes, is_required)
    for models, limit in FLASH_LIMITS_BYTES.items():
        keys = [(model, "cortex-m4", "size", PLAIN) for model in models]
        size = _largest(known, keys, lambda cost: cost.constants_and_code_bytes)
        subject = f"cortex-m4 size {family} {models[0].split('_')[0]}: code, tables, constants"
        yield Check(subject, limit, size, _bytes, is_required)
    for model, limit in RAM_LIMITS_BYTES.items():
        keys = [(model, "cortex-m4", optimize, PLAIN) for optimize in OPTIMIZE]
        size = _largest(known, keys, lambda cost: cost.ram_bytes)
        yield Check(f"cortex-m4 any {family} {_shape(model)}: RAM", limit, size, _bytes, is_required)


def _variants(known: dict[_Key, Cost], family: str) -> Iterator[Check]:
    """Limits of variants, which are measured with the required compiler only."""
    for model in LSTMS:
        fast, slow = (known.get((model, "rv32imc", "speed", variant)) for variant in (PLAIN, ROWS))
        share = fast.instructions_per_step / slow.instructions_per_step if fast and slow else None
        yield Check(f"rv32imc speed {family} {_shape(model)}, to rows in C", ROWS_LIMIT, share, _factor, True)
    for target in MEASURED_TARGETS:
        keys = [(model, target, optimize, "constant-time") for model in LSTMS for optimize in OPTIMIZE]
        subject = f"{target} any {family} constant-time: slowest - fastest step"
        yield Check(subject, CONSTANT_TIME_LIMIT, _largest(known, keys, _spread), _percent, True)


def _largest(known: dict[_Key, Cost], keys: Sequence[_Key], of: Callable[[Cost], float]) -> float | None:
    """None unless all of them were measured."""
    found = [known[key] for key in keys if key in known]
    return max(map(of, found)) if len(found) == len(keys) else None


def _spread(cost: Cost) -> float:
    slowest = max(cost.worst_step, cost.worst_stress_step)
    return (slowest - min(cost.best_step, cost.best_stress_step)) / cost.instructions_per_step


def _cost_models(predictions: Sequence[Prediction]) -> Iterator[Check]:
    labels = {(p.target, p.optimize, p.compiler) for p in predictions}
    required = [(*names, REQUIRED_COMPILER) for names in COST_MODELS]
    for label in (*required, *sorted(labels - set(required))):
        tests = [p for p in predictions if (p.target, p.optimize, p.compiler, p.role) == (*label, "test")]
        largest = max(abs(p.deviation) for p in tests) if len(tests) == RANDOM_SHAPES else None
        subject = f"{' '.join(label)}, random shapes to cost model"
        yield Check(subject, COST_MODEL_LIMIT, largest, _percent, label in required)


def _shape(model: str) -> str:
    return str(PUBLISHED_SHAPES[LSTMS.index(model)])


def _factor(value: float) -> str:
    return f"{value:.3f}"


def _percent(value: float) -> str:
    return f"{100 * value:.2f} %"


def _bytes(value: float) -> str:
    return f"{value:.0f} B"
