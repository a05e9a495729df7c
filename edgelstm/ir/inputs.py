"""How all inputs of a model lie in one array, so that what handles data need not know how many there are.

An array (sequences, rows, width) has a row for each time step, with what every sequence has at that step, side by side.
In front of these are the vectors, which the model is given before the first step, each in as many rows as it fills. A
model with one input, a sequence, has just that sequence's array.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from edgelstm.ir.arrays import AnyArray
from edgelstm.ir.tensors import Tensor

MOST_INPUTS = 16
"""Of a model, and outputs."""

AnyTensor = TypeVar("AnyTensor", bound=Tensor)


def beside(arrays: Sequence[AnyArray]) -> AnyArray:
    """Arrays (..., size) side by side; the array itself where there is one.

    Sequences (batch, time, size) of different lengths, or among vectors (batch, size), are flattened.
    """
    if len({array.shape[:-1] for array in arrays}) > 1:
        arrays = [array.reshape(len(array), -1) for array in arrays]
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays, axis=-1)


@dataclass(frozen=True)
class InputLayout(Generic[AnyTensor]):
    """Where each input lies.

    Attributes:
        vectors: in the order of their rows.
        sequences: in the order of their columns.
    """

    vectors: tuple[AnyTensor, ...]
    sequences: tuple[AnyTensor, ...]

    @classmethod
    def of(cls, inputs: Sequence[AnyTensor]) -> "InputLayout[AnyTensor]":
        """The layout of inputs in the order of a model."""
        vectors = tuple(tensor for tensor in inputs if not tensor.is_sequence)
        return cls(vectors, tuple(tensor for tensor in inputs if tensor.is_sequence))

    @property
    def width(self) -> int:
        """Columns of the array."""
        return sum(tensor.size for tensor in self.sequences)

    @property
    def rows(self) -> tuple[int, ...]:
        """How many each vector fills."""
        return tuple(-(-tensor.size // self.width) for tensor in self.vectors)

    @property
    def first_step(self) -> int:
        """The row of it."""
        return sum(self.rows)

    def timesteps(self, array: AnyArray) -> int:
        """How many time steps an array (sequences, rows, width) has."""
        return int(array.shape[1]) - self.first_step

    def first_steps(self, array: AnyArray, timesteps: int) -> AnyArray:
        """An array without what lies behind that many time steps."""
        return array[:, : self.first_step + timesteps]

    def given(self, array: AnyArray) -> dict[str, AnyArray]:
        """The vectors, (sequences, size) by name."""
        found, row = {}, 0
        for tensor, rows in zip(self.vectors, self.rows, strict=True):
            found[tensor.name] = array[:, row : row + rows].reshape(len(array), -1)[:, : tensor.size]
            row += rows
        return found

    def samples(self, row: AnyArray) -> dict[str, AnyArray]:
        """What the sequences have at some steps, (..., size) by name, of rows (..., width)."""
        found, column = {}, 0
        for tensor in self.sequences:
            found[tensor.name] = row[..., column : column + tensor.size]
            column += tensor.size
        return found

    def split(self, array: AnyArray) -> dict[str, AnyArray]:
        """All inputs by name: vectors (sequences, size), sequences (sequences, time, size)."""
        return {**self.given(array), **self.samples(array[:, self.first_step :])}

    def join(self, arrays: Mapping[str, AnyArray]) -> AnyArray:
        """What `split` takes apart."""
        if len(self.sequences) == 1 and not self.vectors:
            return arrays[self.sequences[0].name]
        every = [arrays[tensor.name] for tensor in (*self.vectors, *self.sequences)]
        count, timesteps = arrays[self.sequences[0].name].shape[:2]
        joined: AnyArray = np.zeros((count, self.first_step + timesteps, self.width), np.result_type(*every))
        row = 0
        for tensor, rows in zip(self.vectors, self.rows, strict=True):
            joined[:, row : row + rows].reshape(count, -1)[:, : tensor.size] = arrays[tensor.name]
            row += rows
        joined[:, row:] = beside([arrays[tensor.name] for tensor in self.sequences])
        return joined
