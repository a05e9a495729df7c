"""Bidirectional: one recurrent layer from the front, one from the back, and how their results are merged."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from edgelstm.ir import KerasLayer, Layer, LayerBuilder, SourceLayer, Tensor
from edgelstm.ops.concatenate import ConcatenateLayer
from edgelstm.ops.gru import GruLayer
from edgelstm.ops.lstm import LstmLayer
from edgelstm.ops.merge import AddLayer, MultiplyLayer
from edgelstm.ops.normalization import RescalingLayer
from edgelstm.ops.reverse import ReverseLayer
from edgelstm.ops.simple_rnn import SimpleRnnLayer
from edgelstm.ops.sources import flag

_RECURRENT: Mapping[str, type[KerasLayer]] = {"LSTM": LstmLayer, "GRU": GruLayer, "SimpleRNN": SimpleRnnLayer}
_MERGES: Mapping[str, LayerBuilder] = {
    "concat": ConcatenateLayer,
    "sum": AddLayer,
    "mul": MultiplyLayer,
    "ave": AddLayer,
}


class BidirectionalLayer(KerasLayer):
    """Builds the layers that it stands for: there is no such op."""

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Say what of the two layers, or of how they are merged, we do not compile."""
        merge = source.config.get("merge_mode", "concat")
        problems = []
        if not isinstance(merge, str) or merge not in _MERGES:
            problems.append(f"merge_mode={str(merge)[:20]!r} is not supported, only {', '.join(_MERGES)}")
        halves = _halves(source)
        problems += [
            f"wraps {half.class_name[:40]!r}; only {', '.join(_RECURRENT)} are supported"
            for half in halves
            if half.class_name not in _RECURRENT
        ]
        if problems:
            return problems
        for half, side in zip(halves, ("forward", "backward"), strict=True):
            found = _RECURRENT[half.class_name].keras_problems(half, input_tensor)
            problems += [f"{side} layer: {problem}" for problem in found]
        if [_goes_backwards(half) for half in halves] != [False, True]:
            problems.append("its forward layer must go forwards and its backward layer backwards")
        if len({flag(half, "return_sequences", default=False) for half in halves}) > 1:
            problems.append("its layers differ in return_sequences")
        if not problems and merge != "concat" and len({half.config["units"] for half in halves}) > 1:
            problems.append(f"merge_mode={merge!r} needs two layers of as many units")
        return problems

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build both layers, the backward one's sequence turned around again, and the merge."""
        forward, backward = _halves(source)
        layers = list(_RECURRENT[forward.class_name].from_keras(forward, input_tensor))
        ends = [layers[-1].output]
        layers += _RECURRENT[backward.class_name].from_keras(backward, input_tensor)
        if layers[-1].output.is_sequence:
            layers.append(ReverseLayer.of(layers[-1].output, f"{source.name}/forwards_again"))
        ends.append(layers[-1].output)
        merge = source.config.get("merge_mode", "concat")
        is_average = merge == "ave"
        merged = replace(source, name=f"{source.name}/sum" if is_average else source.name, config={})
        layers += _MERGES[merge].build(merged, tuple(ends))
        if is_average:
            half = replace(source, class_name="Rescaling", config={"scale": 0.5, "offset": 0.0}, weights=())
            layers += RescalingLayer.from_keras(half, layers[-1].output)
        return tuple(layers)


def _goes_backwards(source: SourceLayer) -> bool:
    return flag(source, "go_backwards", default=False)


def _halves(source: SourceLayer) -> tuple[SourceLayer, SourceLayer]:
    """Forward and backward layer; Keras stores the forward one's weights first.

    A file that does not describe the backward layer means the forward one's options, the other way round.
    """
    forward = _inner(source.config.get("layer"))
    backward = _inner(source.config.get("backward_layer"))
    if not backward:
        config = _inner(forward.get("config"))
        backward = {**forward, "config": {**config, "go_backwards": not config.get("go_backwards", False)}}
    count = 3 if _inner(forward.get("config")).get("use_bias", True) else 2
    weights = (source.weights[:count], source.weights[count:])
    one, other = (
        replace(
            source,
            class_name=str(half.get("class_name")),
            name=f"{source.name}/{side}",
            # Keras sets zero_output_for_mask, which matters to masked steps alone: a mask gets no further than here.
            config={**_inner(half.get("config")), "zero_output_for_mask": False},
            weights=arrays,
        )
        for half, side, arrays in zip((forward, backward), ("forward", "backward"), weights, strict=True)
    )
    return one, other


def _inner(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
