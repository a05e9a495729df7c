"""Rules on our own custom operators, which keep the layers that TFLite has no integer kernel for."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from edgelstm.ir import TfliteOperator, TfliteTensor, by_state
from edgelstm.numerics.layer_normalization import gained_step
from edgelstm.tflite.lstm_rules import cell_scale_problems, lstm_tensor_problems
from edgelstm.tflite.quantization_rules import (
    ROW_DTYPES,
    activation_problems,
    bias_problems,
    same_quantization_problems,
    vector_problems,
    weight_problems,
)

_GATES = ("sigmoid", "hard_sigmoid_6", "hard_sigmoid_5")
_HARD_GATES = _GATES[1:]
_LSTM_INPUTS, _LSTM_CELL = 24, 19
_GRU_STATES = _LSTM_STATES = ("int8", "int16")
_LSTM_ROWS_CELL = 6


def gru_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge a GRU: kernel and recurrent kernel of three gates with their biases, then the two states."""
    yield from _option_problems(operator, {"reset_after": (True, False), "gate": _GATES})
    yield from _recurrent_problems(operator, gates=3, states=_GRU_STATES)


def own_lstm_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge an LSTM that the builtin cannot describe: that one's tensors, then vectors; perhaps a second output."""
    clip = operator.options.get("cell_clip")
    clips = (clip,) if isinstance(clip, float) and clip >= 0 else ()
    is_builtin = len(operator.inputs) <= _LSTM_INPUTS and len(operator.outputs) <= 1
    yield from _option_problems(operator, {"cell_clip": clips, "gate": _HARD_GATES if is_builtin else _GATES})
    core = replace(operator, inputs=operator.inputs[:_LSTM_INPUTS], outputs=operator.outputs[:1])
    problems = [*lstm_tensor_problems(core)]
    yield from problems
    if problems:
        return
    yield from _vector_problems(operator.inputs[_LSTM_INPUTS:], operator.outputs[0], states=2)
    if len(operator.outputs) > 1:
        yield from _exposed_problems(operator, operator.inputs[_LSTM_CELL])


def lstm_rows_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge an LSTM whose rows have scales: kernel and recurrent kernel of all gates with their biases, the states."""
    yield from _option_problems(operator, {"gate": _GATES})
    core = replace(operator, outputs=operator.outputs[:1])
    problems = [*_recurrent_problems(core, gates=1, states=_LSTM_STATES, rows=4, starts=2)]
    yield from problems
    if problems:
        return
    cell = operator.inputs[_LSTM_ROWS_CELL]
    assert cell is not None
    yield from cell_scale_problems(cell)
    if len(operator.outputs) > 1:
        yield from _exposed_problems(operator, cell)


def simple_rnn_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge a SimpleRNN: kernel and recurrent kernel with their biases, then the state."""
    yield from _option_problems(operator, {"activation": ("tanh", "relu")})
    yield from _recurrent_problems(operator, gates=1, states=("int8",))


def masking_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge a Masking: one sequence in, the same out, and the stored value of steps that do not count."""
    value = operator.options.get("value")
    is_stored = isinstance(value, int) and not isinstance(value, bool) and -(2**15) <= value < 2**15
    yield from _option_problems(operator, {"value": (value,) if is_stored else ()})
    if len(operator.inputs) != 1 or len(operator.outputs) != 1 or operator.inputs[0] is None:
        yield f"has {len(operator.inputs)} inputs and {len(operator.outputs)} outputs"
        return
    source, output = operator.inputs[0], operator.outputs[0]
    if len(source.shape) != 3 or source.shape != output.shape:
        yield f"output has the shape {output.shape}, not that of a sequence {source.shape}"
    yield from same_quantization_problems("output", output, "input", source)


def layer_normalization_problems(operator: TfliteOperator) -> Iterator[str]:
    """Judge a LayerNormalization: int16 factors and int32 summands of the features."""
    epsilon = operator.options.get("epsilon")
    epsilons = (epsilon,) if isinstance(epsilon, float) and epsilon >= 0 else ()
    yield from _option_problems(operator, {"epsilon": epsilons})
    if len(operator.inputs) != 3 or len(operator.outputs) != 1:
        yield f"has {len(operator.inputs)} inputs and {len(operator.outputs)} outputs"
        return
    (source, gamma, beta), (output,) = operator.inputs, operator.outputs
    if source is None or source.shape != output.shape or len(source.shape) not in {2, 3}:
        yield "input and output are not two sequences, or two vectors, of one shape"
        return
    yield from activation_problems("input", source)
    yield from activation_problems("output", output)
    size = source.shape[-1]
    yield from vector_problems("gamma", gamma, size, "int16", 2**15 - 1)
    yield from vector_problems("beta", beta, size, "int32", 2**29)
    if gamma is not None and beta is not None and len(gamma.scales) == 1:
        wanted = float(np.float32(gamma.scales[0] * gained_step(size)))
        if beta.scales != (wanted,):
            yield f"beta must have the scale {wanted}, which follows from that of gamma"


def _option_problems(operator: TfliteOperator, allowed: Mapping[str, Sequence[object]]) -> Iterator[str]:
    if set(operator.options) != set(allowed):
        yield f"has the options {sorted(operator.options)}, not {sorted(allowed)}"
        return
    for name, values in allowed.items():
        found = operator.options[name]
        if not any(found == value and type(found) is type(value) for value in values):
            yield f"option {name} is {str(found)[:40]!r}"


def _recurrent_problems(
    operator: TfliteOperator, gates: int, states: Sequence[str], rows: int = 1, starts: int = 1
) -> Iterator[str]:
    """Judge matrices of `rows` times as many rows as there are units, and vectors for `starts` states."""
    own_inputs = 1 + 4 * gates + len(states)
    if len(operator.inputs) < own_inputs or len(operator.outputs) != 1:
        yield f"has {len(operator.inputs)} inputs and {len(operator.outputs)} outputs"
        return
    source, output = operator.inputs[0], operator.outputs[0]
    if source is None or len(source.shape) != 3 or len(output.shape) != 3 or source.shape[:2] != output.shape[:2]:
        yield "input and output are not two sequences of equal length"
        return
    problems = [*activation_problems("input", source), *activation_problems("output", output)]
    yield from problems
    if problems:
        return
    columns, units = source.shape[-1], output.shape[-1]
    for gate in range(gates):
        tensors = operator.inputs[1 + 4 * gate : 5 + 4 * gate]
        yield from _matrix_problems(f"kernel {gate}", tensors[:2], (rows * units, columns), source)
        yield from _matrix_problems(f"recurrent kernel {gate}", tensors[2:], (rows * units, units), output)
    yield from _vector_problems(operator.inputs[own_inputs:], output, states=starts)
    for state, dtype in zip(operator.inputs[1 + 4 * gates : own_inputs], states, strict=True):
        if state is None or state.dtype != dtype or state.shape != (source.shape[0], units) or not state.is_variable:
            yield f"a state is no {dtype} variable of shape {(source.shape[0], units)}"


def _vector_problems(vectors: Sequence[TfliteTensor | None], output: TfliteTensor, states: int) -> Iterator[str]:
    """Judge the vectors that the states start from: none, or as many values as the states have."""
    for vector in vectors:
        if vector is None or vector.dtype not in ("int8", "int16") or vector.is_variable:
            yield "a vector to start from is no int8 or int16 tensor"
            return
        yield from activation_problems("a vector to start from", vector, vector.dtype)
        if len(vector.shape) != 2 or vector.shape[0] != output.shape[0]:
            yield f"a vector to start from has the shape {vector.shape}"
        if vector.dtype == "int16" and any(vector.zero_points):
            yield "a cell state to start from has a zero point other than 0"
    sizes = [vector.shape[-1] if vector is not None and vector.shape else 0 for vector in vectors]
    if vectors and by_state(sizes, output.shape[-1], states) is None:
        yield f"the vectors to start from have the sizes {sizes[:8]}, and not {states} times {output.shape[-1]}"


def _exposed_problems(operator: TfliteOperator, cell: TfliteTensor | None) -> Iterator[str]:
    """Judge the cell states of all steps, which have the scale of the state."""
    output, *others = operator.outputs
    shown = others[0]
    if len(others) > 1 or shown.name != f"{output.name}/cell_steps":
        yield f"its outputs behind {output.name!r} are not its cell states, {output.name}/cell_steps"
    yield from activation_problems("second output", shown, "int16")
    if shown.shape != output.shape:
        yield f"second output has the shape {shown.shape}, not {output.shape}"
    if cell is not None:
        yield from same_quantization_problems("second output", shown, "cell state", cell)


def _matrix_problems(
    role: str, tensors: Sequence[TfliteTensor | None], shape: tuple[int, int], value: TfliteTensor
) -> Iterator[str]:
    weights, bias = tensors
    yield from weight_problems(role, weights, shape, per_channel=True, dtypes=ROW_DTYPES)
    if weights is not None:
        if len(weights.scales) != shape[0]:
            yield f"{role} has {len(weights.scales)} scales, not one for each of {shape[0]} rows"
        yield from bias_problems(
            f"bias of {role}", bias, shape[0], value.scales[0], () if weights.dtype == "int4" else weights.scales
        )
