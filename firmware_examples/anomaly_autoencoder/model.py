"""An LSTM that reads a window into 16 numbers, and one that draws the window from them again."""

import keras

from edgelstm.data import Dataset


def build(input_shape: tuple[int, int], dataset: Dataset) -> keras.Model:
    """Return the untrained network; edgelstm chooses the loss, the mean squared error."""
    timesteps, channels = input_shape
    return keras.Sequential(
        [
            keras.Input(input_shape, name="pressure"),
            keras.layers.LSTM(16, name="encoder"),
            keras.layers.RepeatVector(timesteps, name="repeat"),
            keras.layers.LSTM(16, return_sequences=True, name="decoder"),
            keras.layers.TimeDistributed(keras.layers.Dense(channels), name="drawn"),
        ],
        name="anomaly_autoencoder",
    )
