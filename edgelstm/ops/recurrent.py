"""What Keras' recurrent layers have in common: options, shapes of weights, and `return_sequences`."""

from edgelstm.ir import Layer, SourceLayer, Tensor
from edgelstm.ops.last_step import LastStepLayer
from edgelstm.ops.reverse import ReverseLayer
from edgelstm.ops.sources import flag, integer, option_problems, shape_problems

# dropout, recurrent_dropout, unroll, stateful, use_cudnn, seed, initializers and regularizers change nothing at
# inference.
_REQUIRED_OPTIONS = {
    "return_state": False,
    "time_major": False,
    "zero_output_for_mask": False,
}


def recurrent_problems(source: SourceLayer, input_tensor: Tensor, gates: int, biases: int = 1) -> list[str]:
    """A line for each option, input or weight array that does not suit.

    Args:
        source: its weights are a kernel, a recurrent kernel and perhaps the bias.
        input_tensor: what it reads.
        gates: blocks of `units` columns in the kernels.
        biases: how many of each gate; several are rows of one array.
    """
    problems = option_problems(source, _REQUIRED_OPTIONS)
    if not input_tensor.is_sequence:
        problems.append("needs a sequence; set return_sequences=True on the layer before it")
    units = integer(source, "units")
    columns = gates * units
    shapes: list[tuple[int, ...]] = [(input_tensor.size, columns), (units, columns)]
    if flag(source, "use_bias", default=True):
        shapes.append((columns,) if biases == 1 else (biases, columns))
    return problems + shape_problems(source, shapes)


def output_tensor(source: SourceLayer) -> Tensor:
    """The hidden state of every step."""
    return Tensor(source.name, integer(source, "units"), is_sequence=True)


def as_asked(layer: Layer, source: SourceLayer) -> tuple[Layer, ...]:
    """The layer, behind a ReverseLayer where it goes backwards, and before a LastStepLayer where one step is asked for.

    A layer that goes backwards yields its steps in the order in which it computes them, as in Keras.
    """
    layers: list[Layer] = []
    if flag(source, "go_backwards", default=False):
        layers.append(ReverseLayer.of(layer.input, f"{source.name}/reversed"))
        layer = layer.with_inputs((layers[0].output,))
    layers.append(layer)
    if not flag(source, "return_sequences", default=False):
        layers.append(LastStepLayer.after(layer.output))
    return tuple(layers)
