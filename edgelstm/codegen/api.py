"""The functions of the generated C as far as the model's inputs shape them: parameters and arguments."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from edgelstm.codegen.plan import PlannedInput, PlannedOutput
from edgelstm.ir import QuantizedTensor


@dataclass(frozen=True)
class ApiInput:
    """An input of the model as the caller sees it.

    Attributes:
        name: of the parameter, "input" where there is one.
        tensor: what it is.
        macro: what macros about it begin with, "GESTURE_INPUT".
        vocabulary_macro: the macro that says how many ids there are.
    """

    name: str
    tensor: QuantizedTensor
    macro: str
    vocabulary_macro: str

    @property
    def type(self) -> str:
        """C type of an element."""
        return f"{self.tensor.quantization.dtype}_t"

    @property
    def lowest(self) -> int:
        """The smallest value of an element."""
        return int(np.iinfo(self.tensor.quantization.dtype).min)

    @property
    def highest(self) -> int:
        """The largest value of an element."""
        return int(np.iinfo(self.tensor.quantization.dtype).max)

    @property
    def array(self) -> str:
        """Declarator of a sample, or of a vector."""
        return f"{self.type} {self.name}[{self.macro}_SIZE]"

    @property
    def parameter(self) -> str:
        """Parameter of a function that reads it."""
        return f"const {self.array}"

    @property
    def values(self) -> str:
        """How many values are given when."""
        size, steps = self.tensor.size, self.tensor.timesteps or 1
        if self.tensor.is_sequence:
            return f"{size} values a step"
        each = f"{size} values" if steps == 1 else f"{steps} steps of {size // steps} values"
        return f"{each} given to reset"

    @property
    def bytes(self) -> int:
        """Size of a sample, or of the vector."""
        return self.tensor.size * np.dtype(self.tensor.quantization.dtype).itemsize

    def at(self, array: str, step: str) -> str:
        """Argument for the sample of a step, of an array of all."""
        return f"&{array}[{self.tensor.size}u * {step}]"


@dataclass(frozen=True)
class ApiOutput:
    """An output of the model as the caller sees it.

    Attributes:
        name: of the parameter, "output" where there is one.
        tensor: what it is.
        macro: what macros about it begin with, "GESTURE_OUTPUT".
    """

    name: str
    tensor: QuantizedTensor
    macro: str

    @property
    def type(self) -> str:
        """C type of an element."""
        return f"{self.tensor.quantization.dtype}_t"

    @property
    def array(self) -> str:
        """Declarator of one result."""
        return f"{self.type} {self.name}[{self.macro}_SIZE]"

    @property
    def times(self) -> str:
        """What makes bytes of a number of elements, as C says it."""
        width = np.dtype(self.tensor.quantization.dtype).itemsize
        return "" if width == 1 else f" * {width}"

    @property
    def results(self) -> str:
        """What main.c calls all results of a window."""
        return f"results{self.name.removeprefix('output')}"

    def at(self, step: str) -> str:
        """Argument for the result of a step, in an array of all; of a vector the last one stays."""
        if not self.tensor.is_sequence:
            return self.name
        return f"&{self.name}[{self.tensor.size}u * {step}]"


@dataclass(frozen=True)
class Api:
    """Inputs and outputs of a model in the order in which functions take them; vectors, which a reset takes, first."""

    inputs: tuple[ApiInput, ...]
    outputs: tuple[ApiOutput, ...]

    @classmethod
    def of(cls, inputs: Sequence[PlannedInput], outputs: Sequence[PlannedOutput], macro: str) -> "Api":
        """The interface of a model whose macros begin with `macro`."""
        ordered = sorted(inputs, key=lambda one: one.tensor.is_sequence)
        named = [(one, f"{macro}_{one.identifier.upper()}") for one in ordered]
        is_one = len(inputs) == 1
        return cls(
            tuple(
                ApiInput(one.identifier, one.tensor, name, f"{macro if is_one else name}_VOCABULARY")
                for one, name in named
            ),
            tuple(ApiOutput(one.identifier, one.tensor, f"{macro}_{one.identifier.upper()}") for one in outputs),
        )

    @property
    def given(self) -> tuple[ApiInput, ...]:
        """Vectors."""
        return tuple(one for one in self.inputs if not one.tensor.is_sequence)

    @property
    def samples(self) -> tuple[ApiInput, ...]:
        """Sequences."""
        return tuple(one for one in self.inputs if one.tensor.is_sequence)

    @property
    def given_bytes(self) -> int:
        """Size of all vectors."""
        return sum(one.bytes for one in self.given)

    @property
    def sample_bytes(self) -> int:
        """Size of all samples of a step."""
        return sum(one.bytes for one in self.samples)

    @property
    def reset_parameters(self) -> str:
        """Behind `self`."""
        return "".join(f", {one.parameter}" for one in self.given)

    @property
    def reset_arguments(self) -> str:
        """Arguments of the parameters' names."""
        return "".join(f", {one.name}" for one in self.given)

    @property
    def step_parameters(self) -> str:
        """Of a sample."""
        return ", ".join(one.parameter for one in self.samples)

    @property
    def sample_parameters(self) -> str:
        """Of a function that writes a sample."""
        return ", ".join(one.array for one in self.samples)

    @property
    def run_parameters(self) -> str:
        """Of a whole window."""
        return ", ".join(f"const {one.type} *{one.name}" for one in self.inputs)

    @property
    def step_arguments(self) -> str:
        """Of the sample of step `t`, where the parameters are a whole window's."""
        return ", ".join(one.at(one.name, "t") for one in self.samples)

    @property
    def plain_arguments(self) -> str:
        """Samples in arrays of the parameters' names."""
        return ", ".join(one.name for one in self.samples)

    def selftest_reset(self, model: str) -> str:
        """Arguments of the self-test's reset."""
        return "".join(f", {self.selftest_array(one, model)}" for one in self.given)

    def selftest_step(self, model: str, step: str) -> str:
        """Arguments of one of the self-test's steps."""
        return ", ".join(one.at(self.selftest_array(one, model), step) for one in self.samples)

    def selftest_array(self, one: ApiInput, model: str) -> str:
        """Symbol of an input's known values."""
        return f"{model}_selftest_input" if len(self.inputs) == 1 else f"{model}_{one.name}_selftest"

    @property
    def output_parameters(self) -> str:
        """Of one result."""
        return ", ".join(one.array for one in self.outputs)

    @property
    def output_pointers(self) -> str:
        """Of all results of a window."""
        return ", ".join(f"{one.type} *{one.name}" for one in self.outputs)

    @property
    def output_arguments(self) -> str:
        """Arguments of the parameters' names."""
        return ", ".join(one.name for one in self.outputs)

    @property
    def results(self) -> str:
        """Arguments of the names that main.c gives to the results of a window."""
        return ", ".join(one.results for one in self.outputs)

    @property
    def const_output_parameters(self) -> str:
        """Of a function that reads a result."""
        return ", ".join(f"const {one.array}" for one in self.outputs)

    @property
    def const_output_pointers(self) -> str:
        """Of a function that reads all results of a window."""
        return ", ".join(f"const {one.type} *{one.name}" for one in self.outputs)

    def output_at(self, step: str) -> str:
        """Arguments for the results of a step, where the parameters are pointers to all."""
        return ", ".join(one.at(step) for one in self.outputs)
