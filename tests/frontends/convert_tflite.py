"""Run as a process of its own: models of Keras, converted by TensorFlow's own converter.

    python convert_tflite.py keras|tf_keras FOLDER [NAME ...]

Writes FOLDER/<implementation>_<name>.tflite. The files in `converted/` were made so; the tests read those, because a
conversion takes seconds, and convert a few anew. Weights and calibration data follow from the name.
"""

import importlib
import os
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

os.environ["TF_USE_LEGACY_KERAS"] = "1" if sys.argv[1] == "tf_keras" else "0"
keras: Any = importlib.import_module(sys.argv[1])
tf: Any = importlib.import_module("tensorflow")
layers: Any = keras.layers

FEATURES = 3
TIMESTEPS = 6
SHORT = 4
"""Steps of a model that the converter writes out step by step."""

CALIBRATION = 24


@dataclass(frozen=True)
class Conversion:
    """A model and what the converter shall make of it.

    Attributes:
        build: makes the model.
        mode: "int8", "float", "dynamic" or "float16".
        ends: the type of inputs and outputs of an int8 model.
        spread: standard deviation of weights.
    """

    build: Callable[[], Any]
    mode: str = "int8"
    ends: str = "int8"
    spread: float = 0.5


def source(timesteps: int, batch: int | None, features: tuple[int, ...] = (FEATURES,)) -> Any:
    if sys.argv[1] == "keras":
        return layers.Input(batch_shape=(batch, timesteps, *features))
    return layers.Input((timesteps, *features), batch_size=batch)


def chain(*stack: Callable[[], Any], timesteps: int = TIMESTEPS, batch: int | None = 1) -> Callable[[], Any]:
    return lambda: keras.Sequential([source(timesteps, batch), *(make() for make in stack)])


def over_image(*stack: Callable[[], Any]) -> Callable[[], Any]:
    return lambda: keras.Sequential([source(8, 1, (6, 2)), *(make() for make in stack)])


def conv2d(filters: int, size: Any, **options: Any) -> Callable[[], Any]:
    return lambda: layers.Conv2D(filters, size, **options)


def reshape(*shape: int) -> Callable[[], Any]:
    return lambda: layers.Reshape(shape)


def graph(build: Callable[[Any], Any]) -> Callable[[], Any]:
    def make() -> Any:
        inputs = source(TIMESTEPS, 1)
        return keras.Model(inputs, build(inputs))

    return make


def lstm(units: int, **options: Any) -> Callable[[], Any]:
    return lambda: layers.LSTM(units, **options)


def sequence(units: int, **options: Any) -> Callable[[], Any]:
    return lstm(units, return_sequences=True, **options)


def dense(units: int, activation: Any = None, **options: Any) -> Callable[[], Any]:
    return lambda: layers.Dense(units, activation=activation, **options)


def merged(one: Any, other: Any) -> Any:
    parts = [layers.Add()([one, other]), layers.Multiply()([one, other]), one]
    return layers.Dense(2)(layers.Concatenate()(parts))


def swapped(inputs: Any) -> Any:
    return layers.Lambda(lambda values: tf.transpose(values, [1, 0, 2]))(inputs)


def time_major(inputs: Any) -> Any:
    hidden = layers.LSTM(4, return_sequences=True, time_major=True)(swapped(inputs))
    return layers.Dense(2)(swapped(hidden))


def batch_is_time(inputs: Any) -> Any:
    return layers.LSTM(4, return_sequences=True, time_major=True)(inputs)


def sliced(inputs: Any) -> Any:
    hidden = layers.LSTM(4, return_sequences=True)(inputs)
    return layers.Add()([layers.Dense(2)(hidden[:, -1]), layers.Dense(2)(layers.Flatten()(hidden[:, -1:, :]))])


def attending(inputs: Any) -> Any:
    """Attention of a sequence on itself, scaled on another, and spelled out for its end."""
    hidden = layers.LSTM(4, return_sequences=True)(inputs)
    seen = layers.Attention()([hidden, hidden])
    scaled = layers.Attention(use_scale=True)([layers.Dense(4)(seen), hidden, layers.Dense(4)(hidden)])
    query = layers.Dense(4)(layers.LSTM(3)(scaled))
    weights = layers.Softmax()(layers.Dot(axes=[1, 2])([query, hidden]))
    return layers.Dense(2)(layers.Dot(axes=[1, 1])([weights, hidden]))


INTEGER: Mapping[str, Conversion] = {
    "last": Conversion(chain(lstm(5))),
    "saturated": Conversion(chain(sequence(5), lstm(4), dense(3)), spread=3.0),
    "one_unit": Conversion(chain(lstm(1), dense(1))),
    "sequence": Conversion(chain(sequence(5))),
    "stacked": Conversion(chain(sequence(6), lstm(4), dense(3, "softmax"))),
    "head": Conversion(chain(lstm(5), dense(4, "relu"), dense(3, "tanh"), dense(2, "sigmoid"))),
    "relu6": Conversion(chain(lstm(5), lambda: layers.Dense(4, activation=tf.nn.relu6), dense(2, use_bias=False))),
    "leaky": Conversion(chain(lstm(5), dense(4), lambda: layers.LeakyReLU(0.2))),
    "per_step": Conversion(
        chain(sequence(5), lambda: layers.TimeDistributed(layers.Dense(3, activation="relu")), dense(2, "softmax"))
    ),
    "dense_first": Conversion(chain(dense(4, "tanh"), sequence(5), dense(3))),
    "branches": Conversion(graph(lambda x: merged(layers.LSTM(5)(x), layers.LSTM(5)(x)))),
    "branches_of_steps": Conversion(
        graph(lambda x: merged(layers.LSTM(5, return_sequences=True)(x), layers.Dense(5)(x)))
    ),
    "add_relu": Conversion(graph(lambda x: layers.ReLU()(layers.Add()([layers.LSTM(4)(x), layers.LSTM(4)(x)])))),
    "time_major": Conversion(graph(time_major)),
    "batch_is_time": Conversion(graph(batch_is_time)),
    "sliced": Conversion(graph(sliced)),
    "batch_norm": Conversion(chain(layers.BatchNormalization, sequence(5), layers.BatchNormalization, lstm(4))),
    "rescaled": Conversion(chain(lambda: layers.Rescaling(0.5, 0.1), lstm(4))),
    "mean": Conversion(chain(sequence(5), layers.GlobalAveragePooling1D, dense(2))),
    "conv_same": Conversion(
        chain(
            lambda: layers.Conv1D(5, 3, padding="same", activation="relu"),
            layers.BatchNormalization,
            lambda: layers.MaxPooling1D(2),
            lstm(4),
        )
    ),
    "conv_causal": Conversion(
        chain(
            lambda: layers.Conv1D(5, 2, padding="causal", dilation_rate=2),
            lambda: layers.AveragePooling1D(2, strides=1),
            lambda: layers.SeparableConv1D(4, 2, activation="relu6"),
            lstm(4),
        )
    ),
    "image_of_features": Conversion(
        chain(
            reshape(TIMESTEPS, FEATURES, 1),
            conv2d(4, (3, 2), padding="same", activation="relu"),
            lambda: layers.MaxPooling2D((2, 1)),
            reshape(TIMESTEPS // 2, 4 * FEATURES),
            lstm(4),
            dense(2),
        )
    ),
    "image_normalized": Conversion(
        over_image(
            conv2d(4, 3, padding="same", use_bias=False),
            layers.BatchNormalization,
            layers.ReLU,
            lambda: layers.AveragePooling2D((1, 2)),
            conv2d(5, (2, 3), strides=(2, 1), activation="relu"),
            layers.BatchNormalization,
            lambda: layers.TimeDistributed(layers.Flatten()),
            lstm(4),
        )
    ),
    "image_depthwise": Conversion(
        over_image(
            lambda: layers.ZeroPadding2D(((2, 0), (1, 2))),
            lambda: layers.DepthwiseConv2D(3, depth_multiplier=2),
            lambda: layers.Activation("tanh"),
            lambda: layers.SeparableConv2D(3, (2, 2), padding="same"),
            lambda: layers.LeakyReLU(0.1),
            layers.Flatten,
            dense(3),
        )
    ),
    "bidirectional": Conversion(
        chain(
            lambda: layers.Bidirectional(layers.LSTM(4, return_sequences=True)),
            lambda: layers.Bidirectional(layers.LSTM(3)),
            dense(2),
        )
    ),
    "attending": Conversion(graph(attending)),
    "float_ends": Conversion(chain(sequence(5), dense(2)), ends="float32"),
    "uint8_ends": Conversion(chain(lstm(4), dense(2, "softmax")), ends="uint8"),
    "unrolled_int8": Conversion(chain(lstm(3, unroll=True), timesteps=SHORT)),
}

FLOAT: Mapping[str, Conversion] = {
    "unrolled": Conversion(chain(lstm(4, unroll=True), timesteps=SHORT), "float"),
    "unrolled_sequence": Conversion(chain(sequence(3, unroll=True), timesteps=SHORT), "float"),
    "unrolled_stack": Conversion(
        chain(sequence(4, unroll=True), lstm(3, unroll=True), dense(2, "softmax"), timesteps=SHORT), "float"
    ),
    "unrolled_any_batch": Conversion(chain(lstm(3, unroll=True), dense(2), timesteps=SHORT, batch=None), "float"),
    "unrolled_without_bias": Conversion(
        chain(sequence(3, unroll=True, use_bias=False), lstm(3, unroll=True), timesteps=SHORT), "float"
    ),
    "unrolled_gru": Conversion(
        chain(
            lambda: layers.GRU(4, unroll=True, return_sequences=True),
            lambda: layers.GRU(3, unroll=True, reset_after=False),
            timesteps=SHORT,
        ),
        "float",
    ),
    "loop": Conversion(chain(lstm(4), dense(2, "relu")), "float"),
    "loop_sequence": Conversion(chain(sequence(4), layers.BatchNormalization), "float"),
    "loop_stack": Conversion(chain(sequence(4), sequence(5), lstm(3), dense(2, "softmax")), "float"),
    "loop_gru": Conversion(
        chain(lambda: layers.GRU(4, return_sequences=True), lambda: layers.GRU(3, reset_after=False)), "float"
    ),
    "both_ways": Conversion(
        chain(lambda: layers.Bidirectional(layers.LSTM(3, return_sequences=True)), dense(2)), "float"
    ),
    "loop_relu": Conversion(chain(lstm(4, activation="relu")), "float"),
    "float_graph": Conversion(
        graph(lambda x: merged(layers.LSTM(5, return_sequences=True)(x), layers.Dense(5, activation="tanh")(x))),
        "float",
    ),
    "float16": Conversion(chain(lstm(4), dense(2)), "float16"),
    "dynamic": Conversion(chain(lstm(20), dense(64, "relu"), dense(2)), "dynamic"),
}


def models() -> Mapping[str, Conversion]:
    """What an implementation can convert: Keras 3 has no LSTM that the converter knows in int8."""
    return FLOAT if sys.argv[1] == "keras" else {**INTEGER, **FLOAT}


def convert(name: str) -> bytes:
    conversion = models()[name]
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    model = conversion.build()
    model.set_weights([weight(rng, variable, conversion.spread) for variable in model.weights])
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    if conversion.mode != "float":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if conversion.mode == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if conversion.mode == "int8":
        samples = rng.normal(size=(CALIBRATION, 1, *model.input_shape[1:])).astype(np.float32)

        def representative() -> Iterator[list[Any]]:
            yield from ([sample] for sample in samples)

        converter.representative_dataset = representative
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = converter.inference_output_type = getattr(tf, conversion.ends)
    return bytes(converter.convert())


def weight(rng: np.random.Generator, variable: Any, spread: float) -> Any:
    values = rng.normal(0, spread, variable.shape).astype(np.float32)
    return np.abs(values) + np.float32(0.1) if "variance" in variable.name else values


if __name__ == "__main__":
    for wanted in sys.argv[3:] or models():
        keras.backend.clear_session()
        (Path(sys.argv[2]) / f"{sys.argv[1]}_{wanted}.tflite").write_bytes(convert(wanted))
