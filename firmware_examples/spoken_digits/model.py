"""An LSTM of 32 units over the frames, and a softmax over the ten digits after the last one."""

import keras

from edgelstm.data import Dataset


def build(input_shape: tuple[int, int], dataset: Dataset) -> keras.Model:
    """Return the untrained network; edgelstm chooses the loss, which follows from the class ids."""
    return keras.Sequential(
        [
            keras.Input(input_shape, name="mfcc"),
            keras.layers.LSTM(32, name="lstm"),
            # Without it the 2400 recordings are learned by heart; it does nothing in the firmware.
            keras.layers.Dropout(0.3, name="dropout"),
            keras.layers.Dense(len(dataset.labels), activation="softmax", name="digit"),
        ],
        name="spoken_digits",
    )
