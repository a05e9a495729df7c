"""Rules on products of two activations."""

from collections.abc import Iterator

from edgelstm.ir import TfliteOperator
from edgelstm.tflite.quantization_rules import activation_problems


def batch_matmul_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge an int8 BATCH_MATMUL of (batch, rows, n) and (batch, n, columns), or (batch, columns, n) with adj_y."""
    for name in ("adj_x", "asymmetric_quantize_inputs"):
        if operator.options[name]:
            yield f"option {name} is {operator.options[name]}"
    if len(operator.inputs) != 2 or len(operator.outputs) != 1:
        yield f"has {len(operator.inputs)} inputs and {len(operator.outputs)} outputs, not 2 and 1"
        return
    (one, other), (output,) = operator.inputs, operator.outputs
    if one is None or other is None or any(len(tensor.shape) != 3 for tensor in (one, other, output)):
        yield "inputs and output are not three tensors of three axes"
        return
    for role, tensor in (("input 0", one), ("input 1", other), ("output", output)):
        yield from activation_problems(role, tensor)
    batch, rows, inner = one.shape
    columns, depth = other.shape[1:] if operator.options["adj_y"] else other.shape[:0:-1]
    if (other.shape[0], depth) != (batch, inner) or output.shape != (batch, rows, columns):
        yield f"output has the shape {output.shape}, which is not that of {one.shape} and {other.shape}"
