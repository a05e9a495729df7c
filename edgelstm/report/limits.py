"""Limits on what a model may cost, and the pace of its samples."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from edgelstm.report.estimate import Estimate

UNKNOWN = "cannot be checked: "


@dataclass(frozen=True)
class Pace:
    """How often samples come, in Hz, None where that is not asked about; and the clock of all chips, in Hz.

    Without that clock a board runs at its own, and of cores none is known. Where the core's timing is not published,
    an instruction counts as one cycle.
    """

    sample_rate_hz: float | None = None
    clock_hz: float | None = None

    def clock_of(self, estimate: Estimate) -> float | None:
        """The clock of a target, in Hz; None where it has none."""
        return self.clock_hz or estimate.clock_hz or None

    def needed_hz(self, estimate: Estimate) -> float | None:
        """The clock at which a chip just keeps up."""
        cost = estimate.per_sample
        if cost is None or self.sample_rate_hz is None:
            return None
        return cost * cycles_of_instruction(estimate) * self.sample_rate_hz

    def real_time_factor(self, estimate: Estimate) -> float | None:
        """How many times faster than its samples come a chip takes them."""
        needed, clock = self.needed_hz(estimate), self.clock_of(estimate)
        return clock / needed if needed and clock else None


@dataclass(frozen=True)
class Limits:
    """What must not be exceeded; None where anything goes.

    Attributes:
        flash_bytes: of the model: code, tables, weights, other constants.
        ram_bytes: of the model: state, buffers, stack.
        deadline: of the slowest sample, in instructions.
        deadline_s: the same in seconds, at the clock that `Pace` gives the target.
    """

    flash_bytes: int | None = None
    ram_bytes: int | None = None
    deadline: int | None = None
    deadline_s: float | None = None

    @property
    def are_set(self) -> bool:
        """Whether anything is limited."""
        return self != Limits()

    def over(self, others: "Limits") -> "Limits":
        """These, and the others' where these have none."""
        return replace(others, **{name: value for name, value in vars(self).items() if value is not None})


def cycles_of_instruction(estimate: Estimate) -> float:
    """The highest that is known; 1 where the core's maker publishes nothing."""
    range_of = estimate.load.cycles_per_instruction if estimate.load else None
    return 1.0 if range_of is None else range_of[1]


def exceeded(estimates: Sequence[Estimate], limits: Limits, pace: Pace) -> list[str]:
    """A line for each limit that an estimate exceeds, or that cannot be checked for what is missing."""
    return [
        f"{each.model} on {each.target}: {problem}" for each in estimates for problem in _problems(each, limits, pace)
    ]


def misfits(estimates: Sequence[Estimate]) -> list[str]:
    """A line for each estimate whose firmware does not fit its target."""
    return [
        f"{each.model} on {each.target}: {each.refusal or f'it does not fit: {excess_in_words(each)} bytes'}"
        for each in estimates
        if each.fits is False
    ]


def excess_in_words(estimate: Estimate) -> str:
    """By how many bytes each memory is too small, "flash +120, RAM +8"; "" if none is."""
    return ", ".join(f"{name} +{size}" for name, size in estimate.excess.items())


def _problems(estimate: Estimate, limits: Limits, pace: Pace) -> list[str]:
    load, why = estimate.load, "; ".join(filter(None, (estimate.refusal, *estimate.missing)))
    found = [
        _above("flash", estimate.flash.total, limits.flash_bytes, "bytes", estimate.code_known, why),
        _above("RAM", estimate.ram_bytes, limits.ram_bytes, "bytes", load is not None, why),
        _above(
            "the slowest sample", load.worst if load else 0, limits.deadline,
            "instructions", load is not None, why,
        ),
    ]  # fmt: skip
    if limits.deadline_s is not None:
        clock_hz = pace.clock_of(estimate)
        cycles = load.worst * cycles_of_instruction(estimate) if load else 0.0
        worst_us = cycles / clock_hz * 1e6 if clock_hz else 0.0
        why = why if clock_hz else "a core has no clock of its own, give --clock"
        is_known = load is not None and clock_hz is not None
        found.append(_above("the slowest sample", worst_us, limits.deadline_s * 1e6, "us", is_known, why))
    return [problem for problem in found if problem]


def _above(what: str, found: float, limit: float | None, unit: str, is_known: bool, why: str) -> str:
    """In words how far it is above the limit; "" if it is not."""
    if limit is None:
        return ""
    if found > limit:
        least = "" if is_known else "at least "
        return f"{what} takes {least}{found:.0f} {unit}, {found - limit:.0f} more than {limit:.0f}"
    return "" if is_known else f"{what} {UNKNOWN}{why}"
