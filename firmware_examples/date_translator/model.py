"""One LSTM of 64 units reads the symbols of a date, another writes the ten symbols of the answer."""

import keras
from data import SYMBOLS

from edgelstm.data import Dataset


def build(input_shape: tuple[int, ...], dataset: Dataset) -> keras.Model:
    """Return the untrained network; edgelstm chooses the loss, which follows from the class ids."""
    answer_length = dataset.y.shape[1]
    symbols = len(dataset.labels)
    return keras.Sequential(
        [
            keras.Input(input_shape[:1], name="text"),
            keras.layers.Embedding(1 + len(SYMBOLS), 16, name="symbols"),
            keras.layers.LSTM(64, name="reader"),
            keras.layers.RepeatVector(answer_length, name="repeat"),
            keras.layers.LSTM(64, return_sequences=True, name="writer"),
            keras.layers.TimeDistributed(keras.layers.Dense(symbols, activation="softmax"), name="answer"),
        ],
        name="date_translator",
    )
