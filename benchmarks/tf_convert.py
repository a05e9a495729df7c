"""A trained example through TensorFlow's own converter: python benchmarks/tf_convert.py FOLDER FILE SAMPLES.

Builds the network of FOLDER's model.py with tf_keras, whose LSTM the converter can quantize, gives it the weights of
FOLDER/model.keras, and writes FILE, int8 throughout, calibrated on the first SAMPLES sequences. A process of its own:
TensorFlow takes 500 MB, and does not live beside LiteRT.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf
import tf_keras

from edgelstm.data import load_dataset
from edgelstm.frontends.keras_source import read_keras
from edgelstm.project import load_project


def main(folder: Path, file: Path, samples: int) -> None:
    """Convert one example."""
    project = load_project(folder)
    assert project.data.source is not None
    dataset = load_dataset(project.data.source, base=folder)
    sys.modules["keras"] = tf_keras
    sys.path.insert(0, str(folder))
    source = read_keras(project.model_path)
    known = dataset.calibration.x[:samples]
    known = known[..., 0].astype(np.int32) if source.vocabulary else known
    model = _with_batch_of_one(__import__("model").build(known.shape[1:], dataset), known)
    model.set_weights([array for layer in source.layers for array in layer.weights])
    file.write_bytes(_converted(model, known))


def _with_batch_of_one(model: Any, known: Any) -> Any:
    """Ids stay int32: what has another type would be quantized to int8, and lose words."""
    one = tf_keras.Input(known.shape[1:], batch_size=1, dtype=known.dtype)
    return tf_keras.Model(one, model(one))


def _converted(model: Any, known: Any) -> bytes:
    def representative() -> Iterator[list[Any]]:
        yield from ([sample[np.newaxis]] for sample in known)

    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = representative
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_output_type = tf.int8
    # What is not float stays as it is: ids remain int32.
    converter.inference_input_type = tf.float32 if known.dtype == np.int32 else tf.int8
    return bytes(converter.convert())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
