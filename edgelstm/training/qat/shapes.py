"""Ops that move stored values and change none."""

from collections.abc import Mapping

from edgelstm.ops.flatten import Flatten
from edgelstm.ops.last_step import LastStep
from edgelstm.ops.repeat_vector import RepeatVector
from edgelstm.ops.reverse import Reverse
from edgelstm.ops.unflatten import Unflatten
from edgelstm.training.qat.fake_op import FakeOp
from edgelstm.training.qat.straight import Constants, Straight, Tensor


class FakeLastStep(FakeOp[LastStep]):
    """The last step of a sequence."""

    def call(
        self, straight: Straight, constants: Constants, weights: Constants, values: tuple[Tensor, ...]
    ) -> Mapping[str, Tensor]:
        """See `FakeOp.call`."""
        return {self.op.output.name: values[0][:, -1]}


class FakeReverse(FakeOp[Reverse]):
    """A sequence from its end."""

    def call(
        self, straight: Straight, constants: Constants, weights: Constants, values: tuple[Tensor, ...]
    ) -> Mapping[str, Tensor]:
        """See `FakeOp.call`."""
        return {self.op.output.name: straight.ops.flip(values[0], axis=1)}


class FakeRepeatVector(FakeOp[RepeatVector]):
    """A vector as every step of a sequence."""

    def call(
        self, straight: Straight, constants: Constants, weights: Constants, values: tuple[Tensor, ...]
    ) -> Mapping[str, Tensor]:
        """See `FakeOp.call`."""
        return {self.op.output.name: straight.ops.repeat(values[0][:, None], self.op.count, axis=1)}


class FakeFlatten(FakeOp[Flatten]):
    """All steps of a sequence side by side."""

    def call(
        self, straight: Straight, constants: Constants, weights: Constants, values: tuple[Tensor, ...]
    ) -> Mapping[str, Tensor]:
        """See `FakeOp.call`."""
        return {self.op.output.name: straight.ops.reshape(values[0], (-1, self.op.output.size))}


class FakeUnflatten(FakeOp[Unflatten]):
    """A vector as the steps of a sequence."""

    def call(
        self, straight: Straight, constants: Constants, weights: Constants, values: tuple[Tensor, ...]
    ) -> Mapping[str, Tensor]:
        """See `FakeOp.call`."""
        shape = (-1, self.op.repeats, self.op.output.size)
        return {self.op.output.name: straight.ops.reshape(values[0], shape)}
