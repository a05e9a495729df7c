"""A quantized model as a Keras network: the deployed integers forward, gradients to the arrays of the Keras file."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import AnyArray, FloatArray, FloatModel, IntArray, Model, Op
from edgelstm.ops.activation import Activation
from edgelstm.ops.embedding import known_ids
from edgelstm.ops.softmax import Softmax
from edgelstm.simulate import real_outputs, stored_inputs
from edgelstm.training.qat.fake_op import FakeOp
from edgelstm.training.qat.keras_layer import integers_layer, training_model
from edgelstm.training.qat.provenance import Rebuild, find_sources
from edgelstm.training.qat.registry import FAKE_OPS

PREDICT_BATCH = 256


def require_trainable(model: Model, head: Op | None) -> None:
    """Raise UnsupportedModelError naming every op that cannot be trained in integers."""
    problems = []
    for op in model.ops:
        if op is head:
            continue
        kind = FAKE_OPS.get(type(op))
        found = ["has no integer arithmetic with gradients"] if kind is None else kind(op, model.contract).problems()
        problems += [f'layer "{op.name}" ({type(op).__name__}): {problem}' for problem in found]
    if len(model.outputs) > 1:
        problems.append(f"the model has {len(model.outputs)} outputs; one can be trained")
    if problems:
        raise UnsupportedModelError(
            problems, "quantize the model without fine-tuning; what it is trained on must be what the chip computes"
        )


def head_of(model: Model, *, decides: bool) -> Op | None:
    """The last op where it only turns sums into probabilities, which a loss does better itself; `decides` is whether
    the targets are classes or decisions."""
    last = next(op for op in model.ops if op.output.name == model.outputs[0].name)
    is_sigmoid = isinstance(last, Activation) and last.function == "sigmoid"
    return last if decides and (isinstance(last, Softmax) or is_sigmoid) else None


@dataclass(eq=False)
class FakeNetwork:
    """The network.

    Attributes:
        keras: the module.
        model: the quantized model whose integers it holds now.
        head: see `head_of`.
        training: a Keras model from stored inputs, in the order of the model's, to real outputs before the head.
    """

    keras: ModuleType
    model: Model
    head: Op | None
    training: Any
    _layer: Any
    _fakes: Sequence[FakeOp[Any]]
    _last: dict[str, AnyArray]

    @classmethod
    def of(
        cls,
        keras: ModuleType,
        rebuild: Rebuild,
        arrays: Sequence[FloatArray],
        is_trained: Sequence[bool],
        model: Model,
        head: Op | None,
    ) -> "FakeNetwork":
        """Build it.

        Args:
            keras: the module.
            rebuild: the float model of other arrays.
            arrays: of the Keras file.
            is_trained: which of them may change.
            model: what `arrays` quantize to.
            head: see `head_of`.

        Raises:
            UnsupportedModelError: see `require_trainable`.
        """
        require_trainable(model, head)
        fakes = [FAKE_OPS[type(op)](op, model.contract) for op in model.ops if op is not head]
        fields = [(fake.op.output.name, name) for fake in fakes for name in fake.trained]
        sources = find_sources(rebuild, arrays, is_trained, fields)
        trained = sorted({source.array for found in sources.values() for source in found})
        end = model.outputs[0] if head is None else head.input
        numbers = _numbers(fakes, rebuild(arrays), model, end.name)
        names = [tensor.name for tensor in model.inputs]
        own = {number: arrays[number] for number in trained}
        layer = integers_layer(keras, names, fakes, sources, own, numbers, end.name)
        return cls(keras, model, head, training_model(keras, layer), layer, fakes, numbers)

    def weights(self) -> dict[int, FloatArray]:
        """The trained arrays as they are now, by their numbers."""
        return {
            number: np.asarray(self.keras.ops.convert_to_numpy(variable))
            for number, variable in self._layer.arrays.items()
        }

    def set_weights(self, arrays: Sequence[FloatArray]) -> None:
        """Take the trained ones of a file's arrays."""
        for number, variable in self._layer.arrays.items():
            variable.assign(arrays[number])

    def refresh(self, float_model: FloatModel, model: Model) -> None:
        """Take the integers that the trained arrays quantize to now."""
        by_name = {op.name: op for op in model.ops}
        self.model = model
        self.head = None if self.head is None else by_name[self.head.name]
        end = model.outputs[0] if self.head is None else self.head.input
        for name, values in _numbers(self._fakes, float_model, model, end.name).items():
            if not np.array_equal(values, self._last[name]):
                self._layer.numbers[name].assign(values)
                self._last[name] = values

    def feed(self, stored: IntArray) -> list[AnyArray]:
        """What the network takes, of stored inputs laid out as the model's `layout` says."""
        parts = self.model.layout.split(stored)
        return [
            (known_ids(parts[one.name], one.vocabulary) if one.vocabulary else parts[one.name]).astype(np.float64)
            for one in self.model.inputs
        ]

    def outputs(self, x: FloatArray) -> FloatArray:
        """Real outputs (N, C) or (N, T, C) of real inputs, as the deployed model answers."""
        stored = stored_inputs(self.model, x)
        batches = [stored[start : start + PREDICT_BATCH] for start in range(0, len(stored), PREDICT_BATCH)]
        results = [self._layer(self.feed(batch))[1] for batch in batches]
        values = np.rint(np.concatenate([self.keras.ops.convert_to_numpy(one) for one in results])).astype(np.int64)
        if self.head is not None:
            flat = values.reshape(-1, values.shape[-1]).astype(np.int8)
            answered, _ = self.head.step(self.model.contract, (flat,), ())
            values = answered.reshape(*values.shape[:-1], -1).astype(np.int64)
        return real_outputs(self.model, values)


def _numbers(fakes: Sequence[FakeOp[Any]], float_model: FloatModel, model: Model, end: str) -> dict[str, AnyArray]:
    """All integers and scales, float64, by "<op>:<name>"."""
    layers = {layer.output.name: layer for layer in float_model.layers}
    ops = {op.name: op for op in model.ops}
    found: dict[str, AnyArray] = {}
    for fake in fakes:
        op = ops[fake.op.name]
        for name, values in fake.constants(op).items():
            found[f"{op.name}:{name}"] = values.astype(np.float64)
        if fake.trained:
            for name, one in fake.rounded(layers[op.output.name], op).items():
                found[f"{op.name}:{name}.stored"] = one.stored.astype(np.float64)
                found[f"{op.name}:{name}.scale"] = np.asarray(one.scale, np.float64)
                found[f"{op.name}:{name}.zero"] = np.array(float(one.zero_point))
    tensors = {tensor.name: tensor for op in model.ops for tensor in (op.output,)}
    found[":scale"] = np.array(tensors[end].quantization.scale)
    found[":zero"] = np.array(float(tensors[end].quantization.zero_point))
    return found
