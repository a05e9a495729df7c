"""Run as a process of its own: saves models of every kind with one of the two Keras implementations.

    python save_models.py keras|tf_keras FOLDER

Each model is written as FOLDER/<name>.keras and, where that Keras can, .h5; its weights as FOLDER/<name>.npz
with a key "<layer>#<index>" for each array, layers of nested models as "<model>/<layer>".
"""

import contextlib
import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

keras: Any = importlib.import_module(sys.argv[1])
layers: Any = keras.layers
SEQUENCE = (5, 3)


@keras.saving.register_keras_serializable(package="MyPackage")
class Custom(layers.Layer):
    def call(self, inputs):
        return inputs


@keras.saving.register_keras_serializable(package="MyPackage")
def custom_activation(values):
    return values


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.inner = layers.LSTM(2)

    def call(self, inputs):
        return self.inner(inputs)


def sequential(*stack: Any, shape: tuple[int | None, ...] = SEQUENCE) -> Any:
    return keras.Sequential([layers.Input(shape), *stack])


def functional(build: Callable[[Any], Any], shape: tuple[int | None, ...] = SEQUENCE) -> Any:
    inputs = layers.Input(shape, name="samples")
    return keras.Model(inputs, build(inputs))


def stacked() -> Any:
    model = sequential(
        layers.LSTM(4, return_sequences=True, name="zz"),
        layers.Dropout(0.2),
        layers.LSTM(3, name="aa", use_bias=False),
        layers.Dense(6, activation="relu", name="dense_7"),
        layers.Activation("tanh"),
        layers.Dense(2, activation="softmax", use_bias=False, name="dense_1"),
    )
    model.compile("adam", "mse")
    model.optimizer.build(model.trainable_variables)
    return model


def many_of_one_class() -> Any:
    return sequential(*(layers.LSTM(2, return_sequences=True, name=f"lstm_{11 - n}") for n in range(12)))


def time_distributed() -> Any:
    def build(inputs):
        hidden = layers.LSTM(4, return_sequences=True)(inputs)
        scores = layers.TimeDistributed(layers.Dense(2, name="inner"), name="per_step")(hidden)
        return layers.Dense(3, name="plain")(scores)

    return functional(build, (None, 3))


def nested() -> Any:
    encoder = keras.Sequential([layers.Input(SEQUENCE), layers.LSTM(4, name="recurrent")], name="encoder")
    inputs = layers.Input((4,))
    head = keras.Model(inputs, layers.Dense(2, name="recurrent_2")(layers.Dense(3)(inputs)), name="head")
    return functional(lambda samples: head(encoder(samples)))


def stateful() -> Any:
    inputs = layers.Input(batch_shape=(2, 5, 3)) if sys.argv[1] == "keras" else layers.Input((5, 3), 2)
    return keras.Model(inputs, layers.LSTM(4, stateful=True)(inputs))


def built_late() -> Any:
    model = keras.Sequential([layers.LSTM(4, return_sequences=True), layers.LSTM(3)])
    model.build((None, 5, 3))
    return model


def double_precision() -> Any:
    return sequential(layers.LSTM(4, dtype="float64"), layers.Dense(2, dtype="float64"))


def with_states() -> Any:
    def build(inputs):
        sequence, hidden, cell = layers.LSTM(3, return_sequences=True, return_state=True, name="a")(inputs)
        return layers.LSTM(3, name="b")(sequence, initial_state=[hidden, cell])

    return functional(build)


def branched() -> Any:
    def build(inputs):
        hidden = layers.LSTM(3, name="trunk")(inputs)
        left, right = layers.Dense(2, name="left")(hidden), layers.Dense(2, name="right")(hidden)
        return layers.Add(name="sum")([left, right])

    return functional(build)


def two_ends() -> Any:
    """Inputs of lengths that do not go together, outputs of which one is an input."""
    first, second = layers.Input(SEQUENCE, name="first"), layers.Input((None, 2), name="second")
    longer = layers.Input((40000, 2), name="long")
    read = {"one": first, "two": second, "three": longer}
    outputs = [*(layers.LSTM(2, name=name)(source) for name, source in read.items()), first]
    return keras.Model([first, second, longer], outputs)


def two_masks() -> Any:
    def build(inputs):
        zeros, ones = layers.Masking(name="zeros")(inputs), layers.Masking(1.0, name="ones")(inputs)
        return layers.LSTM(3)(layers.Concatenate(name="both")([zeros, ones]))

    return functional(build)


def mask_and_none() -> Any:
    def build(inputs):
        masked = layers.Masking(name="mask")(inputs)
        return layers.LSTM(3)(layers.Concatenate(name="both")([masked, layers.Dense(2)(inputs)]))

    return functional(build)


def masked_from_states() -> Any:
    samples, context = layers.Input(SEQUENCE, name="samples"), layers.Input((4,), name="context")
    masked = layers.Masking(name="mask")(samples)
    hidden = layers.GRU(4, return_sequences=True, name="first")(masked, initial_state=context)
    return keras.Model([samples, context], layers.GRU(3)(hidden))


def shared() -> Any:
    layer = layers.LSTM(3, return_sequences=True, name="twice")
    return functional(lambda inputs: layer(layer(inputs)))


def subclassed() -> Any:
    model = Subclassed()
    model(np.zeros((1, *SEQUENCE), np.float32))
    return model


def many_problems() -> Any:
    return sequential(
        layers.LSTM(4, return_sequences=True, activation="relu", name="first"),
        layers.GroupNormalization(groups=1, name="norm"),
        layers.Bidirectional(layers.LSTM(3, activation="relu"), name="both"),
        layers.Dense(2, activation=custom_activation, name="head"),
        Custom(name="mine"),
        layers.Lambda(lambda values: values * 2, name="code"),
    )


MODELS: Mapping[str, Callable[[], Any]] = {
    "stacked": stacked,
    "many_of_one_class": many_of_one_class,
    "time_distributed": time_distributed,
    "nested": nested,
    "stateful": stateful,
    "built_late": built_late,
    "double_precision": double_precision,
    "with_states": with_states,
    "branched": branched,
    "two_ends": two_ends,
    "two_masks": two_masks,
    "mask_and_none": mask_and_none,
    "masked_from_states": masked_from_states,
    "shared": shared,
    "many_problems": many_problems,
    "channels_first": lambda: sequential(
        layers.Conv2D(3, 3, data_format="channels_first", padding="same", name="first"),
        layers.MaxPooling2D(2, data_format="channels_first", name="second"),
        layers.GroupNormalization(groups=1, name="unknown"),
        layers.Reshape((3, -1)),
        layers.LSTM(2),
        shape=(2, 8, 6),
    ),
    "masked": lambda: sequential(layers.Masking(name="mask"), layers.LSTM(3)),
    "wrapped": lambda: sequential(layers.TimeDistributed(layers.LSTM(2), name="wrap"), layers.LSTM(3), shape=(5, 4, 3)),
    "vector_input": lambda: sequential(layers.Dense(2), shape=(3,)),
    "training": lambda: functional(
        lambda inputs: layers.Dropout(0.5, name="drop")(layers.LSTM(2)(inputs), training=True)
    ),
    "scores": lambda: functional(
        lambda inputs: layers.Attention(name="look")([inputs, inputs], return_attention_scores=True)[0]
    ),
    "half_precision": lambda: sequential(layers.LSTM(2, dtype="mixed_float16", name="half")),
    "unbuilt": lambda: keras.Sequential([layers.LSTM(2)]),
    "subclassed": subclassed,
}
if keras.__version__ < "3":
    # Keras 3 takes nothing but tensors by position.
    MODELS["training_by_position"] = lambda: functional(
        lambda inputs: layers.Dropout(0.5, name="drop")(layers.LSTM(2)(inputs), True)
    )


def flat(model: Any, prefix: str = "") -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            found |= flat(layer, f"{prefix}{layer.name}/")
        else:
            found[prefix + layer.name] = layer.get_weights()
    return found


def randomize(model: Any, seed: int) -> None:
    rng = np.random.default_rng(seed)
    model.set_weights([rng.normal(size=value.shape).astype(value.dtype) for value in model.get_weights()])


def save(name: str, folder: Path) -> None:
    keras.backend.clear_session()
    model = MODELS[name]()
    if model.built:
        randomize(model, len(name))
        weights = flat(model)
        named = {f"{layer}#{n}": value for layer, arrays in weights.items() for n, value in enumerate(arrays)}
        np.savez(folder / f"{name}.npz", **named)
    model.save(folder / f"{name}.keras")
    # tf_keras writes no .h5 of an unbuilt or subclassed model.
    with contextlib.suppress(ValueError, NotImplementedError):
        model.save(folder / f"{name}.h5")


if __name__ == "__main__":
    for model_name in MODELS:
        save(model_name, Path(sys.argv[2]))
