"""What a profile says: instructions and memory traffic of a model's step, by layer and by function."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Work:
    """Executed instructions, and what they moved, all for one call on average.

    Attributes:
        instructions: all of them, those that a Thumb IT block skips included.
        loads: how many of them read memory.
        loaded_words: how many registers these filled, vectors counting as 4.
        stores: how many write memory.
        stored_words: how many registers these wrote.
    """

    instructions: float
    loads: float
    loaded_words: float
    stores: float
    stored_words: float


@dataclass(frozen=True)
class CallCost:
    """What one function of the model's API costs from its entry to its return.

    Attributes:
        function: "step", "output" or "output_slice".
        calls: how many were counted.
        mean, best, worst: instructions of a call.
        work: the mean call.
        cycles: lowest and highest of the mean call, None where Arm publishes no timing.
    """

    function: str
    calls: int
    mean: float
    best: int
    worst: int
    work: Work
    cycles: tuple[float, float] | None


@dataclass(frozen=True)
class Share:
    """A part of a call.

    Attributes:
        function: of the API, "step", "output" or "output_slice".
        layer: the layer that it works for, or a name in parentheses for what belongs to none.
        name: what this row is about, "" for the whole layer.
        work: for one call on average.
        percent: of the call's instructions.
    """

    function: str
    layer: str
    name: str
    work: Work
    percent: float


@dataclass(frozen=True)
class Profile:
    """A profile of a model on a target.

    Attributes:
        model, target, compiler, optimize: what was built, and by whom.
        counter: what counted, "QEMU 7.2.22".
        calls: step, then output where the model has one.
        layers: whole layers.
        parts: functions of the source within each layer, also where the compiler put them into it.
        functions: functions of the ELF file.
        cycles_note: where the cycles are from, or why there are none.
        undecoded: instructions of an average step that nobody could decode; their loads and stores are missing.
        stack_bytes: the deepest stack use of a call.
    """

    model: str
    target: str
    compiler: str
    optimize: str
    counter: str
    calls: tuple[CallCost, ...]
    layers: tuple[Share, ...]
    parts: tuple[Share, ...]
    functions: tuple[Share, ...]
    cycles_note: str
    undecoded: float
    stack_bytes: int

    def to_mapping(self) -> Mapping[str, Any]:
        """Plain values, as JSON has them."""
        return asdict(self)
