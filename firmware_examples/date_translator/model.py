"""One LSTM of 64 units reads the symbols of a date, another writes the ten symbols of the answer."""

import keras

from edgelstm.data import Dataset

SYMBOLS = 41
ANSWER_LENGTH = 10


def build(input_shape: tuple[int, ...], dataset: Dataset) -> keras.Model:
    """Return the untrained network; edgelstm chooses the loss, which follows from the class ids."""
    return keras.Sequential(
        [
            keras.Input(input_shape[:1], name="text"),
            keras.layers.Embedding(SYMBOLS, 16, name="symbols"),
            keras.layers.LSTM(64, name="reader"),
            keras.layers.RepeatVector(ANSWER_LENGTH, name="repeat"),
            keras.layers.LSTM(64, return_sequences=True, name="writer"),
            keras.layers.TimeDistributed(keras.layers.Dense(len(dataset.labels), activation="softmax"), name="answer"),
        ],
        name="date_translator",
    )
