"""Rules on operators that read or write int16 activations, whose weights are int8 and biases int64."""

import math
from collections.abc import Callable, Iterator

from edgelstm.ir import TfliteOperator, TfliteTensor
from edgelstm.tflite.quantization_rules import (
    activation_problems,
    bias_problems,
    fixed_scale_problems,
    weight_problems,
)

Rule = Callable[[TfliteOperator], Iterator[str]]

_Q15 = 2.0**-15


def by_type(on_int16: Rule, on_int8: Rule) -> Rule:
    """The rule for what an operator reads or writes."""

    def judge(operator: TfliteOperator) -> Iterator[str]:
        tensors = (*operator.inputs[:1], *operator.outputs[:1])
        is_int16 = any(tensor is not None and tensor.dtype == "int16" for tensor in tensors)
        return (on_int16 if is_int16 else on_int8)(operator)

    return judge


def wide_problems(role: str, tensor: TfliteTensor) -> Iterator[str]:
    """Judge an int16 tensor between operators, whose zero point is 0."""
    yield from activation_problems(role, tensor, "int16")
    if any(tensor.zero_points):
        yield f"{role} has a zero point other than 0"


def fully_connected16_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge a FULLY_CONNECTED on int16 with per-tensor or per-row weights."""
    if operator.options["fused_activation_function"] not in ("NONE", "RELU"):
        yield f"option fused_activation_function is {operator.options['fused_activation_function']}"
    for name in ("weights_format", "asymmetric_quantize_inputs", "keep_num_dims"):
        if operator.options[name]:
            yield f"option {name} is {operator.options[name]}"
    if len(operator.inputs) != 3 or len(operator.outputs) != 1:
        yield f"has {len(operator.inputs)} inputs and {len(operator.outputs)} outputs, not 3 and 1"
        return
    (source, weights, bias), (output,) = operator.inputs, operator.outputs
    if source is None or weights is None or not source.shape or not output.shape or len(weights.shape) != 2:
        yield "input, output or weights are missing, or the weights are not a matrix"
        return
    problems = [*wide_problems("input", source), *wide_problems("output", output)]
    yield from problems
    if problems:
        return
    rows, columns = output.shape[-1], source.shape[-1]
    yield from weight_problems("weights", weights, (rows, columns), per_channel=True)
    yield from bias_problems("bias", bias, rows, source.scales[0], weights.scales, "int64")
    if output.shape[:-1] != (math.prod(source.shape[:-1]),):
        yield f"output has the shape {output.shape}, not {(math.prod(source.shape[:-1]), rows)}"


def squash16_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge a LOGISTIC, TANH or SOFTMAX on int16, whose output has one scale alone."""
    beta = operator.options.get("beta", 1.0)
    if not (math.isfinite(beta) and beta > 0):
        yield f"option beta is {beta}, not a positive number"
    for source, output in _pair(operator):
        yield from wide_problems("input", source)
        yield from wide_problems("output", output)
        yield from fixed_scale_problems("output", output, _Q15, 0)
        if source.shape != output.shape:
            yield f"output has the shape {output.shape}, not {source.shape}"
    yield from _pair_problems(operator)


def requantize_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge a QUANTIZE from or to int16, the other end being int8 or int16."""
    for source, output in _pair(operator):
        for role, tensor in (("input", source), ("output", output)):
            yield from activation_problems(role, tensor) if tensor.dtype == "int8" else wide_problems(role, tensor)
        if source.shape != output.shape:
            yield f"output has the shape {output.shape}, not {source.shape}"
    yield from _pair_problems(operator)


def _pair(operator: TfliteOperator) -> Iterator[tuple[TfliteTensor, TfliteTensor]]:
    if len(operator.inputs) == 1 and operator.inputs[0] is not None and len(operator.outputs) == 1:
        yield operator.inputs[0], operator.outputs[0]


def _pair_problems(operator: TfliteOperator) -> Iterator[str]:
    if len(operator.inputs) != 1 or operator.inputs[0] is None or len(operator.outputs) != 1:
        yield f"has {len(operator.inputs)} inputs and {len(operator.outputs)} outputs, not 1 and 1"
