"""The integer side: what every op implements, and what it tells the generator."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir.arrays import AnyArray, BoolArray, IntArray
from edgelstm.ir.loads import Load
from edgelstm.ir.records import TfliteOperator
from edgelstm.ir.state_array import StateArray
from edgelstm.ir.tensors import QuantizedTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import Int64Array, Multiplier


@dataclass(frozen=True, eq=False)
class Constant:
    """A constant array of the generated C.

    Attributes:
        name: unique within the op, "kernel".
        values: integers of the dtype that the C array has.
        role: "weights", "tables" or "other_constants", for the memory report.
        comment: shape, meaning and Q format.
    """

    name: str
    values: AnyArray
    role: str
    comment: str


@dataclass(frozen=True, eq=False)
class Matrix:
    """Rows of weights that all meet one vector; C stores them in a layout of the instruction set.

    Attributes:
        weights: int8 (rows, columns).
        bias: (rows,), what a row's sum starts from; zero points are folded in.
        multipliers: of 4 rows, the same in every group of 4: a recurrent layer's gates, whose rows alternate.
        row_multipliers: of every row, all with one shift. Where there are neither, the op requantizes row by row.
        bits: that C stores a weight in, 8 or 4; those of 4 are -7..7.
        row_factors: of every row, in place of multipliers: a sum becomes (sum * factor + 2^(shift - 1)) >> shift.
        factor_shift: that shift.
        value_dtype: of the values of the vector.
    """

    weights: AnyArray
    bias: Int64Array
    multipliers: tuple[Multiplier, ...] = ()
    row_multipliers: tuple[Multiplier, ...] = ()
    bits: int = 8
    row_factors: tuple[int, ...] = ()
    factor_shift: int = 0
    value_dtype: str = "int8"


@dataclass(frozen=True)
class Pace:
    """When an op that takes every tick of its input yields.

    Attributes:
        first: how many ticks pass before the one that yields first.
        every: ticks from one that yields to the next.
        lag: ticks of padding that follow the last of its input, so that it yields all it has.
        name: of an op whose values decide when it yields; "" where ticks do.
    """

    first: int = 0
    every: int = 1
    lag: int = 0
    name: str = ""

    def count(self, ticks: int) -> int:
        """How often it yields, given that many ticks (at most, where values decide)."""
        return max(0, ticks + self.lag - self.first - 1) // self.every + 1 if ticks + self.lag > self.first else 0


@dataclass(frozen=True, eq=False)
class Op(ABC):
    """An integer operation on one time step (or one vector). `input` is its first input."""

    kind: ClassVar[str]
    """Names the op's C template, `templates/c/ops/<kind>.c.j2`."""

    output_state: ClassVar[str] = ""
    """The state array that is also the op's output, so that no buffer is needed; "" if none is."""

    is_alias: ClassVar[bool] = False
    """Whether the output is the input's bytes unchanged, so that the op needs no code."""

    needs_whole_input: ClassVar[bool] = False
    """Whether the op can begin only when its whole input is there."""

    whole_inputs: ClassVar[frozenset[int]] = frozenset()
    """Positions in `step_inputs` of sequences of which every step needs all elements."""

    reads_ids: ClassVar[bool] = False
    """See `Layer.reads_ids`."""

    needs_tflm: ClassVar[bool] = False
    """Whether TensorFlow Lite Micro alone has the operator's kernel, so that the contract must be its."""

    name: str
    input: QuantizedTensor
    output: QuantizedTensor

    @property
    def pace(self) -> Pace | None:
        """Of an op on a sequence that does not yield at every tick; its C function returns whether it did."""
        return None

    @property
    def repeats(self) -> int:
        """The length of the sequence that the op makes of a vector, 0 for all others.

        An element is the vector where it is as large, else a piece of it.
        """
        return 0

    def piece(self, vector: IntArray, t: int) -> IntArray:
        """Element `t` of the sequence that the op makes of a vector (batch, size)."""
        size = self.output.size
        return vector if vector.shape[1] == size else vector[:, t * size : (t + 1) * size]

    @property
    def padding(self) -> int:
        """The stored value of every element of a tick of padding."""
        return self.input.quantization.zero_point

    def yields(self, values: tuple[IntArray, ...], state: tuple[IntArray, ...]) -> BoolArray:
        """Whether a step on these values from this state yields, (batch,)."""
        return np.ones(len(values[0]), bool)

    @property
    def is_native(self) -> bool:
        """Whether the arithmetic is our own, because no contract with an oracle has it."""
        return False

    @property
    def library(self) -> tuple[str, ...]:
        """C library headers the template calls, beside the instruction set's and fixedpoint.h."""
        return ()

    @property
    def state(self) -> tuple[StateArray, ...]:
        """Recurrent state, in the order of `simulate`'s state tuple."""
        return ()

    @property
    def inputs(self) -> tuple[QuantizedTensor, ...]:
        """All that the op reads."""
        return (self.input,)

    @property
    def step_inputs(self) -> tuple[QuantizedTensor, ...]:
        """What a step reads: `inputs`, without those that are read once before the first."""
        return self.inputs

    @property
    def loads(self) -> tuple[Load, ...]:
        """What states start from, where it is not what a reset leaves there."""
        return ()

    @property
    def exposed(self) -> Mapping[str, QuantizedTensor]:
        """State arrays whose values after each step other ops may read, by name, as sequences."""
        return {}

    def exposing(self, array: str) -> Self:
        """The op with one more of `exposed`; raises UnsupportedModelError where its states are its own."""
        raise UnsupportedModelError([f"layer {self.name!r}: nothing can read its state {array!r}"])

    def begin(self, vectors: Mapping[str, IntArray], state: tuple[IntArray, ...]) -> tuple[IntArray, ...]:
        """The state before the first step, given that of a reset and the vectors of `loads` by name."""
        found = {array.name: values.copy() for array, values in zip(self.state, state, strict=True)}
        for load in self.loads:
            piece = load.apply(vectors[load.source.name])
            found[load.array.name][:, load.start : load.start + load.source.size] = piece
        return tuple(found.values())

    @property
    def whole_steps(self) -> int:
        """How many elements each input has that is read whole; 0 for an op without."""
        return 0

    @property
    def wholes(self) -> tuple[QuantizedTensor, ...]:
        """The inputs that are read whole."""
        return tuple(tensor for index, tensor in enumerate(self.step_inputs) if index in self.whole_inputs)

    @property
    def stepped(self) -> tuple[QuantizedTensor, ...]:
        """The other inputs: sequences of which a step needs one element, and vectors."""
        return tuple(tensor for index, tensor in enumerate(self.step_inputs) if index not in self.whole_inputs)

    @abstractmethod
    def step(
        self, contract: Contract, values: tuple[IntArray, ...], state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """Compute one step in integers.

        Args:
            contract: the rounding rules.
            values: stored integers (batch, size) of each of `self.step_inputs`, (batch, elements * size) of one that is
                read whole.
            state: one (batch, size) array for each of `self.state`.

        Returns:
            (batch, output size) stored integers and the new state. Nothing is modified in place.
        """

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one step."""
        return 0

    @property
    def parameters(self) -> int:
        """How many trained integers (weights and biases) the op holds."""
        return 0

    def problems(self, contract: Contract) -> list[str]:
        """Say where 32-bit arithmetic would overflow, so that C could differ from the simulator; [] if nowhere."""
        return []

    def matrices(self, contract: Contract) -> tuple[Matrix, ...]:
        """The op's weights. C reads them as one stream: 4 rows of the first matrix, 4 of the second, and so on."""
        return ()

    def second_matrices(self, contract: Contract) -> tuple[Matrix, ...]:
        """Weights in a stream of their own, for an op that passes over its units twice."""
        return ()

    def constants(self, contract: Contract) -> tuple[Constant, ...]:
        """Constant arrays of the op's C beside the weights."""
        return ()

    def facts(self, contract: Contract) -> object:
        """What the C template needs beside the op itself: multipliers, limits."""
        return None

    @abstractmethod
    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Describe the op as TFLite operators on tensors with the names of its inputs and its output."""

    @classmethod
    @abstractmethod
    def read_tflite(cls, operator: TfliteOperator, inputs: tuple[QuantizedTensor, ...]) -> Self:
        """Rebuild the op from an operator of a file; raises UnsupportedModelError."""


@dataclass(frozen=True, eq=False)
class UnaryOp(Op):
    """An op with one input: the methods of `Op` in terms of it."""

    @abstractmethod
    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """See `Op.step`."""

    @classmethod
    @abstractmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """See `Op.read_tflite`."""

    def step(
        self, contract: Contract, values: tuple[IntArray, ...], state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """See `Op.step`."""
        return self.simulate(contract, values[0], state)

    @classmethod
    def read_tflite(cls, operator: TfliteOperator, inputs: tuple[QuantizedTensor, ...]) -> Self:
        """See `Op.read_tflite`."""
        return cls.from_tflite(operator, inputs[0])


@dataclass(frozen=True, eq=False)
class Reduction(UnaryOp):
    """An op from a sequence to a vector: it takes in each step, and yields when the sequence has ended.

    `simulate` takes a step in; what it yields is `finish` of the state.
    """

    @abstractmethod
    def finish(self, contract: Contract, state: tuple[IntArray, ...]) -> IntArray:
        """Compute (batch, output size) from the state after the last step."""
