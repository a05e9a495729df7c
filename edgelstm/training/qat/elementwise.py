"""Embedding, functions of single values, and what brings several tensors together."""

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from edgelstm.ir import AnyArray, Layer
from edgelstm.numerics.fixedpoint import quantize_multiplier
from edgelstm.ops.activation import Activation
from edgelstm.ops.concatenate import Concatenate
from edgelstm.ops.embedding import Embedding, EmbeddingLayer
from edgelstm.ops.merge import ADD_LEFT_SHIFT, Add, Multiply
from edgelstm.training.qat.fake_op import FakeOp, Rounded, zero_points
from edgelstm.training.qat.straight import Constants, Straight, Tensor, multipliers


class FakeEmbedding(FakeOp[Embedding]):
    """Rows of a table, of ids that exist."""

    trained: ClassVar[tuple[str, ...]] = ("table",)

    def problems(self) -> list[str]:
        """See `FakeOp.problems`."""
        return ["mask_zero leaves steps out, which is not trained"] if self.op.mask_zero else []

    def rounded(self, layer: Layer, op: Embedding) -> Mapping[str, Rounded]:
        """See `FakeOp.rounded`; rows beyond the vocabulary are nobody's."""
        assert isinstance(layer, EmbeddingLayer)
        quantization = op.output.quantization
        stored = np.full(layer.table.shape, quantization.zero_point)
        stored[: len(op.table)] = op.table
        return {"table": Rounded(stored, np.array(quantization.scale), quantization.zero_point)}

    def call(
        self, straight: Straight, constants: Constants, weights: Constants, values: tuple[Tensor, ...]
    ) -> Mapping[str, Tensor]:
        """See `FakeOp.call`."""
        ids = straight.ops.cast(values[0][..., 0], "int32")
        return {self.op.output.name: straight.ops.take(weights["table"], ids, axis=0)}


class FakeActivation(FakeOp[Activation]):
    """The op's table, with the gradient of the function."""

    def constants(self, op: Activation) -> Mapping[str, AnyArray]:
        """See `FakeOp.constants`."""
        return {
            **zero_points(op),
            "table": op.table(self.contract).astype(np.float64),
            "input_scale": np.array(op.input.quantization.scale),
            "output_scale": np.array(op.output.quantization.scale),
        }

    def call(
        self, straight: Straight, constants: Constants, weights: Constants, values: tuple[Tensor, ...]
    ) -> Mapping[str, Tensor]:
        """See `FakeOp.call`."""
        ops = straight.ops
        real = (values[0] - constants["input_zero"]) * constants["input_scale"]
        smooth = self._function(straight, real) / constants["output_scale"] + constants["output_zero"]
        index = ops.cast(ops.stop_gradient(values[0]), "int32") + 128
        exact = ops.take(constants["table"], index, axis=0)
        return {self.op.output.name: straight.through(exact, straight.saturate8(smooth))}

    def _function(self, straight: Straight, real: Tensor) -> Tensor:
        if self.op.function in ("relu", "relu6"):
            return straight.ops.relu(real)
        if self.op.function == "leaky_relu":
            return straight.ops.leaky_relu(real, self.op.slope)
        return getattr(straight.ops, self.op.function)(real)


class FakeConcatenate(FakeOp[Concatenate]):
    """Inputs one behind the other, brought to one scale."""

    def constants(self, op: Concatenate) -> Mapping[str, AnyArray]:
        """See `FakeOp.constants`."""
        found = zero_points(op)
        for index, part in enumerate(op.facts(self.contract)):
            found[f"part_{index}_zero"] = np.array(float(part.zero_point))
            # A copy is a factor of 1, which rounds nothing.
            found |= multipliers(f"part_{index}", [part.multiplier or quantize_multiplier(1.0)])
        return found

    def call(
        self, straight: Straight, constants: Constants, weights: Constants, values: tuple[Tensor, ...]
    ) -> Mapping[str, Tensor]:
        """See `FakeOp.call`."""
        parts = []
        for index, stored in enumerate(values):
            scaled = straight.requantize(stored - constants[f"part_{index}_zero"], constants, f"part_{index}")
            parts.append(straight.saturate8(scaled + constants["output_zero"]))
        return {self.op.output.name: straight.ops.concatenate(parts, axis=-1)}


class FakeAdd(FakeOp[Add]):
    """`Add.combine`."""

    def constants(self, op: Add) -> Mapping[str, AnyArray]:
        """See `FakeOp.constants`."""
        facts = op.facts(self.contract)
        return {
            **zero_points(op),
            "other_zero": np.array(float(op.other.quantization.zero_point)),
            **multipliers("one", [facts.one]),
            **multipliers("other", [facts.other]),
            **multipliers("result", [facts.result]),
        }

    def call(
        self, straight: Straight, constants: Constants, weights: Constants, values: tuple[Tensor, ...]
    ) -> Mapping[str, Tensor]:
        """See `FakeOp.call`."""
        wide = 2.0**ADD_LEFT_SHIFT
        one = straight.requantize((values[0] - constants["input_zero"]) * wide, constants, "one")
        other = straight.requantize((values[1] - constants["other_zero"]) * wide, constants, "other")
        stored = straight.requantize(one + other, constants, "result") + constants["output_zero"]
        return {self.op.output.name: straight.saturate8(stored)}


class FakeMultiply(FakeOp[Multiply]):
    """`Multiply.combine`."""

    def constants(self, op: Multiply) -> Mapping[str, AnyArray]:
        """See `FakeOp.constants`."""
        return {
            **zero_points(op),
            "other_zero": np.array(float(op.other.quantization.zero_point)),
            **multipliers("result", [op.facts(self.contract).result]),
        }

    def call(
        self, straight: Straight, constants: Constants, weights: Constants, values: tuple[Tensor, ...]
    ) -> Mapping[str, Tensor]:
        """See `FakeOp.call`."""
        product = (values[0] - constants["input_zero"]) * (values[1] - constants["other_zero"])
        stored = straight.requantize(product, constants, "result") + constants["output_zero"]
        return {self.op.output.name: straight.saturate8(stored)}
