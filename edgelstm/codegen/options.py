"""How to write the C: choices that change cost, never results."""

from dataclasses import dataclass

OPTIMIZE = ("size", "balanced", "speed")
"""What activations cost: the closed form, 1 KB of tables, 13 KB of tables."""


@dataclass(frozen=True)
class Options:
    """How to write the C.

    Attributes:
        isa: name of a header in templates/c/isa and of its weight layout.
        optimize: one of OPTIMIZE.
        sha256: hash of model.tflite, written into the C.
        constant_time: a step executes the same number of instructions for all data, at the price of some speed.
        no_asm: leave assembler out.
        wide_weights: prefer layouts that spend half as much flash again to save instructions.
        raw_lsb: what a count of the sensor is in real units, for all channels or each; () for no function that takes
            counts.
    """

    isa: str
    optimize: str
    sha256: str
    constant_time: bool = False
    no_asm: bool = False
    wide_weights: bool = False
    raw_lsb: tuple[float, ...] = ()

    @property
    def chosen(self) -> tuple[str, ...]:
        """What differs from the defaults, in words."""
        words = {"constant time": self.constant_time, "wide weights": self.wide_weights, "no assembler": self.no_asm}
        return tuple(word for word, is_chosen in words.items() if is_chosen)
