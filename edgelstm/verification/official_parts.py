"""What official interpreters can judge of a model with layers of our own: each part in which there are none.

A part gets what the simulator computed in front of it, and must yield what the simulator computed behind it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from edgelstm.ir import IntArray, Model, Op, QuantizedTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.last_step import LastStep
from edgelstm.ops.unflatten import Unflatten
from edgelstm.schedule import make_schedule
from edgelstm.simulate import simulate_window
from edgelstm.tflite import write_tflite
from edgelstm.tflite.export import to_tflite_model
from edgelstm.verification import isolation
from edgelstm.verification.oracles import Oracle, interpreter_inputs
from edgelstm.verification.trace import Comparison, Trace, as_window_trace, compare


@dataclass(frozen=True, eq=False)
class _Part:
    """Ops that depend on nothing but one tensor."""

    source: QuantizedTensor
    ops: list[Op] = field(default_factory=list)


def official_parts(model: Model, timesteps: int) -> list[tuple[Op, ...]]:
    """The largest groups of ops with an official kernel that read one tensor of others, and each other.

    What joins tensors of several groups belongs to none; nor does what a mask lets run at some steps only. Steps that
    a vector is taken apart into begin a group.
    """
    clocks = make_schedule(model, timesteps).clocks
    masked = {name for name, clock in clocks.items() if any(pace.name for pace in clock.paces)}
    parts: dict[str, _Part] = {}
    owners: dict[str, str] = {}
    for op in model.ops:
        if (
            op.is_native
            or isinstance(op, Unflatten)
            or any(tensor.name in masked for tensor in (*op.inputs, op.output))
        ):
            continue
        sources = {owners.get(tensor.name, tensor.name): tensor for tensor in op.inputs}
        if len(sources) == 1:
            ((source, tensor),) = sources.items()
            parts.setdefault(source, _Part(tensor)).ops.append(op)
            owners[op.output.name] = source
    return [tuple(part.ops) for part in parts.values() if not all(op.is_alias for op in part.ops)]


def compare_parts(oracle: Oracle, model: Model, inputs: IntArray) -> Iterator[tuple[tuple[Op, ...], Comparison]]:
    """Run an oracle on each official part for stored inputs (sequences, rows, width)."""
    window = simulate_window(model, inputs)
    known = {**window.values, **model.layout.split(inputs)}
    for ops in official_parts(model, model.layout.timesteps(inputs)):
        part, values = _model_of(model, ops), known[ops[0].input.name]
        states = [
            state
            for op in ops
            for array, state in zip(op.state, window.state[op.name], strict=True)
            if array.is_in_tflite
        ]
        arrays = [known[part.output.name], *states, *(known[op.output.name] for op in part.ops)]
        fed = values if ops[0].input.is_sequence else values[:, None]
        yield ops, compare(as_window_trace(part, arrays), _run(oracle, part, fed))


def _model_of(model: Model, ops: tuple[Op, ...]) -> Model:
    """A model of some ops. That of a vector begins with a sequence of one step: no vector is a model's input."""
    source = ops[0].input
    alone = replace(model, ops=ops, contract=Contract.LITERT, further_inputs=(), output_names=())
    if source.is_sequence:
        return replace(alone, input=source)
    step = replace(source, name=f"{source.name}/step", is_sequence=True)
    first = LastStep.of(source.name, step)
    return replace(alone, input=step, ops=(first, *ops))


def _run(oracle: Oracle, part: Model, values: IntArray) -> Trace:
    """Whole windows at once, with every value."""
    batch, timesteps, _ = values.shape
    exposed = to_tflite_model(part, batch=batch, timesteps=timesteps, expose_states=True, expose_values=True)
    outputs, _ = isolation.run_files(
        oracle, write_tflite(exposed), interpreter_inputs(part, values), b"", interpreter_inputs(part, values[:0])
    )
    return as_window_trace(part, outputs)
