"""Rules on the graph of one step, whose recurrent layers are operators on int16 vectors with int8 weights."""

from collections.abc import Iterator

from edgelstm.ir import TfliteOperator, TfliteTensor
from edgelstm.tflite.check import RULES, check_records
from edgelstm.tflite.int16_rules import by_type
from edgelstm.tflite.quantization_rules import activation_problems, bias_problems, fixed_scale_problems, weight_problems
from edgelstm.tflite.reader import read_tflite

_GATE_SCALE, _Q15 = 2.0**-12, 2.0**-15


def check_step_graph(data: bytes) -> None:
    """Like `check_tflite`, for a file that `step_graph` describes."""
    int16 = {
        "ADD": _elementwise_problems,
        "FULLY_CONNECTED": _fully_connected_problems,
        "LOGISTIC": _squash_problems,
        "MUL": _elementwise_problems,
        "SUB": _elementwise_problems,
        "TANH": _squash_problems,
        "QUANTIZE": _requantize_problems,
    }
    chosen = {name: by_type(rule, RULES.get(name, rule)) for name, rule in int16.items()}
    check_records(read_tflite(data), rules={**RULES, **chosen})


def _elementwise_problems(operator: TfliteOperator) -> Iterator[str]:
    yield from _vectors_problems(operator, 2)
    if operator.options["fused_activation_function"] not in ("NONE", "RELU"):
        yield f"option fused_activation_function is {operator.options['fused_activation_function']}"
    if operator.options.get("pot_scale_int16"):
        yield "option pot_scale_int16 is set: LiteRT would take the scales for powers of two"


def _squash_problems(operator: TfliteOperator) -> Iterator[str]:
    yield from _vectors_problems(operator, 1)
    for tensor, scale in zip((*operator.inputs, *operator.outputs), (_GATE_SCALE, _Q15), strict=False):
        if tensor is not None:
            yield from fixed_scale_problems("input or output", tensor, scale, 0)


def _fully_connected_problems(operator: TfliteOperator) -> Iterator[str]:
    if len(operator.inputs) != 3 or len(operator.outputs) != 1:
        yield f"has {len(operator.inputs)} inputs and {len(operator.outputs)} outputs, not 3 and 1"
        return
    (source, weights, bias), (output,) = operator.inputs, operator.outputs
    problems = [*_vector_problems("input", source), *_vector_problems("output", output)]
    yield from problems
    if problems or source is None:
        return
    rows = output.shape[-1]
    yield from weight_problems("weights", weights, (rows, source.shape[-1]), per_channel=True)
    if weights is not None:
        yield from bias_problems("bias", bias, rows, source.scales[0], weights.scales, "int64")


def _requantize_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge a QUANTIZE between int8 and int16."""
    if len(operator.inputs) != 1 or len(operator.outputs) != 1:
        yield f"has {len(operator.inputs)} inputs and {len(operator.outputs)} outputs, not 1 and 1"
        return
    for role, tensor in (("input", operator.inputs[0]), ("output", operator.outputs[0])):
        if tensor is not None and tensor.dtype == "int8":
            yield from activation_problems(role, tensor)
        else:
            yield from _vector_problems(role, tensor)


def _vectors_problems(operator: TfliteOperator, inputs: int) -> Iterator[str]:
    if len(operator.inputs) != inputs or len(operator.outputs) != 1:
        yield f"has {len(operator.inputs)} inputs and {len(operator.outputs)} outputs, not {inputs} and 1"
        return
    for tensor in (*operator.inputs, *operator.outputs):
        yield from _vector_problems("input or output", tensor)
        if tensor is not None and tensor.shape != operator.outputs[0].shape:
            yield f"an input has the shape {tensor.shape}, the output {operator.outputs[0].shape}"


def _vector_problems(role: str, tensor: TfliteTensor | None) -> Iterator[str]:
    if tensor is None or len(tensor.shape) != 2 or tensor.shape[0] != 1:
        yield f"{role} is no vector"
        return
    yield from activation_problems(role, tensor, "int16")
    if any(tensor.zero_points):
        yield f"{role} has a zero point other than 0"
