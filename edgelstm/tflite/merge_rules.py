"""Rules on the operators that join tensors; each function yields one line for each rule broken."""

import math
from collections.abc import Iterator

from edgelstm.ir import TfliteOperator, TfliteTensor
from edgelstm.tflite.quantization_rules import (
    activation_problems,
    fused_activation_problems,
    same_quantization_problems,
)


def elementwise_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge an int8 ADD or MUL of two tensors of one shape, or of one and a constant."""
    yield from fused_activation_problems(operator)
    if len(operator.inputs) != 2 or len(operator.outputs) != 1:
        yield f"has {len(operator.inputs)} inputs and {len(operator.outputs)} outputs, not 2 and 1"
        return
    output = operator.outputs[0]
    yield from activation_problems("output", output)
    constants = [source for source in operator.inputs if source is not None and source.data is not None]
    for index, source in enumerate(operator.inputs):
        if source is None:
            yield f"input {index} is absent"
        elif constants == [source]:
            yield from _constant_problems(f"input {index}", source, output)
        else:
            yield from activation_problems(f"input {index}", source)
            if source.shape != output.shape:
                yield f"input {index} has the shape {source.shape}, not the output's {output.shape}"


def _constant_problems(role: str, tensor: TfliteTensor, output: TfliteTensor) -> Iterator[str]:
    """Judge the one constant operand: a number, or one for each feature."""
    if tensor.dtype != "int8" or len(tensor.scales) != 1:
        yield f"{role} is a constant of {tensor.dtype} with {len(tensor.scales)} scales, not int8 with one"
    if math.prod(tensor.shape) != 1 and (math.prod(tensor.shape), *tensor.shape[-1:]) != 2 * output.shape[-1:]:
        yield f"{role} is a constant of shape {tensor.shape}, not one number or {output.shape[-1:]}"


def concatenation_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge an int8 CONCATENATION along the last axis, all at one scale."""
    yield from fused_activation_problems(operator)
    if not operator.inputs or len(operator.outputs) != 1:
        yield f"has {len(operator.inputs)} inputs and {len(operator.outputs)} outputs"
        return
    output = operator.outputs[0]
    dtype = "int16" if output.dtype == "int16" else "int8"
    yield from activation_problems("output", output, dtype)
    if operator.options["axis"] not in (-1, len(output.shape) - 1):
        yield f"option axis is {operator.options['axis']}, not the last"
    width = 0
    for index, source in enumerate(operator.inputs):
        if source is None or not source.shape or source.shape[:-1] != output.shape[:-1]:
            yield f"input {index} is absent or has another shape than the output {output.shape}"
            continue
        yield from activation_problems(f"input {index}", source, dtype)
        yield from same_quantization_problems(f"input {index}", source, "the output", output)
        width += source.shape[-1]
    if output.shape and width != output.shape[-1]:
        yield f"inputs have {width} features in all, the output {output.shape[-1]}"
