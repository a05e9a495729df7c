"""A convolution over four frames that looks back only, and an LSTM of 24 units: an answer with every frame."""

import keras

from edgelstm.data import Dataset


def build(input_shape: tuple[int, int], dataset: Dataset) -> keras.Model:
    """Return the untrained network; edgelstm chooses the loss, which follows from the class ids."""
    return keras.Sequential(
        [
            keras.Input(input_shape, name="log_mel"),
            keras.layers.Conv1D(16, 4, padding="causal", use_bias=False, name="conv"),
            # Becomes part of the convolution's weights.
            keras.layers.BatchNormalization(name="normalized"),
            keras.layers.ReLU(name="relu"),
            keras.layers.LSTM(24, return_sequences=True, name="lstm"),
            keras.layers.Dropout(0.1, name="dropout"),
            keras.layers.TimeDistributed(keras.layers.Dense(len(dataset.labels), activation="softmax"), name="word"),
        ],
        name="keyword_stream",
    )
