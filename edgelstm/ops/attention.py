"""The integer side of attention: a softmax of dot products with all keys weighs the values."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import IntArray, Op, Quantization, QuantizedTensor, TfliteOperator, TfliteTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import Int64Array, Multiplier, quantize_multiplier, requantize, saturate8
from edgelstm.numerics.softmax import SoftmaxScaling, softmax
from edgelstm.ops import scales
from edgelstm.ops.merge import MultiplyFacts
from edgelstm.ops.merge_constant import MultiplyConstant
from edgelstm.ops.reshape import reshape
from edgelstm.ops.softmax import Softmax

_LARGEST_SUM = 2.0**31


@dataclass(frozen=True)
class AttentionFacts:
    """Factors of both matrix products to their outputs' scales, and of the softmax between them.

    Attributes:
        scores: of a sum of query times key.
        factor: of a score times a constant of the file; None where there is no such.
        constant: that constant, 0 without.
        softmax: see SoftmaxScaling.
        values: of a sum of weight times value.
    """

    scores: Multiplier
    factor: Multiplier | None
    constant: int
    softmax: SoftmaxScaling
    values: Multiplier


@dataclass(frozen=True, eq=False)
class Attention(Op):
    """BATCH_MATMUL, perhaps MUL by a number, SOFTMAX and BATCH_MATMUL of TensorFlow Lite, for one query at a time.

    `input` is the query. Sums are requantized with two roundings in both contracts.

    Attributes:
        value: a sequence, of which the output is a weighted mean.
        key: a sequence as long, whose elements are as large as the query.
        steps: how many elements both have.
        scores: scale and zero point of query times key.
        beta: what the softmax multiplies scores with.
        factor: the MUL of a foreign file.
    """

    kind: ClassVar[str] = "attention"
    whole_inputs: ClassVar[frozenset[int]] = frozenset({1, 2})

    value: QuantizedTensor
    key: QuantizedTensor
    steps: int
    scores: Quantization
    beta: float = 1.0
    factor: MultiplyConstant | None = None

    @property
    def inputs(self) -> tuple[QuantizedTensor, ...]:
        """Query, value and key; the last two are often one tensor."""
        return self.input, self.value, self.key

    @property
    def whole_steps(self) -> int:
        """See `Op.whole_steps`."""
        return self.steps

    @property
    def library(self) -> tuple[str, ...]:
        """That of the softmax."""
        return ("softmax",)

    @property
    def macs(self) -> int:
        """Of both products."""
        return self.steps * (self.input.size + self.output.size)

    @property
    def scored(self) -> QuantizedTensor:
        """The scores of one query, or of each."""
        return QuantizedTensor(f"{self.name}/scores", self.steps, True, self.scores)

    @property
    def weighing(self) -> Softmax:
        """The softmax of the scores."""
        source = self.scored if self.factor is None else self.factor.output
        weights = QuantizedTensor(f"{self.name}/weights", self.steps, True, scales.SIGMOID_OUTPUT)
        return Softmax(self.name, source, weights, self.beta)

    def facts(self, contract: Contract) -> AttentionFacts:
        """See AttentionFacts."""
        constant, factor = 0, None
        if self.factor is not None:
            constant = int(self.factor.values[0]) - self.factor.constant.zero_point
            merged = self.factor.facts(contract)
            assert isinstance(merged, MultiplyFacts)
            factor = merged.result
        return AttentionFacts(
            scores=_factor(contract, self.input.quantization, self.key.quantization, self.scores),
            factor=factor,
            constant=constant,
            softmax=self.weighing.facts(contract),
            values=_factor(contract, scales.SIGMOID_OUTPUT, self.value.quantization, self.output.quantization),
        )

    def problems(self, contract: Contract) -> list[str]:
        """Softmax has its bounds, and sums must fit 32 bits, also when a factor above 1 shifts them to the left."""
        facts = self.facts(contract)
        found = self.weighing.problems(contract)
        found += [] if self.factor is None else self.factor.problems(contract)
        query, key, value = (_reach(tensor.quantization) for tensor in (self.input, self.key, self.value))
        for sums, multiplier in (
            (self.input.size * query * key, facts.scores),
            (self.steps * 255 * value, facts.values),
        ):
            if sums * 2.0 ** max(multiplier.shift, 0) >= _LARGEST_SUM:
                found.append(f"layer {self.name!r}: sums up to {sums} times {multiplier.real:g} do not fit 32 bits")
        return found

    def step(
        self, contract: Contract, values: tuple[IntArray, ...], state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """See `Op.step`."""
        facts = self.facts(contract)
        query, value, key = (
            stored.astype(np.int64).reshape(len(stored), -1, tensor.size) - tensor.quantization.zero_point
            for stored, tensor in zip(values, self.inputs, strict=True)
        )
        scores = _requantized((query * key).sum(axis=2), facts.scores, self.scores)
        if self.factor is not None:
            scores, _ = self.factor.simulate(contract, scores, ())
        weights = softmax(scores.astype(np.int64), facts.softmax) + 128
        sums = (weights[:, :, None] * value).sum(axis=1)
        return _requantized(sums, facts.values, self.output.quantization), ()

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write two BATCH_MATMUL and what is between them; a vector becomes a sequence of one step and back."""
        queries = timesteps if self.input.is_sequence else 1
        source, result = self.input.to_tflite(batch, queries), self.output.to_tflite(batch, queries)
        value, key = (tensor.to_tflite(batch, self.steps) for tensor in (self.value, self.key))
        before: tuple[TfliteOperator, ...] = ()
        behind: tuple[TfliteOperator, ...] = ()
        if not self.input.is_sequence:
            one = replace(source, name=f"{self.name}/one_query", shape=(batch, 1, self.input.size))
            before, source = (reshape(source, one),), one
            one = replace(result, name=f"{self.name}/one_result", shape=(batch, 1, self.output.size))
            behind, result = (reshape(one, result),), one
        scored = self.scored.to_tflite(batch, queries)
        weighing = self.weighing.to_tflite(batch, queries)
        return (
            *before,
            _product(source, key, scored, adj_y=True),
            *(() if self.factor is None else self.factor.to_tflite(batch, queries)),
            *weighing,
            _product(weighing[-1].outputs[0], value, result, adj_y=False),
            *behind,
        )

    @classmethod
    def read_tflite(cls, operator: TfliteOperator, inputs: tuple[QuantizedTensor, ...]) -> Self:
        """Rebuild the op from the operator that `join_attention` makes of several."""
        joined = operator.options.get("attention")
        output = operator.outputs[0]
        if not isinstance(joined, JoinedAttention) or len(inputs) != 3:
            raise UnsupportedModelError(
                [
                    f"BATCH_MATMUL {output.name!r} is not part of an attention: the product of queries and keys, "
                    "SOFTMAX, and the product of weights and values"
                ]
            )
        query, value, key = inputs
        problems = [] if value.is_sequence and key.is_sequence else ["keys or values are a single vector"]
        if (value.size, key.size) != (output.shape[-1], query.size):
            problems.append(f"joins keys of {key.size} and values of {value.size} numbers with others")
        if problems:
            raise UnsupportedModelError([f"BATCH_MATMUL {output.name!r}: {problem}" for problem in problems])
        steps = joined.scores.shape[-1]
        scores = Quantization(joined.scores.scales[0], joined.scores.zero_points[0])
        result = QuantizedTensor.from_tflite(output, is_sequence=query.is_sequence)
        op = cls(result.name, query, result, value, key, steps, scores, joined.beta)
        if joined.factor is None:
            return op
        return replace(op, factor=MultiplyConstant.from_tflite(joined.factor, op.scored))


@dataclass(frozen=True, eq=False)
class JoinedAttention:
    """What the operators of an attention say beside its inputs and its output.

    Attributes:
        scores: what the first product writes, (..., steps).
        beta: of the SOFTMAX.
        factor: the MUL between both, None without.
    """

    scores: TfliteTensor
    beta: float
    factor: TfliteOperator | None


def _factor(contract: Contract, one: Quantization, other: Quantization, result: Quantization) -> Multiplier:
    """LiteRT multiplies the input scales in float32, TensorFlow Lite Micro in float64; both divide in float64."""
    product = one.scale * other.scale
    if contract is not Contract.TFLM:
        product = scales.float32(product)
    return quantize_multiplier(product / result.scale)


def _reach(quantization: Quantization) -> int:
    """The largest magnitude of stored values relative to their zero point."""
    return max(127 - quantization.zero_point, quantization.zero_point + 128)


def _requantized(sums: Int64Array, multiplier: Multiplier, quantization: Quantization) -> IntArray:
    return saturate8(requantize(sums, multiplier) + quantization.zero_point).astype(np.int8)


def _product(one: TfliteTensor, other: TfliteTensor, result: TfliteTensor, *, adj_y: bool) -> TfliteOperator:
    options = {"adj_x": False, "adj_y": adj_y, "asymmetric_quantize_inputs": False}
    return TfliteOperator("BATCH_MATMUL", (one, other), (result,), options, version=2)
