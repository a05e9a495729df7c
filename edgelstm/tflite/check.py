"""Rules that a .tflite file must keep although the runtimes load it without.

LiteRT and TFLite Micro accept a wrong cell scale, a wrong intermediate or a foreign activation and compute
something else, and an absent gate bias ends the process. So every file we write is read back and judged here.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from edgelstm.errors import ModelFormatError
from edgelstm.ir import TfliteModel, TfliteOperator
from edgelstm.tflite.int16_rules import (
    by_type,
    fully_connected16_problems,
    requantize_problems,
    squash16_problems,
)
from edgelstm.tflite.lookup_rules import embedding_lookup_problems, gather_problems, masked_embedding_problems
from edgelstm.tflite.lstm_rules import foreign_lstm_problems, lstm_problems
from edgelstm.tflite.merge_rules import concatenation_problems, elementwise_problems
from edgelstm.tflite.operator_rules import (
    broadcast_problems,
    dequantize_problems,
    foreign_reverse_problems,
    fully_connected_problems,
    leaky_relu_problems,
    logistic_problems,
    overread_problems,
    quantize_problems,
    relu_problems,
    reshape_problems,
    reverse_problems,
    softmax_problems,
    strided_slice_problems,
    tanh_problems,
)
from edgelstm.tflite.own_rules import (
    gru_problems,
    layer_normalization_problems,
    lstm_rows_problems,
    masking_problems,
    own_lstm_problems,
    simple_rnn_problems,
)
from edgelstm.tflite.product_rules import batch_matmul_problems
from edgelstm.tflite.reader import read_tflite
from edgelstm.tflite.records import mentions, quoted
from edgelstm.tflite.window_rules import (
    convolution_problems,
    depthwise_problems,
    pad_problems,
    pool_problems,
    reduction_problems,
)

_MAX_LISTED = 50

RULES: Mapping[str, Callable[[TfliteOperator], Iterator[str]]] = MappingProxyType(
    {
        "ADD": elementwise_problems,
        "AVERAGE_POOL_2D": pool_problems,
        "BATCH_MATMUL": batch_matmul_problems,
        "BROADCAST_TO": broadcast_problems,
        "CONCATENATION": concatenation_problems,
        "CONV_2D": convolution_problems,
        "CUSTOM:edgelstm.embedding": masked_embedding_problems,
        "CUSTOM:edgelstm.gru": gru_problems,
        "CUSTOM:edgelstm.layer_normalization": layer_normalization_problems,
        "CUSTOM:edgelstm.lstm": own_lstm_problems,
        "CUSTOM:edgelstm.lstm_rows": lstm_rows_problems,
        "CUSTOM:edgelstm.masking": masking_problems,
        "CUSTOM:edgelstm.simple_rnn": simple_rnn_problems,
        "DEPTHWISE_CONV_2D": depthwise_problems,
        "DEQUANTIZE": dequantize_problems,
        "EMBEDDING_LOOKUP": embedding_lookup_problems,
        "FULLY_CONNECTED": by_type(fully_connected16_problems, fully_connected_problems),
        "GATHER": gather_problems,
        "LEAKY_RELU": leaky_relu_problems,
        "LOGISTIC": by_type(squash16_problems, logistic_problems),
        "MAX_POOL_2D": pool_problems,
        "MEAN": reduction_problems,
        "MUL": elementwise_problems,
        "PAD": pad_problems,
        "PADV2": pad_problems,
        "QUANTIZE": by_type(requantize_problems, quantize_problems),
        "REDUCE_MAX": reduction_problems,
        "RELU": relu_problems,
        "RELU6": relu_problems,
        "RESHAPE": reshape_problems,
        "REVERSE_V2": reverse_problems,
        "SOFTMAX": by_type(squash16_problems, softmax_problems),
        "STRIDED_SLICE": strided_slice_problems,
        "TANH": by_type(squash16_problems, tanh_problems),
        "UNIDIRECTIONAL_SEQUENCE_LSTM": lstm_problems,
    }
)

_RULES_ON_OURS: Mapping[str, Callable[[TfliteOperator], Iterator[str]]] = MappingProxyType(
    {
        "CUSTOM:edgelstm.lstm": foreign_lstm_problems,
        "FULLY_CONNECTED": overread_problems,
        "REVERSE_V2": foreign_reverse_problems,
        "UNIDIRECTIONAL_SEQUENCE_LSTM": foreign_lstm_problems,
    }
)
"""What TensorFlow's converter does and LiteRT takes, but no file of ours may hold."""


def check_tflite(data: bytes, *, foreign: bool = False) -> None:
    """Raise one ModelFormatError that lists every rule which the file `data` breaks, if it breaks any.

    A `foreign` file may do what TensorFlow's converter does and LiteRT computes as it stands.
    """
    check_records(read_tflite(data), foreign=foreign)


def check_records(
    model: TfliteModel,
    *,
    foreign: bool = False,
    rules: Mapping[str, Callable[[TfliteOperator], Iterator[str]]] | None = None,
) -> None:
    """`check_tflite` of what a file holds, perhaps by other rules on its operators."""
    known = RULES if rules is None else rules
    problems = [*_graph_problems(model)]
    for index, operator in enumerate(model.operators):
        found = [*known.get(operator.builtin, _no_rules)(operator)]
        if not foreign:
            found += _RULES_ON_OURS.get(operator.builtin, _nothing)(operator)
        problems += [f"operator {index} ({quoted(operator.builtin)}): {problem}" for problem in found]
    if not problems:
        return
    listed = "\n".join(f"  - {problem}" for problem in problems[:_MAX_LISTED])
    more = f"\n  ... and {len(problems) - _MAX_LISTED} more" if len(problems) > _MAX_LISTED else ""
    hint = "A runtime may load such a file and compute something else, or crash. Do not use it."
    if foreign:
        hint = "A runtime may load such a file, and even compute what is meant; we compile only what keeps these rules."
    raise ModelFormatError(f"the .tflite file breaks {len(problems)} rules:\n{listed}{more}", hint)


def _no_rules(operator: TfliteOperator) -> Iterator[str]:
    yield "this check has no rules for the operator"


def _nothing(operator: TfliteOperator) -> Iterator[str]:
    yield from ()


def _graph_problems(model: TfliteModel) -> Iterator[str]:
    """Judge what is ready when: each input a constant, a variable, a graph input or an earlier output."""
    ready = {tensor.name for tensor in mentions(model) if tensor.data is not None or tensor.is_variable}
    for tensor in model.inputs:
        if tensor.name in ready:
            yield f"graph input {quoted(tensor.name)} is a constant, a variable or listed twice"
        ready.add(tensor.name)
    for index, operator in enumerate(model.operators):
        for source in operator.inputs:
            if source is not None and source.name not in ready:
                yield f"operator {index} reads {quoted(source.name)} before anything has written it"
        for output in operator.outputs:
            if output.name in ready:
                yield f"operator {index} writes {quoted(output.name)}, which already has a value"
            ready.add(output.name)
    for tensor in model.outputs:
        if tensor.name not in ready:
            yield f"nothing writes the graph output {quoted(tensor.name)}"
    for tensor in {tensor.name: tensor for tensor in mentions(model)}.values():
        if tensor.is_variable and tensor.data is not None:
            yield f"variable {quoted(tensor.name)} has constant data"
    yield from _owner_problems(model)


def _owner_problems(model: TfliteModel) -> Iterator[str]:
    """A variable is one operator's state: shared by two, each would overwrite what the other remembers."""
    owners = Counter(
        tensor.name
        for operator in model.operators
        for tensor in operator.inputs
        if tensor is not None and tensor.is_variable
    )
    for name, count in owners.items():
        if count > 1:
            yield f"variable {quoted(name)} belongs to {count} operators or inputs, not to one"
