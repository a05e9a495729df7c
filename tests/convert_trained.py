"""Run as a process of its own: train a small network with tf_keras and convert it with TensorFlow's own converter.

    python convert_trained.py FOLDER

Writes FOLDER/model.keras, model.tflite, and data.npz: x, on which both trained and calibrated, and x_test.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

os.environ["TF_USE_LEGACY_KERAS"] = "1"
import tensorflow as tf
import tf_keras

STEPS, FEATURES = 12, 3
TRAINING, CALIBRATION, TEST = 600, 100, 200


def sequences(rng: np.random.Generator, count: int) -> tuple[Any, Any]:
    """Waves that drift, and a sum of what two of them do together."""
    phases = rng.uniform(0, 6, (count, 1, FEATURES)) + np.arange(STEPS)[:, None] * rng.uniform(0.2, 1, (count, 1, 1))
    x = (np.sin(phases) + 0.1 * rng.normal(size=phases.shape)).astype(np.float32)
    return x, np.tanh((x[..., 0] * x[..., 1]).sum(axis=1, keepdims=True)).astype(np.float32)


def trained(x: Any, y: Any) -> Any:
    """An LSTM and a Dense, batch of one."""
    tf_keras.utils.set_random_seed(3)
    layers = tf_keras.layers
    stack = [layers.LSTM(8), layers.Dense(1)]
    model = tf_keras.Sequential([layers.Input((STEPS, FEATURES)), *stack])
    model.compile(tf_keras.optimizers.Adam(0.01), "mse")
    model.fit(x, y, epochs=8, batch_size=20, verbose=0)
    single = tf_keras.Input((STEPS, FEATURES), batch_size=1)
    return tf_keras.Sequential([single, *stack])


def converted(model: Any, known: Any) -> bytes:
    """An int8 file, calibrated on `known`."""

    def representative() -> Iterator[list[Any]]:
        yield from ([sample[np.newaxis]] for sample in known)

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    return bytes(converter.convert())


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    rng = np.random.default_rng(7)
    x, y = sequences(rng, TRAINING)
    model = trained(x, y)
    model.save(folder / "model.keras")
    (folder / "model.tflite").write_bytes(converted(model, x[:CALIBRATION]))
    np.savez(folder / "data.npz", x=x[:CALIBRATION], x_test=sequences(rng, TEST)[0])
