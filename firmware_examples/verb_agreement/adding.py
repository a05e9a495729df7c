"""The adding problem, LSTM against SimpleRNN: which of them carries a number over 60 steps? Run it with Python.

Each step has a random number from 0 to 1 and a mark, which two steps of a sequence have; the target is the sum of
the two marked numbers. Both networks are trained alike, quantized, and run in edgelstm's integer simulator.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgelstm.data import Dataset
from edgelstm.frontends.keras import load_keras
from edgelstm.numerics.contracts import Contract
from edgelstm.quantization import calibrate, quantize
from edgelstm.training.backend import load_keras as import_keras
from edgelstm.verification.accuracy import measure_accuracy

STEPS = 60
UNITS = 32
EPOCHS = 20
LEARNING_RATES = (0.01, 0.002)
SEQUENCES = 10_000
SEED = 0

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Errors:
    """Root mean square errors of a network on the test sequences, and its size."""

    float_rmse: float
    int8_rmse: float
    parameters: int


def load(sequences: int = SEQUENCES) -> Dataset:
    """Return the problem: sequences (N, 60, 2) and their sums, a tenth of them to test on."""
    rng = np.random.default_rng(SEED)
    numbers = rng.random((sequences, STEPS), np.float32)
    marks = np.zeros((sequences, STEPS), np.float32)
    halves = np.stack([rng.integers(0, STEPS // 2, sequences), rng.integers(STEPS // 2, STEPS, sequences)])
    marks[np.arange(sequences), halves] = 1
    sums = (numbers * marks).sum(axis=1)
    x, training = np.stack([numbers, marks], axis=2), sequences * 9 // 10
    return Dataset(x[:training], sums[:training], x_test=x[training:], y_test=sums[training:])


def measure(layer: str, dataset: Dataset, learning_rate: float, epochs: int = EPOCHS) -> Errors:
    """Train a network with one recurrent layer, "LSTM" or "SimpleRNN", and quantize it."""
    keras = import_keras(SEED)
    network = keras.Sequential(
        [keras.Input((STEPS, 2)), getattr(keras.layers, layer)(UNITS), keras.layers.Dense(1)], name=layer.lower()
    )
    steps = epochs * len(dataset.x) // 64
    rate = keras.optimizers.schedules.CosineDecay(learning_rate, decay_steps=steps)
    network.compile(keras.optimizers.Adam(rate, clipnorm=1.0), "mse")
    network.fit(dataset.x, dataset.y, epochs=epochs, batch_size=64, verbose=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "adding.keras"
        network.save(path)
        model = load_keras(path)
    quantized = quantize(model, calibrate(model, dataset.x), STEPS, Contract.LITERT)
    accuracy = measure_accuracy(model, quantized, dataset)
    assert accuracy.float_value is not None
    assert accuracy.quantized_value is not None
    return Errors(accuracy.float_value, accuracy.quantized_value, model.parameters)


if __name__ == "__main__":
    data = load()
    assert data.y_test is not None
    print("| network | learning rate | parameters | float | int8 |")
    print("|---|---:|---:|---:|---:|")
    print(f"| none: always the mean | | | {data.y_test.std():.4f} | |")
    for name in ("LSTM", "SimpleRNN"):
        for rate in LEARNING_RATES:
            found = measure(name, data, rate)
            print(f"| {name} | {rate} | {found.parameters} | {found.float_rmse:.4f} | {found.int8_rmse:.4f} |")
