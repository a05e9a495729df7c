"""The one Keras layer that a network of fake ops is, and the Keras model around it.

Its classes are made in functions, because Keras is imported only where something is trained.
"""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from edgelstm.ir import AnyArray, FloatArray
from edgelstm.training.qat.fake_op import FakeOp
from edgelstm.training.qat.provenance import Field, Source, Sums
from edgelstm.training.qat.straight import Straight, Tensor


def training_model(keras: ModuleType, layer: Any) -> Any:
    """A Keras model that yields the layer's real outputs."""

    class Training(keras.Model):  # type: ignore[misc, name-defined]
        """The layer, to be compiled with a loss."""

        def __init__(self) -> None:
            super().__init__(dtype="float64")
            self.integers = layer

        def call(self, inputs: Sequence[Tensor]) -> Tensor:
            return self.integers(inputs)[0]

    return Training()


def integers_layer(
    keras: ModuleType,
    input_names: Sequence[str],
    fakes: Sequence[FakeOp[Any]],
    sources: Mapping[Field, Sequence[Source | Sums]],
    arrays: Mapping[int, FloatArray],
    numbers: Mapping[str, AnyArray],
    end: str,
) -> Any:
    """The network as one Keras layer, which owns the variables.

    Args:
        keras: the module.
        input_names: of the tensors that it is called with.
        fakes: in order of execution.
        sources: where trained numbers come from.
        arrays: of the Keras file, by their numbers: the trainable variables.
        numbers: integers and scales, by "<op>:<name>": variables that `FakeNetwork.refresh` sets.
        end: the tensor that it yields.
    """
    straight = Straight(keras)

    class Integers(keras.layers.Layer):  # type: ignore[misc, name-defined]
        """From stored inputs by name to (real, stored) outputs."""

        def __init__(self) -> None:
            super().__init__(dtype="float64", autocast=False)
            self.arrays = {
                number: self._variable(values, "float32", trainable=True) for number, values in arrays.items()
            }
            self.numbers = {
                name: self._variable(values, "float64", trainable=False) for name, values in numbers.items()
            }

        def _variable(self, values: AnyArray, dtype: str, *, trainable: bool) -> Any:
            def initial(shape: Any, dtype: Any = None) -> Any:
                return keras.ops.convert_to_tensor(values, dtype=dtype)

            return self.add_weight(shape=values.shape, dtype=dtype, initializer=initial, trainable=trainable)

        def call(self, inputs: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
            values: dict[str, Tensor] = dict(zip(input_names, inputs, strict=True))
            for fake in fakes:
                constants, weights = self._of(fake)
                taken = tuple(values[tensor.name] for tensor in fake.op.inputs)
                values |= fake.call(straight, constants, weights, taken)
            stored = values[end]
            real = (stored - self._number(":zero")) * self._number(":scale")
            return keras.ops.cast(real, "float32"), stored

        def _number(self, name: str) -> Tensor:
            return keras.ops.convert_to_tensor(self.numbers[name])

        def _of(self, fake: FakeOp[Any]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
            start = f"{fake.op.name}:"
            own = {name[len(start) :]: self._number(name) for name in self.numbers if name.startswith(start)}
            return own, {name: self._weight(fake, name, own) for name in fake.trained}

        def _weight(self, fake: FakeOp[Any], name: str, own: Mapping[str, Tensor]) -> Tensor:
            of = [(source, self.arrays[source.array]) for source in sources[fake.op.output.name, name]]
            stored = own[f"{name}.stored"]
            scaled = _trained(keras, of) / own[f"{name}.scale"] + own[f"{name}.zero"]
            return straight.through(stored, scaled + keras.ops.zeros_like(stored))

    return Integers()


def _trained(keras: ModuleType, sources: Sequence[tuple[Source | Sums, Any]]) -> Tensor:
    """The sum of what sources take of their arrays."""
    total = 0.0
    for source, array in sources:
        total = total + source.of(keras.ops, keras.ops.reshape(keras.ops.cast(array, "float64"), (-1,)))
    return total
