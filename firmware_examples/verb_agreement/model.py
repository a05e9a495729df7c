"""A vector of 8 numbers for each word, an LSTM of 24 units, and one decision: is the verb plural?"""

import keras
from data import WORDS

from edgelstm.data import Dataset


def build(input_shape: tuple[int], dataset: Dataset) -> keras.Model:
    """Return the untrained network; edgelstm chooses the loss, which follows from the targets."""
    return keras.Sequential(
        [
            keras.Input(input_shape, name="words"),
            keras.layers.Embedding(len(WORDS), 8, name="embedding"),
            keras.layers.LSTM(24, name="lstm"),
            keras.layers.Dense(1, activation="sigmoid", name="plural"),
        ],
        name="verb_agreement",
    )
