"""One step of a GRU and of a SimpleRNN in builtin operators."""

from dataclasses import dataclass

from edgelstm.ir import TfliteOperator, TfliteTensor
from edgelstm.ops import scales
from edgelstm.ops.gru import Gru
from edgelstm.ops.simple_rnn import SimpleRnn
from edgelstm.step_graph.int16_graph import Q15, Int16Graph

_DIFFERENCE_SCALE = 2.0 * Q15
"""Of a difference of two numbers between -1 and 1."""


@dataclass(frozen=True)
class RecurrentStep:
    """Operators from the layer's input to its output, and the hidden state before and after them."""

    operators: tuple[TfliteOperator, ...]
    state: TfliteTensor
    next_state: TfliteTensor


def gru_step(op: Gru) -> RecurrentStep:
    """n + z * (h - n), which is z * h + (1 - z) * n."""
    graph = Int16Graph(op.name)
    x = graph.widened(graph.flat(op.input.to_tflite(1, 1)))
    state = graph.state(op.units, Q15)
    from_input = [
        graph.projected(f"{gate}_kernel", x, one) for gate, one in zip(("z", "r", "n"), op.kernels, strict=True)
    ]
    update, reset = (
        graph.squashed("LOGISTIC", gate, _total(graph, gate, part, graph.projected(f"{gate}_recurrent", state, one)))
        for gate, part, one in zip(("z", "r"), from_input, op.recurrent_kernels, strict=False)
    )
    if op.reset_after:
        recalled = graph.projected("n_recurrent", state, op.recurrent_kernels[2])
        recalled = graph.combined("MUL", "n_reset", reset, recalled, scales.GATE_SCALE)
    else:
        kept = graph.combined("MUL", "kept", reset, state, Q15)
        recalled = graph.projected("n_recurrent", kept, op.recurrent_kernels[2])
    candidate = graph.squashed("TANH", "n", _total(graph, "n", from_input[2], recalled))
    difference = graph.combined("SUB", "difference", state, candidate, _DIFFERENCE_SCALE)
    remembered = graph.combined("MUL", "remembered", update, difference, _DIFFERENCE_SCALE)
    next_state = graph.combined("ADD", "next_state", candidate, remembered, Q15)
    graph.narrowed(next_state, op.output.to_tflite(1, 1))
    return RecurrentStep(tuple(graph.operators), state, next_state)


def simple_rnn_step(op: SimpleRnn) -> RecurrentStep:
    """tanh or relu of the sums; a state of relu has the scale of the sums, 1/32 of the output's."""
    graph = Int16Graph(op.name)
    x = graph.widened(graph.flat(op.input.to_tflite(1, 1)))
    scale = Q15 if op.function == "tanh" else op.kernel.result_scale
    state = graph.state(op.units, scale)
    parts = graph.projected("kernel", x, op.kernel), graph.projected("recurrent", state, op.recurrent_kernel)
    if op.function == "tanh":
        next_state = graph.squashed("TANH", "next_state", _total(graph, "sums", *parts))
    else:
        next_state = graph.combined("ADD", "next_state", *parts, scale, fused="RELU")
    graph.narrowed(next_state, op.output.to_tflite(1, 1))
    return RecurrentStep(tuple(graph.operators), state, next_state)


def _total(graph: Int16Graph, name: str, one: TfliteTensor, other: TfliteTensor) -> TfliteTensor:
    return graph.combined("ADD", f"{name}_total", one, other, scales.GATE_SCALE)
