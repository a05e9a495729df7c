"""A quantized model: a graph of ops."""

from dataclasses import dataclass, field

from edgelstm.ir.inputs import InputLayout
from edgelstm.ir.ops import Op
from edgelstm.ir.tensors import QuantizedTensor
from edgelstm.numerics.contracts import Contract


@dataclass(frozen=True)
class Model:
    """A quantized model: a graph of ops under one arithmetic contract, in an order in which each finds its inputs.

    `input` is the first of its inputs, a sequence; `further_inputs` are sequences that go with it step by step, and
    vectors that are given before. `output_names` are the tensors that it answers with; by default what the last op
    yields is its one output. `timesteps` is the window of `run`.
    """

    name: str
    input: QuantizedTensor
    ops: tuple[Op, ...]
    timesteps: int
    contract: Contract
    further_inputs: tuple[QuantizedTensor, ...] = field(default=(), kw_only=True)
    output_names: tuple[str, ...] = field(default=(), kw_only=True)

    @property
    def inputs(self) -> tuple[QuantizedTensor, ...]:
        """All inputs."""
        return (self.input, *self.further_inputs)

    @property
    def layout(self) -> InputLayout[QuantizedTensor]:
        """How arrays of inputs are laid out."""
        return InputLayout.of(self.inputs)

    @property
    def output(self) -> QuantizedTensor:
        """The first of the outputs."""
        return self.outputs[0]

    @property
    def outputs(self) -> tuple[QuantizedTensor, ...]:
        """All outputs."""
        if not self.output_names:
            return (self.ops[-1].output if self.ops else self.input,)
        yielded = {op.output.name: op.output for op in self.ops}
        return tuple(yielded[name] for name in self.output_names)

    @property
    def answers_steps(self) -> bool:
        """Whether an output is a sequence, so that there may be an answer at each step."""
        return any(tensor.is_sequence for tensor in self.outputs)

    def problems(self) -> list[str]:
        """Where 32-bit arithmetic would overflow, of all ops; see `Op.problems`."""
        return [problem for op in self.ops for problem in op.problems(self.contract)]

    @property
    def has_int16(self) -> bool:
        """Whether layers compute on int16 values, which TensorFlow Lite Micro alone has kernels for."""
        return any(op.needs_tflm for op in self.ops)

    @property
    def parameters(self) -> int:
        """How many integers (weights and biases) the model holds."""
        return sum(op.parameters for op in self.ops)

    @property
    def macs_per_step(self) -> int:
        """Multiply-accumulates of all ops for one time step (vector ops included once)."""
        return sum(op.macs for op in self.ops)
