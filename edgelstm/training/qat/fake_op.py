"""What stands for an integer op while its weights are trained."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

import numpy as np

from edgelstm.ir import AnyArray, Layer, Op
from edgelstm.numerics.contracts import Contract
from edgelstm.training.qat.straight import Constants, Straight, Tensor

AnyOp = TypeVar("AnyOp", bound=Op)


@dataclass(frozen=True, eq=False)
class Rounded:
    """A trained array of a layer as the quantizer rounded it.

    Attributes:
        stored: the integers, in the shape of the layer's array.
        scale: of each of them, in a shape that broadcasts to that.
        zero_point: of all.
    """

    stored: AnyArray
    scale: AnyArray
    zero_point: int = 0


@dataclass(frozen=True, eq=False)
class FakeOp(ABC, Generic[AnyOp]):
    """The op's own arithmetic on whole sequences, with gradients. Shapes are fixed, numbers come as constants.

    Attributes:
        op: what it stands for; of it only what no quantization changes may be used in `call`.
        contract: the rounding rules.
    """

    trained: ClassVar[tuple[str, ...]] = ()
    """Arrays of the float layer that are trained, by their attributes."""

    op: AnyOp
    contract: Contract

    def problems(self) -> list[str]:
        """Why this op cannot be trained, one line each, without its name."""
        return []

    def constants(self, op: AnyOp) -> Mapping[str, AnyArray]:
        """Numbers that follow from the scales of `op`, the same op quantized anew."""
        return {}

    def rounded(self, layer: Layer, op: AnyOp) -> Mapping[str, Rounded]:
        """The arrays of `trained` as `op` has them."""
        return {}

    @abstractmethod
    def call(
        self, straight: Straight, constants: Constants, weights: Constants, values: tuple[Tensor, ...]
    ) -> Mapping[str, Tensor]:
        """Compute stored values of all that the op yields, by tensor name.

        Args:
            straight: the arithmetic.
            constants: those of `constants`, as tensors.
            weights: stored values of `trained`, which gradients reach.
            values: stored values of each of `op.inputs`: (batch, time, size) or (batch, size).
        """


def zero_points(op: Op) -> dict[str, AnyArray]:
    """Of input and output."""
    return {
        "input_zero": np.array(float(op.input.quantization.zero_point)),
        "output_zero": np.array(float(op.output.quantization.zero_point)),
    }
