"""Bidirectional: one recurrent layer from the front, one from the back, and how their results are merged."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from edgelstm.ir import KerasLayer, Layer, LayerBuilder, SourceLayer, Tensor
from edgelstm.ops.concatenate import ConcatenateLayer
from edgelstm.ops.gru import GruLayer
from edgelstm.ops.lstm import LstmLayer
from edgelstm.ops.merge import AddLayer, MultiplyLayer
from edgelstm.ops.normalization import RescalingLayer
from edgelstm.ops.recurrent import RecurrentLayer, output_tensor
from edgelstm.ops.reverse import ReverseLayer
from edgelstm.ops.simple_rnn import SimpleRnnLayer
from edgelstm.ops.sources import flag, integer

_RECURRENT: Mapping[str, type[RecurrentLayer]] = {"LSTM": LstmLayer, "GRU": GruLayer, "SimpleRNN": SimpleRnnLayer}
_MERGES: Mapping[str, LayerBuilder] = {
    "concat": ConcatenateLayer,
    "sum": AddLayer,
    "mul": MultiplyLayer,
    "ave": AddLayer,
}

FORWARDS_AGAIN = "/forwards_again"
"""What follows the layer's name in that of the backward result, turned around again."""


class BidirectionalLayer(KerasLayer):
    """Builds the layers that it stands for: there is no such op."""

    reads_states: ClassVar[bool] = True

    @classmethod
    def states(cls, source: SourceLayer) -> tuple[Tensor, ...]:
        """See `LayerBuilder.states`: those of the forward layer, then those of the backward layer.

        A backward result that is not merged is one more where it is a last step.
        """
        halves = _halves(source)
        states = tuple(state for half in halves for state in _RECURRENT[half.class_name].states(half))
        return states if _is_merged(source) or _is_sequence(halves[1]) else (output_tensor(halves[1]), *states)

    @classmethod
    def sequences(cls, source: SourceLayer) -> tuple[Tensor, ...]:
        """See `LayerBuilder.sequences`: a backward result that is not merged."""
        _, backward = _halves(source)
        if _is_merged(source) or not _is_sequence(backward):
            return ()
        return (replace(output_tensor(backward), name=_forwards_again(source)),)

    @classmethod
    def problems_in(cls, source: SourceLayer, inputs: tuple[Tensor, ...]) -> list[str]:
        """See `LayerBuilder.problems_in`."""
        problems = cls.keras_problems(source, inputs[0])
        if problems or len(inputs) == 1:
            return problems
        halves, shares = _halves(source), _shares(source, inputs[1:])
        if shares is None:
            return [
                f"its initial state has the sizes {[one.size for one in inputs[1:9]]}, which do not fill its layers"
            ]
        return [
            f"{side} layer: {problem}"
            for half, share, side in zip(halves, shares, ("forward", "backward"), strict=True)
            for problem in _RECURRENT[half.class_name].problems_in(half, (inputs[0], *share))
        ]

    @classmethod
    def build(cls, source: SourceLayer, inputs: tuple[Tensor, ...]) -> tuple[Layer, ...]:
        """See `LayerBuilder.build`."""
        layers = cls.from_keras(source, inputs[0])
        shares = _shares(source, inputs[1:]) or ((), ())  # of a layer that starts from zeros
        names = {half.name: share for half, share in zip(_halves(source), shares, strict=True)}
        return tuple(
            replace(layer, initial_state=names[layer.name]) if isinstance(layer, RecurrentLayer) else layer
            for layer in layers
        )

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Say what of the two layers, or of how they are merged, we do not compile."""
        merge = source.config.get("merge_mode", "concat")
        problems = []
        if merge is not None and (not isinstance(merge, str) or merge not in _MERGES):
            problems.append(f"merge_mode={ascii(merge)[:20]} is not supported, only {', '.join(_MERGES)} and None")
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
        if len({_is_sequence(half) for half in halves}) > 1:
            problems.append("its layers differ in return_sequences")
        if not problems and merge not in ("concat", None) and len({half.config["units"] for half in halves}) > 1:
            problems.append(f"merge_mode={merge!r} needs two layers of as many units")
        return problems

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build both layers, the backward one's sequence turned around again, and the merge.

        Without a merge the forward layer comes last, because its result is the first of the two.
        """
        forward, backward = _halves(source)
        before = list(_RECURRENT[forward.class_name].from_keras(forward, input_tensor))
        behind = list(_RECURRENT[backward.class_name].from_keras(backward, input_tensor))
        if behind[-1].output.is_sequence:
            behind.append(ReverseLayer.of(behind[-1].output, _forwards_again(source)))
        if not _is_merged(source):
            return (*behind, *before)
        layers, ends = [*before, *behind], (before[-1].output, behind[-1].output)
        merge = source.config.get("merge_mode", "concat")
        is_average = merge == "ave"
        merged = replace(source, name=f"{source.name}/sum" if is_average else source.name, config={})
        layers += _MERGES[merge].build(merged, ends)
        if is_average:
            half = replace(source, class_name="Rescaling", config={"scale": 0.5, "offset": 0.0}, weights=())
            layers += RescalingLayer.from_keras(half, layers[-1].output)
        return tuple(layers)


def _shares(source: SourceLayer, vectors: tuple[Tensor, ...]) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]] | None:
    """The initial states of the forward and of the backward layer."""
    forward, _ = _halves(source)
    wanted = len(_RECURRENT[forward.class_name].state_parts) * integer(forward, "units")
    for count in range(len(vectors)):
        if sum(one.size for one in vectors[:count]) == wanted:
            return vectors[:count], vectors[count:]
    return None


def _is_merged(source: SourceLayer) -> bool:
    return source.config.get("merge_mode", "concat") is not None


def _is_sequence(half: SourceLayer) -> bool:
    return flag(half, "return_sequences", default=False)


def _forwards_again(source: SourceLayer) -> str:
    return f"{source.name}{FORWARDS_AGAIN}"


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
