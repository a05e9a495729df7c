"""A whole model as one step: GRU and SimpleRNN in int16 operators, everything else as `model.tflite` has it."""

from dataclasses import replace

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import Model, Op, TfliteModel, TfliteOperator
from edgelstm.numerics.gate_functions import GateFunction
from edgelstm.ops.activation import Activation
from edgelstm.ops.concatenate import Concatenate
from edgelstm.ops.dense import Dense
from edgelstm.ops.gru import Gru
from edgelstm.ops.last_step import LastStep
from edgelstm.ops.lstm import Lstm, LstmRows
from edgelstm.ops.merge import Add, Multiply
from edgelstm.ops.simple_rnn import SimpleRnn
from edgelstm.ops.softmax import Softmax
from edgelstm.ops.weight_bits import WIDE
from edgelstm.step_graph.recurrent import RecurrentStep, gru_step, simple_rnn_step

_STATELESS = (Activation, Add, Concatenate, Dense, LastStep, Multiply, Softmax)
"""Ops whose operators answer a step by itself."""


def to_step_graph(model: Model) -> TfliteModel:
    """Describe one step of a model.

    Returns:
        inputs: the model's, int8 (1, 1, size), then each hidden state, int16 (1, units); outputs: what the model
        answers if the sequence ends here, then each hidden state after the step. All states start at 0.

    Raises:
        UnsupportedModelError: lists every layer that builtin operators cannot describe.
    """
    problems = _problems(model)
    if problems:
        raise UnsupportedModelError(
            problems,
            "leave --tflite-recurrent out: model.tflite holds the whole model",
            headline="builtin operators cannot describe a step of the model",
        )
    operators: list[TfliteOperator] = []
    steps: list[RecurrentStep] = []
    for op in model.ops:
        step = _recurrent(op)
        operators += step.operators if step else _with_bytes(op).to_tflite(1, 1)
        steps += [step] if step else []
    return TfliteModel(
        operators=tuple(operators),
        inputs=(model.input.to_tflite(1, 1), *(step.state for step in steps)),
        outputs=(model.output.to_tflite(1, 1), *(step.next_state for step in steps)),
        description=f"edgelstm: {model.name}, one step; approximates model.tflite",
    )


def _with_bytes(op: Op) -> Op:
    """TFLM takes no weights of 4 bits; these are integers of 8 like all others."""
    return replace(op, bits=WIDE) if isinstance(op, Dense) else op


def _recurrent(op: Op) -> RecurrentStep | None:
    if isinstance(op, Gru):
        return gru_step(op)
    return simple_rnn_step(op) if isinstance(op, SimpleRnn) else None


def _problems(model: Model) -> list[str]:
    found = [problem for op in model.ops if (problem := _problem(op))]
    if (len(model.inputs), len(model.outputs)) != (1, 1):
        found.append(f"it has {len(model.inputs)} inputs and {len(model.outputs)} outputs, not one of each")
    if not any(isinstance(op, Gru | SimpleRnn) for op in model.ops):
        found.append("the model has no GRU and no SimpleRNN, for which alone there is a graph of a step")
    return found


def _problem(op: Op) -> str:
    if op.loads:
        return f'layer "{op.name}": it starts from the states of others, and in a graph of one step all start at 0'
    if isinstance(op, Gru):
        is_hard = op.gate is not GateFunction.SIGMOID
        return f'layer "{op.name}": no builtin operator computes hard_sigmoid in int16' if is_hard else ""
    if isinstance(op, Lstm | LstmRows):
        return f'layer "{op.name}": an LSTM\'s operator keeps its states inside, so that they cannot go in and out'
    if isinstance(op, (SimpleRnn, *_STATELESS)):
        return ""
    return f'layer "{op.name}": no builtin operators for {op.kind} in a graph of one step'
