"""Cycles from instruction counts, as a range, for the cores whose instruction timing Arm publishes.

Sources: Technical Reference Manuals DDI 0432 (Cortex-M0), DDI 0484 (M0+), DDI 0337 (M3), DDI 0439 (M4), each the table
of instructions and cycles. They hold for memory without wait states. What a table leaves open makes the range: the
refill of the pipeline after a jump takes 1 to 3 cycles on M3 and M4, a lone load there 1 or 2, a division 2 to 12.
An instruction that a Thumb IT block skips counts as if it were not.
Multiplication on M0 and M0+ takes 1 or 32 cycles, as the chip's maker chose; nearly all chose 1, and so do we.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from edgelstm.device.profile.decoding import Decode, Decoded
from edgelstm.device.profile.instructions import InstructionCount
from edgelstm.device.targets import Target

Range = tuple[int, int]

_REFILL: Range = (1, 3)
_JUMPS = frozenset(["b", "bl", "bx", "blx"])
_UNLISTED = re.compile(
    r"v|mrs|msr|[di][ms]b|wf[ie]|sev|svc|bkpt|cps|ldrex|strex|mrc|mcr|cdp|ldc|stc|udf|tt|sg|dls|wls|le$"
)


@dataclass(frozen=True)
class Cycles:
    """Cycles of some instructions together, (lowest, highest); None, and why, where nothing is known."""

    range: Range | None
    reason: str


@dataclass(frozen=True)
class CycleTable:
    """What instructions cost on a core: `cost` yields (not taken, taken) or None for one that is not listed."""

    core: str
    document: str
    cost: Callable[[Decoded], tuple[Range, Range] | None]


def cycle_table(target: Target) -> CycleTable | None:
    """The table of a target's core, which the compiler's -mcpu names; None where Arm publishes none."""
    flags = " ".join(flag for flags in target.compiler_flags.values() for flag in flags)
    core = re.search(r"-mcpu=(cortex-m\w+)(\s|$)", flags.replace("cortex_m", "cortex-m"))
    return _TABLES.get(core.group(1)) if core else None


def estimate_cycles(table: CycleTable | None, instructions: Iterable[InstructionCount], decode: Decode) -> Cycles:
    """Add up what the table says of each instruction."""
    if table is None:
        return Cycles(None, "no cycles: the core's maker publishes no table of instruction timing")
    low = high = 0
    for one in instructions:
        decoded = decode(one.encoding)
        cost = table.cost(decoded)
        if cost is None:
            name = decoded.mnemonic or one.encoding.hex()
            return Cycles(None, f"no cycles: {table.document} does not list {name}")
        kept, taken = cost
        low += (one.executed - one.taken) * kept[0] + one.taken * taken[0]
        high += (one.executed - one.taken) * kept[1] + one.taken * taken[1]
    return Cycles((low, high), f"cycles: {table.document}, memory without wait states")


def measured_cycles(emulator: str, clocks: Sequence[int]) -> Cycles:
    """Of an emulator that is exact to the clock: those of all calls together."""
    return Cycles((sum(clocks), sum(clocks)), f"cycles: counted by {emulator}")


def _small_core(jump: int, call: int, pop_pc: int) -> Callable[[Decoded], tuple[Range, Range] | None]:
    """M0 and M0+: cycles of a jump, of BL, and of POP with PC apart from one for each register.

    Whether PC is one of these registers the manuals leave open.
    """

    def cost(decoded: Decoded) -> tuple[Range, Range] | None:
        words = decoded.loaded_words + decoded.stored_words
        if _is_unlisted(decoded):
            return None
        if decoded.mnemonic in _JUMPS:
            return _always(call if decoded.mnemonic == "bl" else jump)
        if decoded.mnemonic == "pop" and "pc" in decoded.operands:
            return _always(pop_pc + words - 1, pop_pc + words)
        if words:
            return _always(1 + words if "{" in decoded.operands else 2)
        return (1, 1), (jump, jump)  # taken: a conditional branch, or what else writes PC

    return cost


def _large_core(
    multiply_accumulate: int, long_multiply: Range, long_accumulate: Range
) -> Callable[[Decoded], tuple[Range, Range] | None]:
    """M3 and M4, which differ in multiplication."""

    def cost(decoded: Decoded) -> tuple[Range, Range] | None:
        mnemonic, words = decoded.mnemonic, decoded.loaded_words + decoded.stored_words
        if _is_unlisted(decoded):
            return None
        base: Range = (1, 1)
        if mnemonic in ("tbb", "tbh"):
            base = (2, 2)
        elif words > 1 or "{" in decoded.operands:
            base = (1 + words, 1 + words)
        elif words:
            base = (1, 2)
        elif mnemonic in ("mla", "mls"):
            base = (multiply_accumulate, multiply_accumulate)
        elif mnemonic in ("umull", "smull", "umulls", "smulls"):
            base = long_multiply
        elif mnemonic in ("umlal", "smlal"):
            base = long_accumulate
        elif mnemonic in ("sdiv", "udiv"):
            base = (2, 12)
        elif mnemonic.startswith("it"):
            base = (0, 1)  # 0 where it is folded into the 16-bit instruction before it
        return base, (base[0] + _REFILL[0], base[1] + _REFILL[1])

    return cost


def _always(low: int, high: int | None = None) -> tuple[Range, Range]:
    cost = (low, low if high is None else high)
    return cost, cost


def _is_unlisted(decoded: Decoded) -> bool:
    return not decoded.mnemonic or _UNLISTED.match(decoded.mnemonic) is not None


_TABLES = {
    "cortex-m0": CycleTable("Cortex-M0", "Arm DDI 0432", _small_core(jump=3, call=4, pop_pc=4)),
    "cortex-m0plus": CycleTable("Cortex-M0+", "Arm DDI 0484", _small_core(jump=2, call=3, pop_pc=3)),
    "cortex-m3": CycleTable("Cortex-M3", "Arm DDI 0337", _large_core(2, (3, 5), (4, 7))),
    "cortex-m4": CycleTable("Cortex-M4", "Arm DDI 0439", _large_core(1, (1, 1), (1, 1))),
}
