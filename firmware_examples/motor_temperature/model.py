"""Sensor units in, the winding's rise out at every step: a Normalization that learns the units, a GRU(16), a Dense."""

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
            keras.layers.GRU(16, return_sequences=True, name="gru"),
            keras.layers.Dense(1, name="rise"),
        ],
        name="motor_temperature",
    )
