"""Two LSTMs of 16 units, one forward and one backward through the utterance, and a softmax over the speakers."""

import keras

from edgelstm.data import Dataset


def build(input_shape: tuple[int, int], dataset: Dataset) -> keras.Model:
    """Return the untrained network; edgelstm chooses the loss, which follows from the class ids."""
    return keras.Sequential(
        [
            keras.Input(input_shape, name="cepstrum"),
            keras.layers.Bidirectional(keras.layers.LSTM(16, name="lstm"), name="both_ways"),
            # Keeps it from learning the 270 utterances by heart; the firmware has none.
            keras.layers.Dropout(0.3, name="dropout"),
            keras.layers.Dense(len(dataset.labels), activation="softmax", name="speaker"),
        ],
        name="speaker_vowels",
    )
