"""Run as a process of its own: saves models in which a mask meets a layer or an operation, and what Keras predicts.

    python save_masked.py keras|tf_keras FOLDER

Each is written as FOLDER/<name>.keras, its predictions for FOLDER/inputs.npy as FOLDER/<name>.npy; what this Keras
builds no model of is left out.
"""

import importlib
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

keras: Any = importlib.import_module(sys.argv[1])
layers: Any = keras.layers

TIMESTEPS, FEATURES = 6, 4


def normalization(axis: int = -1) -> Any:
    return layers.Normalization(axis=axis, mean=[1.0, 2.0, 3.0, 4.0], variance=[1.0, 2.0, 3.0, 4.0])


def sequences(**options: Any) -> Any:
    return layers.SimpleRNN(FEATURES, return_sequences=True, **options)


def last() -> Any:
    """SimpleRNN is what Keras builds fastest."""
    return layers.SimpleRNN(2)


STACKS: Mapping[str, Callable[[], Sequence[Any]]] = {
    "nothing": lambda: [layers.LSTM(2)],
    "dense": lambda: [layers.Dense(3, activation="tanh"), last()],
    "classes": lambda: [layers.Dense(3, activation="softmax"), last()],
    "batch_normalization": lambda: [layers.BatchNormalization(), last()],
    "layer_normalization": lambda: [layers.LayerNormalization(), last()],
    "normalization": lambda: [normalization(), last()],
    "rescaling": lambda: [layers.Rescaling(2.0, 1.0), last()],
    "activations": lambda: [layers.Activation("tanh"), layers.LeakyReLU(), layers.ReLU(), last()],
    "linear": lambda: [layers.Activation("linear"), last()],
    "noise": lambda: [
        layers.Dropout(0.1),
        layers.SpatialDropout1D(0.1),
        layers.AlphaDropout(0.1),
        layers.GaussianNoise(0.1),
        layers.GaussianDropout(0.1),
        layers.ActivityRegularization(),
        last(),
    ],
    "dense_by_step": lambda: [layers.TimeDistributed(layers.Dense(3)), last()],
    "flatten_by_step": lambda: [layers.TimeDistributed(layers.Flatten()), last()],
    "normalization_by_step": lambda: [layers.TimeDistributed(normalization(1)), last()],
    "recurrent": lambda: [layers.GRU(3, return_sequences=True), sequences(), last()],
    "both_ways": lambda: [layers.Bidirectional(last())],
    "both_ways_sequences": lambda: [layers.Bidirectional(sequences()), last()],
    "backwards": lambda: [layers.GRU(2, go_backwards=True)],
    "backwards_steps": lambda: [sequences(go_backwards=True)],
    "backwards_sequences": lambda: [sequences(go_backwards=True), last()],
    "backwards_dense": lambda: [sequences(go_backwards=True), layers.Dense(3), last()],
    "backwards_mean": lambda: [sequences(go_backwards=True), layers.GlobalAveragePooling1D()],
    "mean": lambda: [layers.Dense(3), layers.GlobalAveragePooling1D()],
    "maximum": lambda: [layers.Dense(3), layers.GlobalMaxPooling1D()],
    "convolution": lambda: [layers.Conv1D(3, 2, padding="same"), last()],
    "flatten": lambda: [layers.Dense(3), layers.Flatten()],
    "reshape": lambda: [layers.Reshape((TIMESTEPS, FEATURES)), last()],
    "reshape_and_dense": lambda: [layers.Dense(3), layers.Reshape((-1, 3)), layers.Dense(3), last()],
    "reshape_to_vector": lambda: [layers.Dense(3), layers.Reshape((-1,))],
    "softmax": lambda: [layers.Softmax(), last()],
    "repeat": lambda: [last(), layers.RepeatVector(3), last()],
    "nested": lambda: [keras.Sequential([layers.Dense(3), sequences()]), last()],
    "nested_reshape": lambda: [keras.Sequential([layers.Reshape((TIMESTEPS, FEATURES))]), last()],
}
"""What reads a Masking."""

GRAPHS: Mapping[str, Callable[[Any], Any]] = {
    "layer_add": lambda masked: last()(layers.Add()([masked, layers.Dense(FEATURES)(masked)])),
    "layer_multiply": lambda masked: last()(layers.Multiply()([masked, sequences()(masked)])),
    "layer_concatenate": lambda masked: last()(layers.Concatenate()([masked, layers.Dense(3)(masked)])),
    "plus": lambda masked: last()(masked + layers.Dense(FEATURES)(masked)),
    "plus_behind_recurrent": lambda masked: last()(masked + sequences()(masked)),
    "plus_and_mean": lambda masked: layers.GlobalAveragePooling1D()(masked + layers.Dense(FEATURES)(masked)),
    "times": lambda masked: last()(masked * layers.Dense(FEATURES, activation="sigmoid")(masked)),
    "plus_of_vectors": lambda masked: last()(masked) + last()(masked),
    "concatenated": lambda masked: last()(keras.ops.concatenate([masked, layers.Dense(3)(masked)], axis=-1)),
    "softmax_operation": lambda masked: last()(keras.ops.softmax(masked)),
    "reshaped_beside": lambda masked: last()(
        layers.Concatenate()([layers.Dense(3)(masked), layers.Reshape((TIMESTEPS, FEATURES))(masked)])
    ),
    "reshaped_alone": lambda masked: last()(layers.Reshape((TIMESTEPS, FEATURES))(masked)),
    "backwards_state": lambda masked: sequences(go_backwards=True, return_state=True)(masked)[1],
    "query": lambda masked: last()(layers.Attention()([masked, layers.Dense(FEATURES)(masked)])),
    "in_a_model_by_step": lambda masked: last()(layers.TimeDistributed(residual_of_steps())(masked)),
}
"""What is made of a masked sequence."""


def residual_of_steps() -> Any:
    inputs = layers.Input((FEATURES,))
    return keras.Model(inputs, inputs + layers.Dense(FEATURES)(inputs))


def query_alone() -> Any:
    """A mask of what asks, and none of what is asked."""
    inputs = layers.Input((TIMESTEPS, FEATURES))
    return keras.Model(inputs, last()(layers.Attention()([layers.Masking(name="mask")(inputs), inputs])))


def normalized_padding() -> Any:
    """What is padded with the means is masked behind the layer that takes them away."""
    return keras.Sequential(
        [
            layers.Input((TIMESTEPS, FEATURES)),
            layers.Rescaling(0.7, 33.1),
            layers.Normalization(mean=[33.1] * FEATURES, variance=[1.3, 0.01, 7.7, 3.0]),
            layers.Masking(name="mask"),
            last(),
        ]
    )


def one_step() -> Any:
    return keras.Sequential(
        [layers.Input((1, FEATURES)), layers.Masking(name="mask"), layers.Dense(3), layers.Flatten()]
    )


WHOLE: Mapping[str, Callable[[], Any]] = {
    "query_alone": query_alone,
    "normalized_padding": normalized_padding,
    "one_step": one_step,
}


def sequential(build: Callable[[], Sequence[Any]]) -> Any:
    return keras.Sequential([layers.Input((TIMESTEPS, FEATURES)), layers.Masking(name="mask"), *build()])


def functional(build: Callable[[Any], Any]) -> Any:
    inputs = layers.Input((TIMESTEPS, FEATURES))
    return keras.Model(inputs, build(layers.Masking(name="mask")(inputs)))


def save(model: Any, path: Path, inputs: Any) -> None:
    rng = np.random.default_rng(len(path.name))
    model.set_weights([rng.uniform(0.1, 0.9, value.shape).astype(value.dtype) for value in model.get_weights()])
    outputs = model(inputs[:, : model.input_shape[1]], training=False)
    model.save(path.with_suffix(".keras"))
    np.save(path.with_suffix(".npy"), np.asarray(outputs))


def main(folder: Path) -> None:
    inputs = np.random.default_rng(1).normal(size=(3, TIMESTEPS, FEATURES)).astype(np.float32)
    inputs[0, :2] = inputs[1, 3] = inputs[2, 4:] = 0.0
    np.save(folder / "inputs.npy", inputs)
    models: dict[str, Callable[[], Any]] = {**WHOLE}
    models |= {name: partial(sequential, build) for name, build in STACKS.items()}
    models |= {name: partial(functional, build) for name, build in GRAPHS.items()}
    for name, build in models.items():
        try:
            save(build(), folder / name, inputs)
        except (AttributeError, TypeError, ValueError) as error:
            print(f"{name}: {error}")


if __name__ == "__main__":
    main(Path(sys.argv[2]))
