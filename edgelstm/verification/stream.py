"""A model along a stream that never ends: sequences strung together without a reset, layer by layer.

What stands behind the last step of a sequence is computed for every step, "as if the stream ended here", as a firmware
that asks for its output at each sample sees it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import (
    AnyArray,
    Compute,
    FloatArray,
    FloatModel,
    IntArray,
    Model,
    Observe,
    Op,
    Pace,
    QuantizedTensor,
    Reduction,
)
from edgelstm.ops.last_step import LastStep, LastStepLayer
from edgelstm.ops.masking import Masking
from edgelstm.ops.recurrent import RecurrentLayer
from edgelstm.ops.recurrent_op import RecurrentOp
from edgelstm.schedule import make_schedule, waiting_layers
from edgelstm.simulate import dequantize_array, quantize_array
from edgelstm.verification.fast_steps import State
from edgelstm.verification.op_runs import run_op

Feed = Mapping[str, FloatArray]
"""What inputs hold, scaled, by name: (batch, steps, size)."""

Starts = Mapping[str, tuple[FloatArray, ...]]
"""Real states (batch, units) that recurrent layers start from, by the layer's name, in Keras' order."""

OnState = Callable[[str, State], None]
"""Called behind each step of a recurrent op with its name and its states."""

_NO_STARTS: Starts = {}


@dataclass(frozen=True, eq=False)
class Stream:
    """A float model and its integers, which both answer at every step; UnsupportedModelError where they do not."""

    float_model: FloatModel
    model: Model

    def __post_init__(self) -> None:
        """Refuse what waits for a window."""
        problems = list(_problems(self.model))
        if problems:
            raise UnsupportedModelError(
                problems,
                "drift is of models that answer at every sample; an `edgelstm build` verifies whole windows",
                "the model does not run along a stream",
            )

    @property
    def recurrent(self) -> tuple[tuple[RecurrentLayer, RecurrentOp], ...]:
        """Layers with their ops."""
        ops = {op.output.name: op for op in self.model.ops}
        return tuple(
            (layer, op)
            for layer in self.float_model.layers
            if isinstance(layer, RecurrentLayer) and isinstance(op := ops.get(layer.output.name), RecurrentOp)
        )

    def in_float(
        self, feed: Feed, observe: Observe = lambda name, values: None, starts: Starts = _NO_STARTS
    ) -> FloatArray:
        """(batch, steps, values of all outputs); observes as `FloatModel.forward` does."""
        batch, steps = _shape(feed)
        elements = self._elements(steps)
        instead: dict[str, Compute] = {name: _given(values) for name, values in feed.items()}
        for layer in self.float_model.layers:
            if isinstance(layer, LastStepLayer):
                instead[layer.output.name] = _latest_of(elements[layer.input.name])
            elif isinstance(layer, RecurrentLayer) and layer.name in starts:
                instead[layer.output.name] = _started(layer, starts[layer.name])
        tensors = self.float_model.tensors(self.float_model.layout.join(feed), observe, instead)
        return np.concatenate(
            [self._each_step(tensors[one.name], one, elements, batch) for one in self.model.outputs], axis=-1
        ).astype(np.float64)

    def in_integers(
        self, feed: Feed, on_state: OnState = lambda name, state: None, starts: Starts = _NO_STARTS
    ) -> FloatArray:
        """The same of the integer model, as real numbers."""
        batch, steps = _shape(feed)
        elements = self._elements(steps)
        values = {one.name: quantize_array(feed[one.name], one.quantization) for one in self.model.inputs}
        for op in self.model.ops:
            if isinstance(op, LastStep):
                shown = self._each_step(values[op.input.name], op.input, elements, batch)
                values[op.output.name] = shown.reshape(batch * steps, -1)
            else:
                values[op.output.name] = self._run(op, values, on_state, starts)
        return np.concatenate(
            [
                dequantize_array(self._each_step(values[one.name], one, elements, batch), one.quantization)
                for one in self.model.outputs
            ],
            axis=-1,
        )

    def _run(self, op: Op, values: Mapping[str, IntArray], on_state: OnState, starts: Starts) -> IntArray:
        start = stored_states(op, starts[op.name]) if isinstance(op, RecurrentOp) and op.name in starts else None

        def show(tick: int, state: State) -> None:
            if isinstance(op, RecurrentOp):
                on_state(op.name, state)

        return run_op(op, self.model.contract, values, show, start)

    def _elements(self, steps: int) -> Mapping[str, IntArray]:
        """How many elements each sequence has after each step."""
        clocks = make_schedule(self.model, steps).clocks
        return {name: _yielded(clock.paces, steps) for name, clock in clocks.items()}

    def _each_step(
        self, values: AnyArray, tensor: QuantizedTensor, elements: Mapping[str, IntArray], batch: int
    ) -> AnyArray:
        """(batch, steps, size): the latest element of a sequence, or what was computed for every step."""
        if not tensor.is_sequence:
            return values.reshape(batch, -1, tensor.size)
        nothing = 0 if values.dtype.kind == "f" else tensor.quantization.zero_point
        return _latest(values, elements[tensor.name], nothing)


def stored_states(op: RecurrentOp, states: tuple[FloatArray, ...]) -> State:
    """Real states as each of the op's arrays keeps them."""
    real = {name: values for names, values in zip(op.filled, states, strict=True) for name in names}
    return tuple(quantize_array(real[array.name], array.quantization) for array in op.state)


def _problems(model: Model) -> list[str]:
    found = [f'input "{one.name}" is given once, at a reset' for one in model.inputs if not one.is_sequence]
    waiting = waiting_layers(make_schedule(model, model.timesteps))
    found += [f'layer "{one.name}" ({one.kind}) {one.reason}' for one in waiting]
    for op in model.ops:
        if isinstance(op, Reduction):
            found.append(f'layer "{op.name}" ({op.kind}) takes the whole window into one answer')
        elif isinstance(op, Masking) or (op.pace is not None and op.pace.name):
            found.append(f'layer "{op.name}" ({op.kind}) leaves steps out')
        elif isinstance(op, RecurrentOp) and op.initial_state:
            found.append(f'layer "{op.name}" ({op.kind}) starts from the states of another layer')
    return found


def _shape(feed: Feed) -> tuple[int, int]:
    batch, steps = next(iter(feed.values())).shape[:2]
    return batch, steps


def _yielded(paces: tuple[Pace, ...], steps: int) -> IntArray:
    counts: IntArray = np.arange(1, steps + 1)
    for pace in paces:
        counts = np.where(counts > pace.first, (counts - pace.first - 1) // pace.every + 1, 0)
    return counts


def _latest(values: AnyArray, counts: IntArray, nothing: int) -> AnyArray:
    """Of (batch, elements, size) the latest element at each step; `nothing` before there is one."""
    found: AnyArray = values[:, np.maximum(counts - 1, 0)]
    found[:, counts == 0] = nothing
    return found


def _given(values: FloatArray) -> Compute:
    return lambda inputs, observe: values


def _latest_of(counts: IntArray) -> Compute:
    return lambda inputs, observe: _latest(inputs[0], counts, 0).reshape(-1, inputs[0].shape[-1])


def _started(layer: RecurrentLayer, states: tuple[FloatArray, ...]) -> Compute:
    return lambda inputs, observe: layer.run(inputs[0], states, observe)
