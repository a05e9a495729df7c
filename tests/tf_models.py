"""The Keras models behind some of the files in golden/converted: what frontends/convert_tflite.py gave the converter.

Weights and calibration data follow from the name there, and so do they here, without TensorFlow.
"""

import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgelstm.frontends.keras import build_float_model
from edgelstm.frontends.keras_source import KerasSource
from edgelstm.ir import FloatArray, FloatModel, SourceLayer, TensorReference
from edgelstm.ops import registry

FEATURES, TIMESTEPS, CALIBRATION = 3, 6, 24


@dataclass
class Stack:
    """Source layers one behind the other, or as `behind` says, with random weights of the shapes that they want."""

    rng: np.random.Generator
    spread: float
    layers: list[SourceLayer] = field(default_factory=list)

    def add(self, kind: str, *shapes: tuple[int, ...], behind: tuple[str, ...] = (), **config: Any) -> str:
        weights = tuple(self.rng.normal(0, self.spread, shape).astype(np.float32) for shape in shapes)
        name = f"{kind.lower()}_{len(self.layers)}"
        before = behind or (self.layers[-1].name if self.layers else "",)
        references = tuple(TensorReference(one) for one in before)
        self.layers.append(SourceLayer(kind, name, config, weights, keras_major=2, inputs=references))
        return name

    def lstm(self, size: int, units: int, *, steps: bool = False, **options: Any) -> str:
        return self.add("LSTM", *_lstm_shapes(size, units), units=units, return_sequences=steps, **options)

    def dense(self, size: int, units: int, activation: str = "linear", **options: Any) -> str:
        return self.add("Dense", (size, units), (units,), units=units, activation=activation, **options)

    def both_ways(self, size: int, units: int, *, steps: bool = False) -> str:
        inner = {"class_name": "LSTM", "config": {"name": "lstm", "units": units, "return_sequences": steps}}
        return self.add("Bidirectional", *_lstm_shapes(size, units), *_lstm_shapes(size, units), layer=inner)


def _lstm_shapes(size: int, units: int) -> tuple[tuple[int, ...], ...]:
    return (size, 4 * units), (units, 4 * units), (4 * units,)


def _stacked(stack: Stack) -> None:
    stack.lstm(FEATURES, 6, steps=True)
    stack.lstm(6, 4)
    stack.dense(4, 3, "softmax")


def _saturated(stack: Stack) -> None:
    stack.lstm(FEATURES, 5, steps=True)
    stack.lstm(5, 4)
    stack.dense(4, 3)


def _head(stack: Stack) -> None:
    stack.lstm(FEATURES, 5)
    stack.dense(5, 4, "relu")
    stack.dense(4, 3, "tanh")
    stack.dense(3, 2, "sigmoid")


def _leaky(stack: Stack) -> None:
    stack.lstm(FEATURES, 5)
    stack.dense(5, 4)
    stack.add("LeakyReLU", alpha=0.2)


def _per_step(stack: Stack) -> None:
    stack.lstm(FEATURES, 5, steps=True)
    stack.dense(5, 3, "relu")
    stack.dense(3, 2, "softmax")


def _dense_first(stack: Stack) -> None:
    stack.dense(FEATURES, 4, "tanh")
    stack.lstm(4, 5, steps=True)
    stack.dense(5, 3)


def _mean(stack: Stack) -> None:
    stack.lstm(FEATURES, 5, steps=True)
    stack.add("GlobalAveragePooling1D")
    stack.dense(5, 2)


def _bidirectional(stack: Stack) -> None:
    stack.both_ways(FEATURES, 4, steps=True)
    stack.both_ways(8, 3)
    stack.dense(6, 2)


MODELS: Mapping[str, Callable[[Stack], object]] = {
    "last": lambda stack: stack.lstm(FEATURES, 5),
    "sequence": lambda stack: stack.lstm(FEATURES, 5, steps=True),
    "stacked": _stacked,
    "saturated": _saturated,
    "head": _head,
    "leaky": _leaky,
    "per_step": _per_step,
    "dense_first": _dense_first,
    "mean": _mean,
    "bidirectional": _bidirectional,
}


def model_and_data(name: str) -> tuple[FloatModel, FloatArray]:
    """The model of that name in golden/converted, and the (N, T, D) samples that it was calibrated on."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    stack = Stack(rng, 3.0 if name == "saturated" else 0.5)
    MODELS[name](stack)
    source = KerasSource(name, "x", FEATURES, TIMESTEPS, tuple(stack.layers))
    samples = rng.normal(size=(CALIBRATION, 1, TIMESTEPS, FEATURES)).astype(np.float32)
    return build_float_model(source, registry), samples[:, 0]
