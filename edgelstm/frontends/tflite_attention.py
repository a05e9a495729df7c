"""The operators of an attention in an int8 .tflite, joined to one that the op reads."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edgelstm.ir import TfliteModel, TfliteOperator, TfliteTensor
from edgelstm.ops.attention import JoinedAttention


def join_attention(records: TfliteModel) -> TfliteModel:
    """Join BATCH_MATMUL, perhaps MUL by a number, SOFTMAX and BATCH_MATMUL where nothing else reads what is between.

    The second product stays, with query, value and key for inputs and a `JoinedAttention` among its options. RESHAPEs
    between them vanish: they put one query's scores in a vector, and its weights in a sequence of one step.
    """
    graph = _Graph.of(records)
    joined: dict[str, TfliteOperator] = {}
    gone: set[str] = set()
    for operator in records.operators:
        found = _joined(operator, graph) if operator.builtin == "BATCH_MATMUL" else None
        if found is not None:
            joined[operator.outputs[0].name], between = found
            gone |= between
    kept = (operator for operator in records.operators if not gone.intersection(_names(operator.outputs)))
    return replace(records, operators=tuple(joined.get(_names(one.outputs)[0], one) for one in kept))


@dataclass(frozen=True)
class _Graph:
    """Who writes a tensor, and how many read it."""

    writers: Mapping[str, TfliteOperator]
    reads: Mapping[str, int]

    @classmethod
    def of(cls, records: TfliteModel) -> "_Graph":
        reads: dict[str, int] = {}
        for name in [*(name for one in records.operators for name in _names(one.inputs)), *_names(records.outputs)]:
            reads[name] = reads.get(name, 0) + 1
        return cls({name: one for one in records.operators for name in _names(one.outputs)}, reads)

    def before(self, tensor: TfliteTensor | None) -> TfliteOperator | None:
        """What writes a tensor that one operator alone reads."""
        if tensor is None or self.reads.get(tensor.name) != 1:
            return None
        return self.writers.get(tensor.name)


def _joined(last: TfliteOperator, graph: _Graph) -> tuple[TfliteOperator, set[str]] | None:
    """The operator that stands for all, and the names that vanish; None where `last` is not the end of an attention."""
    if last.options["adj_y"] or len(last.inputs) != 2:
        return None
    softmax, gone = _past_reshapes(graph.before(last.inputs[0]), graph)
    if softmax is None or softmax.builtin != "SOFTMAX":
        return None
    first, more = _past_reshapes(graph.before(softmax.inputs[0]), graph)
    gone |= more
    factor = None
    if first is not None and first.builtin == "MUL":
        factor = first
        source = [tensor for tensor in factor.inputs if tensor is not None and tensor.data is None]
        first, more = _past_reshapes(graph.before(source[0] if len(source) == 1 else None), graph)
        gone |= more
    if first is None or first.builtin != "BATCH_MATMUL" or not first.options["adj_y"] or len(first.inputs) != 2:
        return None
    gone |= {one.outputs[0].name for one in (softmax, factor, first) if one is not None}
    attention = JoinedAttention(first.outputs[0], float(softmax.options["beta"]), factor)
    inputs = (first.inputs[0], last.inputs[1], first.inputs[1])
    return replace(last, inputs=inputs, options={"attention": attention}), gone


def _past_reshapes(operator: TfliteOperator | None, graph: _Graph) -> tuple[TfliteOperator | None, set[str]]:
    """What computes what some RESHAPEs of one query's scores or weights pass on, and what they write."""
    gone: set[str] = set()
    while operator is not None and operator.builtin == "RESHAPE" and _is_one_row(operator):
        gone |= set(_names(operator.outputs))
        operator = graph.before(operator.inputs[0])
    return operator, gone


def _is_one_row(operator: TfliteOperator) -> bool:
    source, result = operator.inputs[0], operator.outputs[0]
    if source is None or not source.shape or not result.shape:
        return False
    return (
        all(set(shape[:-1]) <= {1} for shape in (source.shape, result.shape)) and source.shape[-1] == result.shape[-1]
    )


def _names(tensors: Sequence[TfliteTensor | None]) -> list[str]:
    return [tensor.name for tensor in tensors if tensor is not None]
