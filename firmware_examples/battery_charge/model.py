"""Sensor units in, the charge out at every step: a Normalization that learns the units, an LSTM(24), a Dense."""

import keras

from edgelstm.data import Dataset


def build(input_shape: tuple[int, int], dataset: Dataset) -> keras.Model:
    """Return the untrained network; edgelstm chooses the loss, which follows from the targets."""
    units = keras.layers.Normalization(name="units")
    units.adapt(dataset.calibration.x)
    return keras.Sequential(
        [
            keras.Input(input_shape, name="sensors"),
            units,
            keras.layers.LSTM(24, return_sequences=True, name="lstm"),
            keras.layers.Dense(1, name="charge"),
        ],
        name="battery_charge",
    )
