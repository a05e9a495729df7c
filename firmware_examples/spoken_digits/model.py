"""An LSTM of 32 units over the frames, and a softmax over the ten digits after the last one."""

import keras

from edgelstm.data import Dataset


def build(input_shape: tuple[int, int], dataset: Dataset) -> keras.Model:
    """Return the untrained network; edgelstm chooses the loss, which follows from the class ids."""
    return keras.Sequential(
        [
            keras.Input(input_shape, name="mfcc"),
            # Noise and dropout keep it from learning the 2400 recordings by heart; the firmware has neither.
            keras.layers.GaussianNoise(0.3, name="noise"),
            keras.layers.LSTM(32, name="lstm"),
            keras.layers.Dropout(0.3, name="dropout"),
            keras.layers.Dense(len(dataset.labels), activation="softmax", name="digit"),
        ],
        name="spoken_digits",
    )
