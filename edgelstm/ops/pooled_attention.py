"""Attention without a query: a softmax over time of scores, one for each step, weighs the steps."""

from typing import Any

import numpy as np

from edgelstm.ir import Layer, SourceLayer, Tensor
from edgelstm.ops.attention_layer import AttentionLayer, DotLayer, dot_axes, joining_problems
from edgelstm.ops.dense import DenseLayer
from edgelstm.ops.last_step import LastStepLayer


class AnyDotLayer(DotLayer):
    """Builds what the frontend has joined to a Dot: a `DotLayer`, or an attention without a query.

    Its keys are then the scores, and the query is 1: a Dense of no weights and a bias of 1, on the last score. So it
    needs no kernel of its own. Inputs are scores and values. The config has the softmax's `axis`; `is_flat`, are the
    scores a vector before it; `are_weights_flat`, or behind it; the Dot's config, `values`, and `weights_first`, as for
    a `DotLayer`; `is_flattened`, do only Flatten layers read the result?
    """

    @classmethod
    def problems_in(cls, source: SourceLayer, inputs: tuple[Tensor, ...]) -> list[str]:
        """See `LayerBuilder.problems_in`."""
        if "is_flat" not in source.config:
            return super().problems_in(source, inputs)
        scores, values = inputs
        config = source.config
        if config["values"].get("normalize"):
            return ["normalize=True is not supported"]
        if not scores.is_sequence or scores.size != 1:
            return ["takes a softmax of what is not one score for each time step, as a Dense(1) yields it"]
        wanted: tuple[Any, ...] = (-1, 1, [-1], [1]) if config["is_flat"] else (1, -2, [1], [-2])
        if config["axis"] not in wanted:
            return [f"the softmax is along axis {str(config['axis'])[:20]}, not along time: give axis=1"]
        rank = 2 if config["are_weights_flat"] else 3
        axes = dot_axes(config["values"], rank, 3, is_in_order=config["weights_first"])
        problems = [] if axes == (1, 1) else [f"axes={str(axes)[:20]} of weights and values, only (1, 1)"]
        if rank == 3 and not config["is_flattened"]:
            problems.append("yields an axis of one element beside the features; put a Flatten behind it")
        return problems + joining_problems(Tensor("query", 1, is_sequence=False), values, scores)

    @classmethod
    def build(cls, source: SourceLayer, inputs: tuple[Tensor, ...]) -> tuple[Layer, ...]:
        """See `LayerBuilder.build`."""
        if "is_flat" not in source.config:
            return super().build(source, inputs)
        scores, values = inputs
        latest = Tensor(f"{source.name}/latest", 1, is_sequence=False)
        one = Tensor(f"{source.name}/one", 1, is_sequence=False)
        kernel, bias = np.zeros((1, 1), np.float32), np.ones(1, np.float32)
        return (
            LastStepLayer(latest.name, scores, latest),
            DenseLayer(one.name, latest, one, kernel, bias, relu=False),
            AttentionLayer.of(source.name, (one, values, scores)),
        )
