"""Rules on the operators that look ids up in a table; each function yields one line for each rule broken."""

from collections.abc import Iterator

from edgelstm.ir import TfliteOperator, TfliteTensor
from edgelstm.tflite.quantization_rules import activation_problems, same_quantization_problems


def gather_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge a GATHER of int8 rows by int32 ids."""
    for name in ("axis", "batch_dims"):
        if operator.options[name]:
            yield f"option {name} is {operator.options[name]}"
    yield from _lookup_problems(operator, table_first=True)


def masked_embedding_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge our own operator, in which the id 0 is a mask."""
    if dict(operator.options) != {"mask_zero": True}:
        yield f"has the options {sorted(map(str, operator.options))[:4]}, not mask_zero alone, which is true"
    yield from _lookup_problems(operator, table_first=True)


def embedding_lookup_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge an EMBEDDING_LOOKUP of int8 rows; unlike GATHER it takes a vector of ids alone."""
    yield from _lookup_problems(operator, table_first=False)
    if operator.inputs and operator.inputs[0] is not None and len(operator.inputs[0].shape) != 1:
        yield f"the ids have the shape {operator.inputs[0].shape}, not one axis"


def _lookup_problems(operator: TfliteOperator, *, table_first: bool) -> Iterator[str]:
    pair = operator.inputs if table_first else operator.inputs[::-1]
    if len(pair) != 2 or len(operator.outputs) != 1 or pair[0] is None or pair[1] is None:
        yield f"has {len(operator.inputs)} inputs and {len(operator.outputs)} outputs, not 2 and 1, or one is absent"
        return
    table, ids, output = pair[0], pair[1], operator.outputs[0]
    yield from activation_problems("output", output)
    yield from _table_problems(table)
    yield from same_quantization_problems("output", output, "the table", table)
    if ids.dtype != "int32" or ids.data is not None or ids.is_variable:
        yield f"the ids are {ids.dtype}, or a constant or a variable, not int32 that is computed or given"
    if len(table.shape) == 2 and output.shape != (*ids.shape, table.shape[1]):
        yield f"output has the shape {output.shape}, not {(*ids.shape, table.shape[1])}"


def _table_problems(table: TfliteTensor) -> Iterator[str]:
    if table.dtype != "int8" or len(table.shape) != 2:
        yield f"the table is {table.dtype} {table.shape}, not an int8 matrix"
    if len(table.scales) != 1:
        yield f"the table has {len(table.scales)} scales, not one"
    if table.data is None:
        yield "the table is not a constant"
