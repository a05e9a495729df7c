"""The float side of attention: Keras' Attention, and the Dot, Softmax and Dot of attention RNNs."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np

from edgelstm.ir import FloatArray, Layer, Observe, Op, QuantizedTensor, Ranges, SourceLayer, Tensor
from edgelstm.ops import scales
from edgelstm.ops.attention import Attention
from edgelstm.ops.softmax import MOST_CLASSES
from edgelstm.ops.sources import array, flag, option_problems, shape_problems

_SMALLEST_SCORE = 2.0**-20
"""A step of scores times beta: far above 2^-26, where TensorFlow Lite's softmax ends the process."""


@dataclass(frozen=True, eq=False)
class AttentionLayer(Layer):
    """softmax(scale * query keys^T) values, for a query at a time, or for the only one. `input` is the query."""

    observed_parts: ClassVar[tuple[str, ...]] = ("scores",)

    value: Tensor
    key: Tensor
    scale: float = 1.0

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """Query, value and key."""
        return self.input, self.value, self.key

    def with_inputs(self, inputs: tuple[Tensor, ...]) -> Self:
        """See `Layer.with_inputs`."""
        query, value, key = inputs
        return replace(self, input=query, value=value, key=key)

    @classmethod
    def of(cls, name: str, inputs: tuple[Tensor, Tensor, Tensor], scale: float = 1.0) -> "AttentionLayer":
        """The layer on query, value and key."""
        query, value, key = inputs
        return cls(name, query, Tensor(name, value.size, query.is_sequence), value, key, scale)

    @classmethod
    def problems_in(cls, source: SourceLayer, inputs: tuple[Tensor, ...]) -> list[str]:
        """See `LayerBuilder.problems_in`."""
        if len(inputs) not in (2, 3):
            return [f"has {len(inputs)} inputs; query and value, or query, value and key are supported"]
        problems = option_problems(source, {"score_mode": "dot", "causal": False})
        query, value, key = (*inputs, inputs[1])[:3]
        if not query.is_sequence:
            problems.append("its query is a single vector; Dot, Softmax and Dot take one")
        problems += joining_problems(query, value, key)
        has_scale = flag(source, "use_scale", default=False)
        found = [] if "score_mode" in " ".join(problems) else shape_problems(source, [()] if has_scale else [])
        if has_scale and not found and source.weights and not float(source.weights[0]) > 0:
            found.append(f"its scale is {float(source.weights[0]):g}; only a positive one is supported")
        return problems + found

    @classmethod
    def build(cls, source: SourceLayer, inputs: tuple[Tensor, ...]) -> tuple[Layer, ...]:
        """See `LayerBuilder.build`."""
        query, value, key = (*inputs, inputs[1])[:3]
        scale = float(array(source, 0).ravel()[0]) if source.weights else 1.0
        return (cls.of(source.name, (query, value, key), scale),)

    def compute(self, inputs: tuple[FloatArray, ...], observe: Observe) -> FloatArray:
        """(batch, [queries,] size), (batch, steps, values) and (batch, steps, size) -> (batch, [queries,] values).

        Scores so far below a query's largest that no number of them has a weight count as that far below: their scale
        need not reach further.
        """
        query, value, key = inputs
        queries = query if self.input.is_sequence else query[:, None]
        scores = queries @ key.swapaxes(1, 2)
        largest = scores.max(axis=-1, keepdims=True)
        depth = (math.log(value.shape[1]) + math.log(2.0**11)) / self.scale
        observe(f"{self.name}/scores", np.maximum(scores, largest - depth))
        powers = np.exp(self.scale * (scores - largest))
        result: FloatArray = powers / powers.sum(axis=-1, keepdims=True) @ value
        return result if self.input.is_sequence else result[:, 0]

    def to_op(self, ranges: Ranges, inputs: tuple[QuantizedTensor, ...]) -> Op:
        """Scales of scores and output are not finer than a step of what they are sums of."""
        query, value, key = inputs
        step = max(query.quantization.scale * key.quantization.scale, _SMALLEST_SCORE / self.scale)
        scores = scales.at_least(scales.output_range(f"{self.name}/scores", ranges), step)
        output = scales.output_range(self.output.name, ranges)
        output = scales.at_least(output, scales.SIGMOID_OUTPUT.scale * value.quantization.scale)
        result = QuantizedTensor(self.output.name, value.size, query.is_sequence, output)
        return Attention(self.name, query, result, value, key, self.value.timesteps or 1, scores, self.scale)


class DotLayer(AttentionLayer):
    """Builds an attention from a Dot, a Softmax and a Dot, which the frontend has joined to one layer.

    Its config then has `scores` and `values`, those of both Dots; the softmax's `axis`, and `weights_first`: does the
    second Dot take the weights before the values? Its inputs are those of the first, and the values.
    """

    @classmethod
    def problems_in(cls, source: SourceLayer, inputs: tuple[Tensor, ...]) -> list[str]:
        """See `LayerBuilder.problems_in`."""
        if "scores" not in source.config or len(inputs) != 3:
            return [
                f"is not part of an attention: {source.config.get('found', 'it stands alone')}; supported are Dot, "
                "Softmax and Dot behind each other, Dot(axes=[1, 2])([query, keys]), Softmax(), Dot(axes=[1, 1])"
                "([weights, values]), or axes=[2, 2] and axes=[2, 1] for a sequence of queries; and Flatten, Softmax "
                "and Dot(axes=[1, 1])([weights, values]) of one score for each step"
            ]
        for role in ("scores", "values"):
            if source.config[role].get("normalize"):
                return [f"normalize=True of the Dot of {role} is not supported"]
        one, other, value = inputs
        ends = _scored(source, one, other)
        if ends is None:
            axes = source.config["scores"].get("axes")
            shapes = " and ".join("a sequence" if tensor.is_sequence else "a vector" for tensor in (one, other))
            return [f"axes={str(axes)[:20]} of {shapes}: only products along the features with a sequence"]
        query, key = ends
        rank = 3 if query.is_sequence else 2
        if source.config["axis"] not in (-1, rank - 1, [-1], [rank - 1]):
            return [f"the softmax is along axis {str(source.config['axis'])[:20]}, not the last"]
        wanted = (2 if query.is_sequence else 1, 1)
        found = dot_axes(source.config["values"], rank, 3, is_in_order=source.config["weights_first"])
        problems = [] if found == wanted else [f"axes={str(found)[:20]} of weights and values, only {wanted}"]
        if query.is_sequence and not source.config["weights_first"]:
            problems.append(
                "takes the values before the weights of a sequence of queries, which turns the result around"
            )
        return problems + joining_problems(query, value, key)

    @classmethod
    def build(cls, source: SourceLayer, inputs: tuple[Tensor, ...]) -> tuple[Layer, ...]:
        """See `LayerBuilder.build`."""
        one, other, value = inputs
        ends = _scored(source, one, other)
        assert ends is not None
        query, key = ends
        return (AttentionLayer.of(source.name, (query, value, key)),)


def _scored(source: SourceLayer, one: Tensor, other: Tensor) -> tuple[Tensor, Tensor] | None:
    """Query and key of the first Dot, the vector being the query; None unless it is along the features of both.

    A softmax is over the axis of the second where both are sequences.
    """
    rank, other_rank = (3 if tensor.is_sequence else 2 for tensor in (one, other))
    along = dot_axes(source.config["scores"], rank, other_rank, is_in_order=True)
    if along != (rank - 1, other_rank - 1) or rank == other_rank == 2:
        return None
    return (one, other) if other.is_sequence else (other, one)


def dot_axes(config: Mapping[str, Any], rank: int, other_rank: int, *, is_in_order: bool) -> tuple[int, int] | None:
    """A Dot's axes counted from 0, of the tensors of these ranks, which it takes the other way unless in order."""
    axes = config.get("axes")
    pair = [axes, axes] if isinstance(axes, int) else axes
    if not isinstance(pair, list | tuple) or len(pair) != 2 or any(type(axis) is not int for axis in pair):
        return None
    one, other = pair if is_in_order else reversed(pair)
    return (one + rank if one < 0 else one, other + other_rank if other < 0 else other)


def joining_problems(query: Tensor, value: Tensor, key: Tensor) -> list[str]:
    """Why these three do not make an attention."""
    if not value.is_sequence or not key.is_sequence:
        return ["its keys and values must be sequences; set return_sequences=True on the layer before it"]
    problems = []
    if query.size != key.size:
        problems.append(f"its queries have {query.size} values and its keys {key.size}")
    if value.timesteps is None or key.timesteps is None:
        problems.append("needs an input of fixed length; give the model's input its number of time steps")
    elif value.timesteps != key.timesteps:
        problems.append(f"has {key.timesteps} keys and {value.timesteps} values")
    elif value.timesteps > MOST_CLASSES:
        problems.append(f"looks at {value.timesteps} time steps; at most {MOST_CLASSES} are supported")
    return problems
