"""Rules on the UNIDIRECTIONAL_SEQUENCE_LSTM operator (8 or 16 bit activations, 8 bit weights, 16 bit cell)."""

import math
from collections.abc import Iterator

from edgelstm.ir import TfliteOperator, TfliteTensor
from edgelstm.tflite.quantization_rules import (
    activation_problems,
    bias_problems,
    same_quantization_problems,
    weight_problems,
)

_GATES = ("input", "forget", "cell", "output")
_KERNELS = slice(1, 5)
_RECURRENT_KERNELS = slice(5, 9)
_BIASES = slice(12, 16)
_HIDDEN_STATE = 18
_CELL_STATE = 19
_OPTIONAL = (9, 10, 11, 16, 17, 20, 21, 22, 23)
"""Peepholes, projection and layer normalisation."""

_EFFECTIVE_HIDDEN = 4
"""The intermediate that gives LiteRT the hidden state's quantization; TFLite Micro takes the state's own."""

_BIAS_TYPES = {"int8": "int32", "int16": "int64"}
"""By the type of the activations."""

_CELL_EXPONENTS = range(-15, -8)
_OPTIONS = {
    "fused_activation_function": "TANH",
    "proj_clip": 0.0,
    "asymmetric_quantize_inputs": False,
    "diagonal_recurrent_tensors": False,
}


def lstm_problems(operator: TfliteOperator) -> Iterator[str]:
    """Yield each rule that `operator` breaks."""
    yield from _option_problems(operator)
    yield from lstm_tensor_problems(operator)


def foreign_lstm_problems(operator: TfliteOperator) -> Iterator[str]:
    """Yield what no LSTM of ours has: time before batch, and several scales of the hidden state.

    LiteRT computes with several scales, too, but that is not what the model means.
    """
    if operator.options.get("time_major"):
        yield "option time_major is True, not False"
    if (
        len(operator.inputs) <= _HIDDEN_STATE
        or len(operator.intermediates) <= _EFFECTIVE_HIDDEN
        or not operator.outputs
    ):
        return
    hidden, effective = operator.inputs[_HIDDEN_STATE], operator.intermediates[_EFFECTIVE_HIDDEN]
    yield from same_quantization_problems(
        "intermediate 4 (effective hidden state)", effective, "output", operator.outputs[0]
    )
    if hidden is not None:
        yield from same_quantization_problems("hidden state", hidden, "output", operator.outputs[0])


def lstm_tensor_problems(operator: TfliteOperator) -> Iterator[str]:
    """Yield each rule that weights, states and intermediates of `operator` break."""
    counts = (len(operator.inputs), len(operator.outputs), len(operator.intermediates))
    if counts != (24, 1, 5):
        yield f"has {counts[0]} inputs, {counts[1]} outputs and {counts[2]} intermediates, not 24, 1 and 5"
        return
    for index in _OPTIONAL:
        if operator.inputs[index] is not None:
            yield f"input {index} (peephole, projection or layer normalisation) is present"
    source, (output,) = operator.inputs[0], operator.outputs
    if source is None or len(source.shape) != 3 or len(output.shape) != 3 or source.shape[:2] != output.shape[:2]:
        yield "input and output are not [batch, time, size] with equal batch and time"
        return
    batch = source.shape[1 if operator.options.get("time_major") else 0]
    dtype = "int16" if source.dtype == "int16" else "int8"
    yield from activation_problems("input", source, dtype)
    yield from _weight_problems(operator, source, output.shape[2], _BIAS_TYPES[dtype])
    yield from _state_problems(operator, output, batch, dtype)
    if dtype == "int16" and any(zero for tensor in (source, output) for zero in tensor.zero_points):
        yield "input or output is int16 and has a zero point other than 0"


def _option_problems(operator: TfliteOperator) -> Iterator[str]:
    for name, expected in _OPTIONS.items():
        if operator.options[name] != expected:
            yield f"option {name} is {operator.options[name]}, not {expected}"
    cell_clip = operator.options["cell_clip"]
    if not (math.isfinite(cell_clip) and cell_clip >= 0):
        yield f"option cell_clip is {cell_clip}, not a number >= 0"


def _weight_problems(operator: TfliteOperator, source: TfliteTensor, units: int, bias_type: str) -> Iterator[str]:
    kernels, biases = operator.inputs[_KERNELS], operator.inputs[_BIASES]
    input_scale = source.scales[0] if source.scales else math.nan
    for gate, kernel, recurrent, bias in zip(_GATES, kernels, operator.inputs[_RECURRENT_KERNELS], biases, strict=True):
        yield from weight_problems(f"{gate} gate kernel", kernel, (units, source.shape[2]))
        yield from weight_problems(f"{gate} gate recurrent kernel", recurrent, (units, units))
        scales = kernel.scales[:1] if kernel is not None else ()
        yield from bias_problems(f"{gate} gate bias", bias, units, input_scale, scales, bias_type)


def _state_problems(operator: TfliteOperator, output: TfliteTensor, batch: int, dtype: str) -> Iterator[str]:
    hidden, cell = operator.inputs[_HIDDEN_STATE], operator.inputs[_CELL_STATE]
    shape = (batch, output.shape[2])
    yield from activation_problems("output", output, dtype)
    for role, state in (("hidden state", hidden), ("cell state", cell)):
        if state is None:
            yield f"{role} is absent"
            continue
        if not state.is_variable:
            yield f"{role} is not a variable"
        if state.shape != shape:
            yield f"{role} has the shape {state.shape}, not {shape}"
    effective = operator.intermediates[_EFFECTIVE_HIDDEN]
    if effective.dtype != dtype or len(effective.scales) != 1:
        yield f"intermediate 4 (effective hidden state) is not {dtype} with one scale"
    if hidden is not None and (hidden.dtype != dtype or len(hidden.scales) != 1):
        yield f"hidden state is not {dtype} with one scale"
    if cell is not None:
        yield from activation_problems("cell state", cell, "int16")
        yield from cell_scale_problems(cell)


def cell_scale_problems(cell: TfliteTensor) -> Iterator[str]:
    """Judge the scale of a cell state."""
    if cell.scales not in {(2.0**exponent,) for exponent in _CELL_EXPONENTS}:
        yield f"cell state scale is not a power of two from 2^{_CELL_EXPONENTS[0]} to 2^{_CELL_EXPONENTS[-1]}"
    if any(cell.zero_points):
        yield "cell state has a zero point other than 0"
