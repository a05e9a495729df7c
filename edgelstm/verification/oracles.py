"""The official interpreters, run step by step on our own .tflite with every state array exposed."""

import importlib.metadata
import importlib.util
import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgelstm.errors import ToolFailedError, ToolMissingError
from edgelstm.ir import IntArray, Model, beside
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.embedding import known_ids
from edgelstm.schedule import make_schedule
from edgelstm.tflite import check_tflite, read_tflite, write_tflite
from edgelstm.tflite.export import to_tflite_model
from edgelstm.verification.trace import Trace, TraceArray, array_names, as_window_trace

Invoke = Callable[..., list[IntArray]]
"""Feeds every input of a file to an interpreter and returns its outputs."""

_TFLM_ARENA_BYTES = 64 << 20


@dataclass(frozen=True)
class Oracle:
    """An official interpreter.

    Attributes:
        name: package and kernels, for reports.
        package: its name on PyPI.
        module: the Python module, to see whether it is installed.
        contract: whose arithmetic it computes.
        inexact_kinds: kinds of ops in which it departs from the contract by a rounding. tflite-runtime 2.14's Dense
            rounds twice where the `litert` contract rounds once.
        open: bytes of a model -> a function that runs one invocation from the state of the one before.
    """

    name: str
    package: str
    module: str
    contract: Contract
    open: Callable[[bytes], Invoke]
    inexact_kinds: frozenset[str] = frozenset()
    supports_numpy_2: bool = True

    @property
    def is_exact(self) -> bool:
        """Whether all of its kernels follow the contract."""
        return not self.inexact_kinds

    @property
    def version(self) -> str:
        """The installed version."""
        return importlib.metadata.version(self.package)

    @property
    def is_available(self) -> bool:
        """Whether its package is installed, and works with the numpy that is."""
        if not self.supports_numpy_2 and int(np.__version__.split(".")[0]) >= 2:
            return False
        try:
            return importlib.util.find_spec(self.module) is not None
        except ModuleNotFoundError:
            return False

    def trace(self, model: Model, inputs: IntArray) -> Trace:
        """Run stored inputs (sequences, rows, width), all sequences as one batch; see `official_trace`."""
        outputs = self.run_exposed(exposed_model(model, inputs), interpreter_inputs(model, inputs))
        return name_arrays(model, inputs, outputs)

    def run_exposed(self, data: bytes, inputs: Sequence[IntArray]) -> list[IntArray]:
        """Run an `exposed_model` on `interpreter_inputs`: at once, or a step at a time.

        Returns:
            the file's outputs, (sequences, time, ...) where it takes one step.
        """
        takes = [tensor.shape for tensor in read_tflite(data).inputs]
        if all(shape == values.shape for shape, values in zip(takes, inputs, strict=True)):
            whole = self._open(data)(*inputs)
            is_step = next(shape[1] for shape, given in zip(takes, inputs, strict=True) if _is_sequence(given)) == 1
            return [values[:, None] for values in whole] if is_step else whole
        return self._run_steps(data, inputs)

    def _run_steps(self, data: bytes, inputs: Sequence[IntArray]) -> list[IntArray]:
        """Run a model of one step on `interpreter_inputs`.

        Returns:
            for each output of the file, (sequences, time, ...).
        """
        invoke = self._open(data)
        timesteps = next(values.shape[1] for values in inputs if _is_sequence(values))
        steps = [
            invoke(*(np.ascontiguousarray(one[:, t : t + 1]) if _is_sequence(one) else one for one in inputs))
            for t in range(timesteps)
        ]
        return [np.stack(column, axis=1) for column in zip(*steps, strict=True)]

    def run_window(self, data: bytes, inputs: Sequence[IntArray]) -> IntArray:
        """Run the shipped file itself on `interpreter_inputs` of whole windows, each in a fresh interpreter.

        Returns:
            (sequences, ..., size of all outputs).
        """
        count = len(inputs[0])
        if count == 0:
            return np.zeros(0, np.int8)
        shapes = [source.shape[1:] for source in read_tflite(data).inputs]
        shaped = [values.reshape(count, *shape) for values, shape in zip(inputs, shapes, strict=True)]
        ones = ([values[index : index + 1] for values in shaped] for index in range(count))
        return np.concatenate([beside(self._open(data)(*one)) for one in ones])

    def _open(self, data: bytes) -> Invoke:
        if not self.is_available:
            raise ToolMissingError(f"{self.name} is not installed", 'pip install "edgelstm[verify]"')
        check_tflite(data, foreign=True)
        try:
            return self.open(data)
        except (RuntimeError, ValueError) as error:
            raise ToolFailedError(f"{self.name} does not accept the model: {error}") from error


def exposed_model(model: Model, inputs: IntArray) -> bytes:
    """A .tflite for a batch of stored inputs (sequences, rows, width) that shows more than the output.

    It takes one time step and shows every state array, or where ops have a pace of their own, all steps, and every
    value.
    """
    batch, timesteps = len(inputs), model.layout.timesteps(inputs)
    if make_schedule(model, timesteps).is_steady:
        return write_tflite(to_tflite_model(model, batch=batch, timesteps=1, expose_states=True))
    exposed = to_tflite_model(model, batch=batch, timesteps=timesteps, expose_states=True, expose_values=True)
    return write_tflite(exposed)


def interpreter_inputs(model: Model, inputs: IntArray) -> list[IntArray]:
    """Stored inputs (sequences, rows, width) as the .tflite takes them: (sequences, time, size), (sequences, size) of a
    vector, (sequences, time) int32 of ids.

    Interpreters end on an id outside the vocabulary, so they get what our definition makes of it.
    """
    arrays, timesteps = model.layout.split(inputs), model.layout.timesteps(inputs)
    shaped = [(one, arrays[one.name].reshape(one.to_tflite(len(inputs), timesteps).shape)) for one in model.inputs]
    return [
        known_ids(values, one.vocabulary).astype(np.int32) if one.vocabulary else values.astype(one.quantization.dtype)
        for one, values in shaped
    ]


def _is_sequence(values: IntArray) -> bool:
    """Whether an interpreter's input is a sequence: ids are the only ones of two axes."""
    return values.ndim == 3 or values.dtype == np.int32


def name_arrays(model: Model, inputs: IntArray, outputs: list[IntArray]) -> Trace:
    """Turn the outputs of an `exposed_model` into a trace."""
    if not make_schedule(model, model.layout.timesteps(inputs)).is_steady:
        return as_window_trace(model, outputs)
    count = len(model.outputs)
    output = beside([values.reshape(*values.shape[:2], -1) for values in outputs[:count]])
    arrays = (*outputs[count:], output)
    return Trace(tuple(TraceArray(name, values) for name, values in zip(array_names(model), arrays, strict=True)))


def _litert(data: bytes) -> Invoke:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    return _lite_invoke(Interpreter, OpResolverType, data)


def _tflite_runtime(data: bytes) -> Invoke:
    from tflite_runtime.interpreter import Interpreter, OpResolverType

    return _lite_invoke(Interpreter, OpResolverType, data)


def _lite_invoke(interpreter_class: Any, resolver: Any, data: bytes) -> Invoke:
    interpreter = interpreter_class(
        model_content=data, experimental_op_resolver_type=resolver.BUILTIN_REF, num_threads=1
    )
    interpreter.allocate_tensors()
    sources = [detail["index"] for detail in interpreter.get_input_details()]
    results = [detail["index"] for detail in interpreter.get_output_details()]

    def invoke(*inputs: IntArray) -> list[IntArray]:
        for source, values in zip(sources, inputs, strict=True):
            interpreter.set_tensor(source, values)
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in results]

    return invoke


def _tflm(data: bytes) -> Invoke:
    with _quiet_logging():
        from tflite_micro.python.tflite_micro import runtime

    outputs = _output_count(data)
    interpreter = runtime.Interpreter.from_bytes(data, arena_size=_TFLM_ARENA_BYTES)

    def invoke(*inputs: IntArray) -> list[IntArray]:
        for index, values in enumerate(inputs):
            interpreter.set_input(values, index)
        interpreter.invoke()
        return [np.array(interpreter.get_output(index)) for index in range(outputs)]

    return invoke


def _output_count(data: bytes) -> int:
    return len(read_tflite(data).outputs)


@contextmanager
def _quiet_logging() -> Iterator[None]:
    """The wheel configures the root logger when imported; put its handlers back."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


LITERT = Oracle("LiteRT BUILTIN_REF", "ai-edge-litert", "ai_edge_litert.interpreter", Contract.LITERT, _litert)
TFLITE_RUNTIME = Oracle(
    "tflite-runtime BUILTIN_REF",
    "tflite-runtime",
    "tflite_runtime.interpreter",
    Contract.LITERT,
    _tflite_runtime,
    inexact_kinds=frozenset({"dense"}),
    supports_numpy_2=False,
)
TFLM = Oracle("tflite_micro", "tflite-micro", "tflite_micro.python.tflite_micro.runtime", Contract.TFLM, _tflm)

ORACLES = (LITERT, TFLITE_RUNTIME, TFLM)
