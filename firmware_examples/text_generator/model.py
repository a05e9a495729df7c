"""A vector of 16 numbers for each character, an LSTM of 96 units, and after each character the odds of the next."""

import keras
from data import CHARACTERS

from edgelstm.data import Dataset


def build(input_shape: tuple[int], dataset: Dataset) -> keras.Model:
    """Return the untrained network; edgelstm chooses the loss, which follows from the targets."""
    return keras.Sequential(
        [
            keras.Input(input_shape, name="characters"),
            keras.layers.Embedding(len(CHARACTERS), 16, name="embedding"),
            keras.layers.LSTM(96, return_sequences=True, name="lstm"),
            keras.layers.Dense(len(CHARACTERS), activation="softmax", name="next_character"),
        ],
        name="text_generator",
    )
