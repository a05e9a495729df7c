"""LSTM, GRU and SimpleRNN: the integer steps of `edgelstm.ops`, one after the other."""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from edgelstm.ir import AnyArray, Layer, Load
from edgelstm.numerics import activations
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.fixedpoint import Multiplier, quantize_multiplier
from edgelstm.numerics.gate_functions import GateFunction
from edgelstm.ops import scales
from edgelstm.ops.gru import Gru
from edgelstm.ops.lstm import Lstm
from edgelstm.ops.projection import Projection
from edgelstm.ops.recurrent_op import RecurrentOp
from edgelstm.ops.simple_rnn import RELU_FRACTION_BITS, SimpleRnn
from edgelstm.training.qat.fake_op import AnyOp, FakeOp, Rounded, zero_points
from edgelstm.training.qat.straight import Constants, Straight, Tensor, every_int16, multipliers

_ONE = 2.0**15
"""1 in Q0.15."""


@dataclass(frozen=True, eq=False)
class FakeRecurrent(FakeOp[AnyOp]):
    """A step again and again; its states are those of the op, in their order."""

    op: RecurrentOp  # type: ignore[assignment]

    @abstractmethod
    def prepared(self, straight: Straight, constants: Constants, weights: Constants, inputs: Tensor) -> Tensor:
        """The input's part (batch, time, columns) of all steps at once."""

    @abstractmethod
    def step(
        self, straight: Straight, constants: Constants, weights: Constants, part: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        """The states after a step, of those before and the input's part (batch, columns)."""

    def call(
        self, straight: Straight, constants: Constants, weights: Constants, values: tuple[Tensor, ...]
    ) -> Mapping[str, Tensor]:
        """See `FakeOp.call`: all states of every step, by "<output>/<state>" beside the output."""
        ops = straight.ops
        parts = self.prepared(straight, constants, weights, values[0])
        start = self._start(straight, constants, values)

        def advance(state: tuple[Tensor, ...], part: Tensor) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
            after = self.step(straight, constants, weights, part, state)
            return after, after

        _, steps = ops.scan(advance, start, ops.swapaxes(parts, 0, 1))
        found = [ops.swapaxes(one, 0, 1) for one in steps]
        name = self.op.output.name
        states = {f"{name}/{array.name}": one for array, one in zip(self.op.state, found, strict=True)}
        exposed = {tensor.name: states[f"{name}/{array}"] for array, tensor in self.op.exposed.items()}
        return {name: found[0], **states, **exposed}

    def start_constants(self, op: RecurrentOp) -> dict[str, AnyArray]:
        """What states start from."""
        found = {f"start_{array.name}": np.array(float(array.initial)) for array in op.state}
        for index, load in enumerate(op.loads):
            found[f"load_{index}_from"] = np.array(float(load.source.quantization.zero_point))
            found[f"load_{index}_to"] = np.array(float(load.array.quantization.zero_point))
            # A copy is a factor of 1, which rounds nothing.
            found |= multipliers(f"load_{index}", [load.multiplier or quantize_multiplier(1.0)])
        return found

    def _start(self, straight: Straight, constants: Constants, values: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        given = dict(zip([tensor.name for tensor in self.op.inputs], values, strict=True))
        batch = straight.ops.zeros_like(values[0][:, 0, :1])
        loads: dict[str, list[Tensor]] = {}
        for index, load in enumerate(self.op.loads):
            piece = self._loaded(straight, constants, index, load, given[load.source.name])
            loads.setdefault(load.array.name, []).append(piece)
        return tuple(
            straight.ops.concatenate(loads[array.name], axis=-1)
            if array.name in loads
            else batch + straight.ops.zeros((1, array.size), "float64") + constants[f"start_{array.name}"]
            for array in self.op.state
        )

    def _loaded(self, straight: Straight, constants: Constants, index: int, load: Load, values: Tensor) -> Tensor:
        low, high = load.limits
        scaled = straight.requantize(values - constants[f"load_{index}_from"], constants, f"load_{index}")
        return straight.ops.clip(scaled + constants[f"load_{index}_to"], float(low), float(high))


class FakeLstm(FakeRecurrent[Lstm]):
    """`Lstm.simulate`."""

    op: Lstm
    trained: ClassVar[tuple[str, ...]] = ("kernel", "recurrent_kernel", "bias")

    def constants(self, op: Lstm) -> Mapping[str, AnyArray]:
        """See `FakeOp.constants`."""
        facts = op.facts(self.contract)
        units = op.units
        tables = gate_tables(op.gate, self.contract)
        cell_tanh = activations.tanh(self.contract, every_int16(), facts.cell_integer_bits)
        return {
            **zero_points(op),
            **self.start_constants(op),
            **multipliers("input", _repeated([gate.input_multiplier for gate in facts.gates], units)),
            **multipliers("recurrent", _repeated([gate.recurrent_multiplier for gate in facts.gates], units)),
            **multipliers("forget", [quantize_multiplier(2.0**-15)]),
            **multipliers("update", [quantize_multiplier(2.0**-facts.cell_shift)]),
            **multipliers("hidden", [facts.output_multiplier]),
            "update_factor": np.array(2.0**-facts.cell_shift),
            "cell_scale": np.array(op.cell.scale),
            "cell_tanh": cell_tanh.astype(np.float64),
            **tables,
        }

    def rounded(self, layer: Layer, op: Lstm) -> Mapping[str, Rounded]:
        """See `FakeOp.rounded`: a scale for each gate."""
        gates = op.gates
        kernel = np.repeat([gate.kernel_scale for gate in gates], op.units)
        recurrent = np.repeat([gate.recurrent_scale for gate in gates], op.units)
        bias = np.repeat([scales.float32(op.input.quantization.scale * gate.kernel_scale) for gate in gates], op.units)
        return {
            "kernel": Rounded(np.concatenate([gate.kernel.T for gate in gates], axis=1), kernel),
            "recurrent_kernel": Rounded(np.concatenate([gate.recurrent_kernel.T for gate in gates], axis=1), recurrent),
            "bias": Rounded(np.concatenate([gate.bias for gate in gates]), bias),
        }

    def prepared(self, straight: Straight, constants: Constants, weights: Constants, inputs: Tensor) -> Tensor:
        """See `FakeRecurrent.prepared`."""
        sums = straight.ops.matmul(inputs - constants["input_zero"], weights["kernel"]) + weights["bias"]
        return straight.saturate16(straight.requantize(sums, constants, "input"))

    def step(
        self, straight: Straight, constants: Constants, weights: Constants, part: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        """See `FakeRecurrent.step`."""
        hidden, cell = state
        sums = straight.ops.matmul(hidden - constants["output_zero"], weights["recurrent_kernel"])
        recalled = straight.requantize(sums, constants, "recurrent")
        if self.contract is Contract.TFLM:
            recalled = straight.saturate16(recalled)
        z = straight.ops.split(straight.saturate16(part + recalled), 4, axis=-1)
        i, f, o = (gate_value(straight, constants, self.op.gate, z[index]) for index in (0, 1, 3))
        cell = self._cell(straight, constants, i * candidate(straight, constants, z[2]), f * cell)
        squashed = straight.look_up(
            constants["cell_tanh"], cell, _ONE * straight.ops.tanh(cell * constants["cell_scale"])
        )
        stored = straight.requantize(squashed * o, constants, "hidden") + constants["output_zero"]
        return straight.saturate8(stored), cell

    def _cell(self, straight: Straight, constants: Constants, update: Tensor, kept: Tensor) -> Tensor:
        """The cell state in its own scale; TFLM rounds and saturates once more."""
        if self.contract is not Contract.TFLM:
            fresh = straight.away(update * constants["update_factor"])
            return straight.saturate16(straight.away(kept / _ONE) + fresh)
        fresh = straight.saturate16(straight.requantize(update, constants, "update"))
        return straight.saturate16(straight.saturate16(straight.requantize(kept, constants, "forget")) + fresh)


class FakeGru(FakeRecurrent[Gru]):
    """`Gru.simulate`."""

    op: Gru
    trained: ClassVar[tuple[str, ...]] = ("kernel", "recurrent_kernel", "bias", "recurrent_bias")

    def constants(self, op: Gru) -> Mapping[str, AnyArray]:
        """See `FakeOp.constants`."""
        return {
            **zero_points(op),
            **self.start_constants(op),
            **_row_multipliers("input", op.kernels),
            **_row_multipliers("recurrent", op.recurrent_parts),
            **multipliers("hidden", [op.facts(self.contract).hidden_multiplier]),
            "reset": np.array(2.0**-op.reset_shift),
            **gate_tables(op.gate, self.contract),
        }

    def rounded(self, layer: Layer, op: Gru) -> Mapping[str, Rounded]:
        """See `FakeOp.rounded`: a scale for each row. The recurrent bias of two gates is in the other one."""
        return {
            "kernel": _kernel(op.kernels),
            "recurrent_kernel": _kernel(op.recurrent_kernels),
            "bias": _bias(op.kernels),
            "recurrent_bias": _bias(op.recurrent_kernels),
        }

    def prepared(self, straight: Straight, constants: Constants, weights: Constants, inputs: Tensor) -> Tensor:
        """See `FakeRecurrent.prepared`."""
        sums = straight.ops.matmul(inputs - constants["input_zero"], weights["kernel"]) + weights["bias"]
        return straight.requantize(sums, constants, "input")

    def step(
        self, straight: Straight, constants: Constants, weights: Constants, part: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        """See `FakeRecurrent.step`."""
        hidden, carried = state
        units = self.op.units
        recalled = self._recalled(straight, constants, weights, hidden)
        both = straight.saturate16(part[:, : 2 * units] + recalled[:, : 2 * units])
        z, r = (gate_value(straight, constants, self.op.gate, one) for one in straight.ops.split(both, 2, axis=-1))
        if self.op.reset_after:
            last = straight.away(r * recalled[:, 2 * units :] * constants["reset"])
        else:
            kept = self._to_hidden(straight, constants, straight.away(r * carried / _ONE))
            last = self._recalled(straight, constants, weights, kept)[:, 2 * units :]
        n = candidate(straight, constants, straight.saturate16(part[:, 2 * units :] + last))
        carried = straight.half_up((z * carried + (_ONE - z) * n) / _ONE)
        return self._to_hidden(straight, constants, carried), carried

    def _recalled(self, straight: Straight, constants: Constants, weights: Constants, hidden: Tensor) -> Tensor:
        sums = straight.ops.matmul(hidden - constants["output_zero"], weights["recurrent_kernel"])
        return straight.requantize(sums + weights["recurrent_bias"], constants, "recurrent")

    def _to_hidden(self, straight: Straight, constants: Constants, carried: Tensor) -> Tensor:
        return straight.saturate8(straight.requantize(carried, constants, "hidden") + constants["output_zero"])


class FakeSimpleRnn(FakeRecurrent[SimpleRnn]):
    """`SimpleRnn.simulate`."""

    op: SimpleRnn
    trained: ClassVar[tuple[str, ...]] = ("kernel", "recurrent_kernel", "bias")

    def constants(self, op: SimpleRnn) -> Mapping[str, AnyArray]:
        """See `FakeOp.constants`."""
        return {
            **zero_points(op),
            **self.start_constants(op),
            **_row_multipliers("input", (op.kernel,)),
            **_row_multipliers("recurrent", (op.recurrent_kernel,)),
            **multipliers("hidden", [op.facts(self.contract).hidden_multiplier]),
            **gate_tables(GateFunction.SIGMOID, self.contract),
        }

    def rounded(self, layer: Layer, op: SimpleRnn) -> Mapping[str, Rounded]:
        """See `FakeOp.rounded`: a scale for each row."""
        return {
            "kernel": _kernel((op.kernel,)),
            "recurrent_kernel": _kernel((op.recurrent_kernel,)),
            "bias": _bias((op.kernel,)),
        }

    def prepared(self, straight: Straight, constants: Constants, weights: Constants, inputs: Tensor) -> Tensor:
        """See `FakeRecurrent.prepared`."""
        sums = straight.ops.matmul(inputs - constants["input_zero"], weights["kernel"]) + weights["bias"]
        return straight.requantize(sums, constants, "input")

    def step(
        self, straight: Straight, constants: Constants, weights: Constants, part: Tensor, state: tuple[Tensor, ...]
    ) -> tuple[Tensor, ...]:
        """See `FakeRecurrent.step`."""
        sums = straight.ops.matmul(state[0] - constants["output_zero"], weights["recurrent_kernel"])
        sums = straight.saturate16(part + straight.requantize(sums, constants, "recurrent"))
        if self.op.function == "tanh":
            result = straight.requantize(candidate(straight, constants, sums), constants, "hidden")
        else:
            result = straight.ops.maximum(straight.away(sums / 2.0**RELU_FRACTION_BITS), 0.0)
        return (straight.saturate8(result + constants["output_zero"]),)


def gate_tables(gate: GateFunction, contract: Contract) -> dict[str, AnyArray]:
    """The functions of a step from Q3.12 to Q0.15, of every int16."""
    return {
        "gate": gate.integers(contract, every_int16()).astype(np.float64),
        "tanh": activations.tanh(contract, every_int16(), 3).astype(np.float64),
    }


def gate_value(straight: Straight, constants: Constants, gate: GateFunction, values: Tensor) -> Tensor:
    """The gate's function, with the gradient of the real one."""
    real = values * scales.GATE_SCALE
    if gate is GateFunction.SIGMOID:
        smooth = straight.ops.sigmoid(real)
    else:
        smooth = straight.ops.clip(real * (gate.factor / 2.0**18) + 0.5, 0.0, 1.0)
    return straight.look_up(constants["gate"], values, _ONE * smooth)


def candidate(straight: Straight, constants: Constants, values: Tensor) -> Tensor:
    """The tanh of Q3.12."""
    return straight.look_up(constants["tanh"], values, _ONE * straight.ops.tanh(values * scales.GATE_SCALE))


def _repeated(factors: Sequence[Multiplier], units: int) -> list[Multiplier]:
    """One for each unit of each gate."""
    return [factor for factor in factors for _ in range(units)]


def _row_multipliers(name: str, projections: Sequence[Projection]) -> dict[str, AnyArray]:
    return multipliers(name, [one for projection in projections for one in projection.multipliers.of_rows()])


def _kernel(projections: Sequence[Projection]) -> Rounded:
    stored = np.concatenate([projection.weights.T for projection in projections], axis=1)
    return Rounded(stored, np.concatenate([projection.scales for projection in projections]))


def _bias(projections: Sequence[Projection]) -> Rounded:
    steps = [np.array(projection.scales) * projection.value.scale for projection in projections]
    return Rounded(np.concatenate([projection.bias for projection in projections]), np.concatenate(steps))
