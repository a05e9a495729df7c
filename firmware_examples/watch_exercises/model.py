"""A convolution over a tenth of a second, a maximum over two of its steps, and an LSTM of 32 units behind it."""

import keras

from edgelstm.data import Dataset


def build(input_shape: tuple[int, int], dataset: Dataset) -> keras.Model:
    """Return the untrained network; edgelstm chooses the loss, which follows from the class ids."""
    return keras.Sequential(
        [
            keras.Input(input_shape, name="motion"),
            keras.layers.Conv1D(16, 5, strides=2, activation="relu", name="conv"),
            keras.layers.MaxPooling1D(2, name="pool"),
            keras.layers.LSTM(32, name="lstm"),
            # Seven people are few to learn from.
            keras.layers.Dropout(0.4, name="dropout"),
            keras.layers.Dense(len(dataset.labels), activation="softmax", name="exercise"),
        ],
        name="watch_exercises",
    )
