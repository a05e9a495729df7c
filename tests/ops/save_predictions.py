"""Run as a process of its own: saves models with Keras 3 or tf_keras beside inputs and what it predicts for them.

    python save_predictions.py keras|tf_keras FOLDER

Each model is written as FOLDER/<name>.keras and .h5, its inputs and predictions as FOLDER/<name>.npz.
"""

import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

keras: Any = importlib.import_module(sys.argv[1])
layers: Any = keras.layers

FEATURES = 3
WORDS = 11
TIMESTEPS = 7


def sequential(*stack: Any, timesteps: int | None = TIMESTEPS) -> Any:
    return keras.Sequential([layers.Input((timesteps, FEATURES)), *stack])


def over_image(*stack: Any, channels: int = 2, timesteps: int | None = TIMESTEPS) -> Any:
    return keras.Sequential([layers.Input((timesteps, 6, channels)), *stack])


def functional(build: Callable[[Any], Any]) -> Any:
    inputs = layers.Input((TIMESTEPS, FEATURES), name="samples")
    return keras.Model(inputs, build(inputs))


def of_ids(build: Callable[[Any], Any], timesteps: int | None = TIMESTEPS, **options: Any) -> Any:
    inputs = layers.Input((timesteps,), name="ids", **options)
    return keras.Model(inputs, build(inputs))


def two_tables(inputs: Any) -> Any:
    both = [layers.Embedding(WORDS, 3)(inputs), layers.Embedding(WORDS + 5, 4)(inputs)]
    return layers.Dense(2)(layers.GRU(3)(layers.Concatenate()(both)))


def residual(inputs: Any) -> Any:
    hidden = layers.LSTM(5, return_sequences=True)(inputs)
    deeper = layers.GRU(5, return_sequences=True)(layers.Dropout(0.3)(hidden))
    return layers.Dense(2)(layers.Add()([hidden, deeper]))


def gated(inputs: Any) -> Any:
    value = layers.LSTM(4)(inputs)
    gate = layers.Dense(4, activation="sigmoid")(layers.SimpleRNN(3)(inputs))
    return layers.Concatenate()([layers.Multiply()([value, gate]), value, gate])


def three_branches(inputs: Any) -> Any:
    branches = [layers.Dense(4, activation="tanh", name=f"branch_{n}")(inputs) for n in (2, 0, 1)]
    merged = layers.Concatenate(axis=2)([layers.Add()(branches), inputs])
    shared = keras.Sequential([layers.Input((TIMESTEPS, 7)), layers.LSTM(3)], name="inner")
    return layers.Dense(2)(shared(merged))


def of_steps() -> Any:
    """A model of single vectors, in which others are nested."""
    inputs = layers.Input((FEATURES,))
    inner = keras.Sequential([layers.Dense(4), layers.BatchNormalization(), layers.Dense(FEATURES)])
    changed = layers.Add()([inner(inputs), inputs])
    return keras.Model(inputs, layers.Concatenate(axis=1)([layers.Dense(2, activation="relu")(inputs), changed]))


def masked_text(ids: Any) -> Any:
    hidden = layers.Dropout(0.1)(layers.Embedding(WORDS, 3, mask_zero=True)(ids))
    hidden = layers.TimeDistributed(layers.Dense(3))(layers.LSTM(4, return_sequences=True)(hidden))
    return layers.Dense(2)(layers.GRU(3)(layers.Dense(4, activation="relu")(hidden)))


def masked_halves(ids: Any) -> Any:
    """Means of a masked Bidirectional, read by nothing else: the usual classifier of texts."""
    words = layers.Embedding(WORDS, 3, mask_zero=True)(ids)
    hidden = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(words)
    return layers.Dense(2)(layers.GlobalAveragePooling1D()(layers.Dropout(0.1)(hidden)))


def masked_joins(inputs: Any) -> Any:
    """One mask of two branches, which an Add and a Concatenate join."""
    masked = layers.Masking()(inputs)
    left, right = layers.LSTM(4, return_sequences=True)(masked), layers.Dense(4)(masked)
    deep = layers.Add()([left, right] * 9)
    for _ in range(18):
        deep = layers.Dense(4, activation="tanh")(layers.Add()([deep, right]))
    both = layers.Concatenate()([deep, left])
    return layers.LSTM(3)(layers.Dropout(0.1)(both))


def pooled_globally(inputs: Any) -> Any:
    hidden = layers.LSTM(4, return_sequences=True)(inputs)
    pooled = [layers.GlobalAveragePooling1D()(hidden), layers.GlobalMaxPooling1D()(hidden)]
    return layers.Dense(2)(layers.BatchNormalization()(layers.Concatenate()(pooled)))


def attending_itself(inputs: Any) -> Any:
    hidden = layers.LSTM(4, return_sequences=True)(inputs)
    seen = layers.Attention()([hidden, hidden])
    return layers.GRU(3)(layers.Attention(use_scale=True, dropout=0.2)([seen, hidden]))


def attending_another(inputs: Any) -> Any:
    value = layers.Conv1D(5, 3, strides=2)(inputs)
    query, key = layers.Dense(4)(inputs), layers.Dense(4)(value)
    return layers.Dense(2)(layers.Attention(use_scale=True)([query, value, key]))


def attention_rnn(inputs: Any) -> Any:
    """Keyword spotting: a query of the end of the sequence."""
    both = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(inputs)
    query = layers.Dense(6)(layers.LSTM(4)(both))
    weights = layers.Softmax()(layers.Dot(axes=[1, 2])([query, both]))
    return layers.Dense(2)(layers.Dot(axes=[1, 1])([weights, both]))


def turned_attention_rnn(inputs: Any) -> Any:
    """The same with keys and values first, and axes otherwise."""
    hidden = layers.GRU(4, return_sequences=True)(inputs)
    query = layers.GlobalMaxPooling1D()(hidden)
    weights = layers.Activation("softmax")(layers.Dot(axes=-1)([hidden, query]))
    return layers.Dense(2)(layers.Dot(axes=1)([hidden, layers.Dropout(0.2)(weights)]))


def pooled_by_attention(inputs: Any) -> Any:
    """A score for each step, a softmax over them, and the sum of the steps so weighed."""
    hidden = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(inputs)
    scores = layers.Flatten()(layers.Dense(1, activation="tanh")(hidden))
    weights = layers.Dropout(0.2)(layers.Activation("softmax")(scores))
    return layers.Dense(2)(layers.Dot(axes=[1, 1])([weights, hidden]))


def pooled_along_time(inputs: Any) -> Any:
    """The same with an axis that stays one element long, values first, and scores of another sequence."""
    hidden = layers.GRU(4, return_sequences=True)(inputs)
    weights = layers.Softmax(axis=1)(layers.TimeDistributed(layers.Dense(1, use_bias=False))(inputs))
    return layers.Dense(2)(layers.Flatten()(layers.Dot(axes=1)([hidden, weights])))


def translating(inputs: Any) -> Any:
    """An encoder, and a decoder that looks at all of it."""
    encoded = layers.LSTM(4, return_sequences=True)(inputs)
    decoded = layers.LSTM(4, return_sequences=True)(layers.RepeatVector(5)(layers.LSTM(4)(encoded)))
    weights = layers.Softmax()(layers.Dot(axes=[2, 2])([decoded, encoded]))
    context = layers.Dot(axes=[2, 1])([weights, encoded])
    return layers.Dense(3, activation="softmax")(layers.Concatenate()([context, decoded]))


def with_numbers(inputs: Any) -> Any:
    """Operators on a tensor and a number, at the input, between layers and at the end."""
    hidden = layers.GRU(4, return_sequences=True)(1 - inputs / 4)
    hidden = layers.LSTM(4)((hidden + layers.Dense(4)(hidden)) * 0.5)
    return layers.Dense(2, activation="relu")(hidden - 0.25) + 1


def taken_step(inputs: Any) -> Any:
    hidden = layers.LSTM(4, return_sequences=True)(inputs)
    ends = [hidden[:, -1, :], layers.GRU(3, return_sequences=True)(hidden)[:, -1], inputs[:, -1]]
    return layers.Dense(2)(layers.Concatenate()([*ends, hidden[:, TIMESTEPS - 1]]))


def masked_taken_step(inputs: Any) -> Any:
    """A masked step of a recurrent layer repeats the one before, so the last is the last that counts."""
    hidden = layers.LSTM(4, return_sequences=True)(layers.Masking(0.25)(inputs))
    return layers.Dense(2)(layers.SimpleRNN(3, return_sequences=True)(hidden)[:, -1, :])


def not_merged(inputs: Any) -> Any:
    """Both results of a Bidirectional apart: vectors, sequences, and with states behind them."""
    forward, backward = layers.Bidirectional(layers.LSTM(4, return_sequences=True), merge_mode=None)(inputs)
    again, turned, *states = layers.Bidirectional(layers.GRU(3, return_state=True), merge_mode=None)(backward)
    last = layers.LSTM(4)(layers.Multiply()([layers.Dropout(0.1)(backward), forward]))
    return layers.Dense(2)(layers.Concatenate()([turned, last, again, states[1], *two_ends_of(forward)]))


def two_ends_of(sequence: Any) -> Any:
    return layers.Bidirectional(layers.SimpleRNN(3), merge_mode=None)(sequence)


def encoder_decoder(inputs: Any) -> Any:
    last, *states = layers.LSTM(4, return_state=True)(inputs)
    decoded = layers.LSTM(4, return_sequences=True)(layers.RepeatVector(5)(last), initial_state=states)
    return layers.TimeDistributed(layers.Dense(2))(decoded)


def handed_on(inputs: Any) -> Any:
    """Through a stack of three kinds, with and without return_sequences, one of them backwards."""
    _, hidden = layers.GRU(4, return_state=True)(inputs)
    steps, hidden = layers.SimpleRNN(4, return_sequences=True, return_state=True, go_backwards=True)(
        inputs, initial_state=hidden
    )
    steps, hidden = layers.GRU(4, return_sequences=True, return_state=True, reset_after=False)(steps, hidden)
    return layers.Concatenate()([layers.SimpleRNN(4, activation="relu")(steps, layers.Dropout(0.5)(hidden)), hidden])


def joined_states(inputs: Any) -> Any:
    """A decoder that starts from both halves of a Bidirectional."""
    _, *states = layers.Bidirectional(layers.LSTM(3, return_sequences=True, return_state=True))(inputs)
    joined = [layers.Concatenate()([states[k], states[2 + k]]) for k in range(2)]
    return layers.Dense(2)(layers.LSTM(6, return_sequences=True)(inputs, initial_state=joined))


def both_ways_handed_on(inputs: Any) -> Any:
    both = layers.Bidirectional(layers.LSTM(3, return_sequences=True, return_state=True), merge_mode="sum")
    steps, *states = both(inputs)
    return layers.Bidirectional(layers.LSTM(3, return_sequences=True))(steps, initial_state=states)


def states_of_vectors(inputs: Any) -> Any:
    """States that a Dense makes of another layer's, one of them normalized."""
    vector = layers.SimpleRNN(5)(inputs)
    hidden = layers.BatchNormalization()(layers.Dense(4, activation="tanh")(vector))
    return layers.LSTM(4)(inputs, initial_state=[hidden, layers.Dense(4)(vector)])


def hidden_state_alone(inputs: Any) -> Any:
    return layers.LSTM(4, return_sequences=True, return_state=True)(inputs)[1]


def image_residual() -> Any:
    inputs = layers.Input((TIMESTEPS, 6, 3), name="samples")
    deeper = layers.Conv2D(3, 3, padding="same", dilation_rate=(1, 2), activation="leaky_relu")(inputs)
    mixed = layers.Dense(3, activation="tanh")(layers.Add()([inputs, deeper]))
    rows = layers.TimeDistributed(layers.Flatten())(layers.Multiply()([mixed, deeper]))
    return keras.Model(inputs, layers.LSTM(4)(rows))


def several_ends() -> Any:
    """A vector first, ids last; a normalized vector is an output, and read by another."""
    context = layers.Input((4,), name="context")
    samples = layers.Input((TIMESTEPS, FEATURES), name="samples")
    words = layers.Input((TIMESTEPS,), name="words")
    again = layers.RepeatVector(TIMESTEPS)(layers.Dense(3, activation="relu")(context))
    both = layers.Concatenate()(
        [layers.LSTM(4, return_sequences=True)(samples), layers.Embedding(WORDS, 3)(words), again]
    )
    last = layers.Concatenate()([layers.LSTM(5)(both), context])
    place = layers.BatchNormalization(name="place")(layers.Dense(2)(last))
    return keras.Model([context, samples, words], [layers.Dense(3, activation="softmax")(place), place])


def teacher_forced() -> Any:
    """A decoder that is told what it should have said; another input of that length is read backwards."""
    samples = layers.Input((TIMESTEPS, FEATURES), name="samples")
    told = layers.Input((4,), name="words")
    hints = layers.Input((4, 2), name="hints")
    images = layers.Input((5, 3, 2), name="images")
    _, *states = layers.LSTM(5, return_state=True)(samples)
    embedded = layers.Concatenate()([layers.Embedding(WORDS, 3)(told), hints])
    said = layers.LSTM(5, return_sequences=True)(embedded, initial_state=states)
    behind = layers.GRU(3, go_backwards=True)(hints)
    seen = layers.GlobalAveragePooling2D()(layers.Conv2D(2, 2)(images))
    both = [layers.Dense(6, activation="softmax")(said), layers.RepeatVector(4)(behind), layers.RepeatVector(4)(seen)]
    return keras.Model([samples, told, hints, images], layers.Concatenate()(both))


def steps_and_end() -> Any:
    """What is heard at each step, and in the end."""
    samples = layers.Input((TIMESTEPS, FEATURES), name="samples")
    steps = layers.LSTM(5, return_sequences=True)(samples)
    last = layers.GRU(4)(steps)
    return keras.Model(samples, [layers.Dense(3, activation="softmax")(last), layers.Dense(2)(steps)])


def states_from_inputs() -> Any:
    """A decoder that starts from given vectors, and answers every step twice."""
    samples = layers.Input((TIMESTEPS, FEATURES), name="samples")
    states = [layers.Input((4,), name=name) for name in ("hidden", "cell")]
    steps = layers.LSTM(4, return_sequences=True)(samples, initial_state=states)
    return keras.Model([samples, *states], [layers.Dense(2)(steps), layers.Dense(3, activation="tanh")(steps)])


def head(activation: str) -> Callable[[], Any]:
    return lambda: sequential(layers.LSTM(5), layers.Dense(4, activation=activation))


MODELS: Mapping[str, Callable[[], Any]] = {
    "last_step": lambda: sequential(layers.LSTM(6)),
    "sequence": lambda: sequential(layers.LSTM(6, return_sequences=True)),
    "any_length": lambda: sequential(layers.LSTM(4, return_sequences=True), layers.LSTM(3), timesteps=None),
    "stacked": lambda: sequential(
        layers.LSTM(6, return_sequences=True),
        layers.LSTM(4, return_sequences=True),
        layers.LSTM(5),
        layers.Dense(3, activation="tanh"),
        layers.Dense(2),
    ),
    "without_bias": lambda: sequential(
        layers.LSTM(4, use_bias=False, return_sequences=True),
        layers.LSTM(3, use_bias=False, unit_forget_bias=False),
        layers.Dense(2, use_bias=False, activation="relu"),
    ),
    "inert_options": lambda: sequential(
        layers.LSTM(4, dropout=0.3, recurrent_dropout=0.2, unroll=True, return_sequences=True),
        layers.Dropout(0.5),
        layers.LSTM(4, unit_forget_bias=False),
    ),
    **{f"dense_{name}": head(name) for name in ("linear", "relu", "sigmoid", "tanh", "softmax")},
    "dense_over_time": lambda: sequential(layers.LSTM(4, return_sequences=True), layers.Dense(3, activation="softmax")),
    "dense_before": lambda: sequential(layers.Dense(5, activation="relu"), layers.LSTM(4)),
    "time_distributed": lambda: sequential(
        layers.LSTM(4, return_sequences=True), layers.TimeDistributed(layers.Dense(3, activation="sigmoid"))
    ),
    "distributed_layers": lambda: sequential(
        *map(
            layers.TimeDistributed,
            (
                layers.Normalization(axis=1, mean=[0.1, 0.2, 0.3], variance=[1.0, 0.25, 0.5]),
                layers.Rescaling(0.5),
                layers.Dense(4),
                layers.BatchNormalization(axis=1),
                layers.ReLU(),
                layers.Flatten(),
                layers.Dropout(0.3),
                layers.LayerNormalization(axis=1),
                layers.LeakyReLU(),
                layers.Softmax(axis=1),
                layers.Activation("tanh"),
            ),
        ),
        layers.LSTM(3),
    ),
    "distributed_models": lambda: sequential(
        layers.GRU(3, return_sequences=True),
        layers.TimeDistributed(of_steps(), name="outer"),
        layers.LSTM(4, return_sequences=True),
        layers.TimeDistributed(keras.Sequential([layers.Dense(5, activation="tanh"), layers.Dense(2)])),
    ),
    "lstm_hard_sigmoid": lambda: sequential(
        layers.LSTM(5, recurrent_activation="hard_sigmoid", return_sequences=True),
        layers.LSTM(4, recurrent_activation="hard_sigmoid"),
    ),
    "gru": lambda: sequential(layers.GRU(5), layers.Dense(2)),
    "gru_before": lambda: sequential(layers.GRU(5, reset_after=False, return_sequences=True)),
    "gru_without_bias": lambda: sequential(
        layers.GRU(4, use_bias=False, return_sequences=True), layers.GRU(3, use_bias=False, reset_after=False)
    ),
    "gru_hard_sigmoid": lambda: sequential(
        layers.GRU(4, recurrent_activation="hard_sigmoid", return_sequences=True),
        layers.GRU(4, recurrent_activation="hard_sigmoid", reset_after=False),
    ),
    "simple_rnn": lambda: sequential(layers.SimpleRNN(5, return_sequences=True), layers.SimpleRNN(4, use_bias=False)),
    "simple_rnn_relu": lambda: sequential(layers.SimpleRNN(5, activation="relu"), layers.Dense(2)),
    "conv_valid": lambda: sequential(
        layers.Conv1D(5, 3), layers.Conv1D(4, 2, strides=2, activation="relu"), layers.LSTM(3)
    ),
    "conv_same": lambda: sequential(
        layers.Conv1D(4, 3, padding="same", activation="tanh"),
        layers.Conv1D(3, 4, padding="same", use_bias=False),
        layers.Conv1D(5, 3, padding="same", dilation_rate=2, activation="relu6"),
    ),
    "conv_same_strided": lambda: sequential(
        layers.Conv1D(4, 3, padding="same", strides=2), layers.Conv1D(4, 4, padding="same", strides=3)
    ),
    "conv_causal": lambda: sequential(
        layers.Conv1D(4, 3, padding="causal", activation="relu"),
        layers.Conv1D(4, 2, padding="causal", dilation_rate=3),
        layers.Conv1D(4, 3, padding="causal", strides=2),
        timesteps=None,
    ),
    "conv_pointwise": lambda: sequential(layers.Conv1D(4, 1, activation="sigmoid"), layers.Conv1D(4, 1, strides=2)),
    "conv_normalized": lambda: sequential(
        layers.BatchNormalization(),
        layers.Conv1D(5, 3, use_bias=False),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.BatchNormalization(center=False),
        layers.Rescaling(1.5),
        layers.Conv1D(4, 2),
        layers.LSTM(3),
    ),
    "conv_normalized_border": lambda: sequential(
        layers.BatchNormalization(), layers.Conv1D(4, 3, padding="same"), layers.GlobalAveragePooling1D()
    ),
    "conv_scaled_border": lambda: sequential(layers.Rescaling(0.7), layers.Conv1D(4, 3, padding="same")),
    "conv_normalized_pooled": lambda: sequential(
        layers.Conv1D(5, 2, activation="relu"),
        layers.BatchNormalization(scale=False),
        layers.MaxPooling1D(2, strides=1, padding="same"),
        layers.LSTM(4, return_sequences=True),
        layers.Dense(4, activation="relu"),
        layers.BatchNormalization(scale=False),
        layers.GlobalMaxPooling1D(),
        layers.Dense(2),
    ),
    "conv_depthwise": lambda: sequential(
        layers.DepthwiseConv1D(3, padding="same", depth_multiplier=2, activation="relu"),
        layers.DepthwiseConv1D(2, strides=2, use_bias=False),
        layers.LSTM(3),
    ),
    "conv_separable": lambda: sequential(
        layers.SeparableConv1D(5, 3, padding="same", activation="tanh"),
        layers.SeparableConv1D(4, 2, depth_multiplier=2, strides=2, use_bias=False),
        layers.LSTM(4),
    ),
    "conv_depthwise_normalized": lambda: sequential(
        layers.BatchNormalization(),
        layers.DepthwiseConv1D(2, depth_multiplier=2),
        layers.BatchNormalization(),
        layers.SeparableConv1D(4, 3),
        layers.BatchNormalization(),
        layers.GlobalAveragePooling1D(),
        layers.BatchNormalization(),
    ),
    "pooled_max": lambda: sequential(
        layers.Conv1D(4, 2), layers.MaxPooling1D(), layers.MaxPooling1D(2, strides=1, padding="same"), layers.LSTM(4)
    ),
    "pooled_max_same": lambda: sequential(layers.MaxPooling1D(3, padding="same"), layers.Dense(4)),
    "pooled_average": lambda: sequential(
        layers.AveragePooling1D(2, strides=1),
        layers.AveragePooling1D(2, padding="same"),
        layers.BatchNormalization(),
        layers.GRU(3),
    ),
    "pooled_average_same": lambda: sequential(
        layers.AveragePooling1D(4, strides=2, padding="same"), layers.AveragePooling1D(3, strides=1, padding="same")
    ),
    "flattened": lambda: sequential(
        layers.Conv1D(4, 3, padding="same", activation="relu"), layers.MaxPooling1D(), layers.Flatten(), layers.Dense(3)
    ),
    "reshaped": lambda: sequential(
        layers.SimpleRNN(4, return_sequences=True), layers.Reshape((-1,)), layers.Flatten(), layers.Dense(2)
    ),
    "image_crnn": lambda: keras.Sequential(
        [
            layers.Input((None, 6)),
            layers.Reshape((-1, 6, 1)),
            layers.Conv2D(4, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D((1, 2)),
            layers.Conv2D(3, (2, 2), activation="relu"),
            layers.SpatialDropout2D(0.2),
            layers.Reshape((-1, 6)),
            layers.GRU(4),
        ]
    ),
    "image_input": lambda: over_image(
        layers.Conv2D(4, (3, 2), strides=(2, 1), activation="tanh"),
        layers.MaxPooling2D(2),
        layers.TimeDistributed(layers.Flatten()),
        layers.LSTM(5, return_sequences=True),
    ),
    "image_same_strided": lambda: over_image(
        layers.Conv2D(4, (3, 4), padding="same", strides=(2, 3), activation="relu6"),
        layers.Conv2D(3, 2, padding="same", strides=3),
        layers.Flatten(),
        layers.Dense(3),
    ),
    "image_depthwise": lambda: over_image(
        layers.DepthwiseConv2D(3, padding="same", depth_multiplier=2, activation="relu"),
        layers.DepthwiseConv2D((2, 1), use_bias=False),
        layers.Reshape((6, 24)),
        layers.LSTM(4),
    ),
    "image_separable": lambda: over_image(
        layers.SeparableConv2D(5, 3, padding="same", activation="tanh"),
        layers.SeparableConv2D(4, 2, depth_multiplier=2, strides=2, use_bias=False),
        layers.GlobalAveragePooling2D(),
    ),
    "image_pooled": lambda: over_image(
        layers.AveragePooling2D((2, 3), strides=1),
        layers.MaxPooling2D(2, padding="same"),
        layers.BatchNormalization(),
        layers.Conv2D(5, (1, 2)),
        layers.GlobalMaxPooling2D(),
    ),
    "image_averaged_same": lambda: over_image(
        layers.AveragePooling2D((3, 2), padding="same", strides=(2, 1)),
        layers.AveragePooling2D((1, 4), padding="same"),
        layers.Reshape((-1, 4)),
        layers.LSTM(4),
    ),
    "image_normalized_border": lambda: over_image(
        layers.BatchNormalization(),
        layers.Conv2D(4, 3, padding="same", activation="relu"),
        layers.BatchNormalization(),
        layers.Conv2D(3, 2),
        layers.Rescaling([0.5, 1.5, -1.0]),
        layers.DepthwiseConv2D(2),
        layers.Reshape((5, 12)),
        layers.BatchNormalization(),
    ),
    "image_residual": image_residual,
    "pooled_globally": lambda: functional(pooled_globally),
    "masked_words": lambda: keras.Sequential(
        [
            layers.Input((TIMESTEPS,)),
            layers.Embedding(WORDS, 3, mask_zero=True),
            layers.SpatialDropout1D(0.1),
            layers.LSTM(4, return_sequences=True),
            layers.GRU(3),
        ]
    ),
    "masked": lambda: sequential(
        layers.Masking(0.25),
        layers.LSTM(4, return_sequences=True),
        layers.Dense(5, activation="tanh"),
        layers.GRU(4, return_sequences=True),
        layers.SimpleRNN(3),
        layers.Dense(2),
    ),
    "masked_text": lambda: of_ids(masked_text),
    "masked_samples": lambda: functional(
        lambda inputs: layers.Bidirectional(layers.LSTM(4))(layers.Masking(0.25)(inputs))
    ),
    "masked_joins": lambda: functional(masked_joins),
    "masked_mean": lambda: sequential(
        layers.Masking(0.25), layers.LSTM(4, return_sequences=True), layers.GlobalAveragePooling1D(), layers.Dense(2)
    ),
    "masked_both_ways": lambda: sequential(
        layers.Masking(0.25),
        layers.Bidirectional(layers.LSTM(4), backward_layer=layers.GRU(4, go_backwards=True)),
        layers.Dense(2),
    ),
    "masked_words_backwards": lambda: keras.Sequential(
        [layers.Input((TIMESTEPS,)), layers.Embedding(WORDS, 3, mask_zero=True), layers.LSTM(4, go_backwards=True)]
    ),
    "masked_words_both_ways": lambda: keras.Sequential(
        [
            layers.Input((TIMESTEPS,)),
            layers.Embedding(WORDS, 3, mask_zero=True),
            layers.Bidirectional(layers.GRU(4), merge_mode="sum"),
        ]
    ),
    "backwards": lambda: sequential(
        layers.LSTM(4, go_backwards=True, return_sequences=True),
        layers.GRU(5, go_backwards=True),
        layers.RepeatVector(6),
        layers.SimpleRNN(4, go_backwards=True, return_sequences=True),
        layers.TimeDistributed(layers.Dense(2)),
    ),
    "both_ways": lambda: sequential(
        layers.Bidirectional(layers.LSTM(4, return_sequences=True)),
        layers.Bidirectional(layers.GRU(3), merge_mode="sum", backward_layer=layers.GRU(3, go_backwards=True)),
        layers.Dense(2),
    ),
    "both_ways_merged": lambda: sequential(
        layers.Bidirectional(layers.LSTM(4, return_sequences=True), merge_mode="ave"),
        layers.BatchNormalization(),
        layers.Bidirectional(layers.SimpleRNN(3, use_bias=False), merge_mode="mul"),
    ),
    "both_ways_mixed": lambda: sequential(
        layers.Bidirectional(
            layers.LSTM(4, return_sequences=True),
            backward_layer=layers.GRU(3, go_backwards=True, return_sequences=True, use_bias=False),
        ),
    ),
    "attending_itself": lambda: functional(attending_itself),
    "attending_another": lambda: functional(attending_another),
    "attention_rnn": lambda: functional(attention_rnn),
    "turned_attention_rnn": lambda: functional(turned_attention_rnn),
    "pooled_by_attention": lambda: functional(pooled_by_attention),
    "pooled_along_time": lambda: functional(pooled_along_time),
    "translating": lambda: functional(translating),
    "encoder_decoder": lambda: functional(encoder_decoder),
    "handed_on": lambda: functional(handed_on),
    "joined_states": lambda: functional(joined_states),
    "both_ways_handed_on": lambda: functional(both_ways_handed_on),
    "states_of_vectors": lambda: functional(states_of_vectors),
    "hidden_state_alone": lambda: functional(hidden_state_alone),
    "residual": lambda: functional(residual),
    "gated": lambda: functional(gated),
    "three_branches": lambda: functional(three_branches),
    "embedding": lambda: of_ids(lambda ids: layers.LSTM(4)(layers.Embedding(WORDS, 5)(ids))),
    "embedding_of_integers": lambda: of_ids(two_tables, None, dtype="int32"),
    "embedding_normalized": lambda: keras.Sequential(
        [
            layers.Input((TIMESTEPS,)),
            layers.Embedding(WORDS, 5),
            layers.SpatialDropout1D(0.3),
            layers.BatchNormalization(),
            layers.LSTM(3, return_sequences=True),
        ]
    ),
    # A normalization that a Dense before or a layer behind takes over, or that becomes a Dense of its own.
    "normalized_inputs": lambda: sequential(adapted(), layers.LSTM(4), layers.BatchNormalization(), layers.Dense(2)),
    "normalized_gru": lambda: sequential(
        layers.BatchNormalization(),
        layers.GRU(4, return_sequences=True),
        layers.BatchNormalization(center=False),
        layers.Dropout(0.5),
        layers.GRU(4, reset_after=False, return_sequences=True),
        layers.BatchNormalization(scale=False),
        layers.SimpleRNN(3, use_bias=False),
    ),
    "normalized_dense": lambda: sequential(
        layers.Dense(5, use_bias=False),
        layers.BatchNormalization(epsilon=0.1),
        layers.ReLU(),
        layers.TimeDistributed(layers.Dense(4)),
        layers.BatchNormalization(scale=False, center=False),
        layers.LSTM(3),
        layers.BatchNormalization(),
    ),
    "normalized_alone": lambda: sequential(
        layers.Normalization(axis=None, mean=0.5, variance=2.0),
        layers.BatchNormalization(),
        layers.Activation("tanh"),
        layers.LSTM(4),
        layers.Dense(4, activation="sigmoid"),
        layers.BatchNormalization(),
        layers.Rescaling(0.5),
        layers.Softmax(),
        layers.Rescaling(3.0, offset=[-1.0, 0.0, 1.0, 2.0]),
    ),
    "several_ends": several_ends,
    "teacher_forced": teacher_forced,
    "steps_and_end": steps_and_end,
    "one_step": lambda: sequential(
        layers.LSTM(6), layers.Reshape((1, 3, 2)), layers.Conv2D(3, (1, 2)), layers.Reshape((1, -1)), layers.GRU(3)
    ),
    "taken_apart": lambda: sequential(
        layers.LSTM(6),
        layers.Dense(10),
        layers.Reshape((5, 2)),
        layers.GRU(4, return_sequences=True),
        layers.Flatten(),
        layers.Reshape((-1, 5, 2)),
        layers.Conv2D(3, (2, 3)),
        layers.TimeDistributed(layers.Flatten()),
        layers.LSTM(3),
    ),
    "states_from_inputs": states_from_inputs,
    "masked_halves": lambda: of_ids(masked_halves),
    "with_numbers": lambda: functional(with_numbers),
    "taken_step": lambda: functional(taken_step),
    "masked_taken_step": lambda: functional(masked_taken_step),
    "not_merged": lambda: functional(not_merged),
    "rescaled": lambda: sequential(
        layers.Rescaling(np.array([0.5, -2.0, 0.1]), offset=0.25),
        layers.Normalization(mean=[0.1, 0.2, 0.3], variance=[1.0, 0.25, 0.0001], invert=True),
        layers.Normalization(mean=[0.3, 0.2, 0.1], variance=[4.0, 0.25, 1.0]),
        layers.LSTM(4, return_sequences=True),
        layers.Rescaling(2.0),
    ),
    "layer_normalized": lambda: sequential(
        layers.LSTM(5, return_sequences=True),
        layers.LayerNormalization(),
        layers.GRU(4, return_sequences=True),
        layers.LayerNormalization(axis=2, center=False, epsilon=0.1),
        layers.LSTM(6),
        layers.LayerNormalization(scale=False, epsilon=1e-5),
        layers.Dense(3),
        layers.LayerNormalization(scale=False, center=False),
    ),
    "leaky_relus": lambda: sequential(
        layers.Dense(6, activation="leaky_relu"),
        layers.LeakyReLU(),
        layers.LSTM(5, return_sequences=True),
        layers.Dense(4),
        layers.ReLU(max_value=0.5, negative_slope=0.25),
    ),
    "clipped_relus": lambda: sequential(
        layers.Dense(9, activation="relu6"),
        layers.Dense(9),
        layers.ReLU(max_value=6),
        layers.LSTM(5, return_sequences=True),
        layers.Dense(4),
        layers.Activation("leaky_relu"),
        layers.Dense(8),
        layers.Activation("relu6"),
    ),
    "activation_layers": lambda: sequential(
        layers.LSTM(4, return_sequences=True),
        layers.Activation("sigmoid"),
        layers.Activation("tanh"),
        layers.Dense(4),
        layers.ReLU(),
        layers.LSTM(3),
        layers.Activation("relu"),
        layers.Dense(3),
        layers.Activation("linear"),
        layers.Softmax(),
    ),
}


def adapted() -> Any:
    """A Normalization that has seen data; it keeps how much."""
    layer = layers.Normalization()
    layer.adapt(np.random.default_rng(0).normal([0.5, -2.0, 0.0], [0.5, 2.0, 1.0], (30, TIMESTEPS, FEATURES)))
    return layer


def weight(rng: np.random.Generator, spread: float, variable: Any) -> np.ndarray:
    """Variances and the scale of attention are positive, numbers of steps stay."""
    old = np.asarray(variable)
    if old.dtype.kind != "f":
        return old
    values = rng.normal(0, spread, old.shape).astype(np.float32)
    return np.abs(values) + 0.1 if "variance" in variable.name or not old.shape else values


def together(outputs: Any) -> np.ndarray:
    """Several outputs side by side, or flattened where only some are sequences."""
    arrays = [np.asarray(one) for one in (outputs if isinstance(outputs, list | tuple) else [outputs])]
    if len({array.ndim for array in arrays}) > 1:
        arrays = [array.reshape(len(array), -1) for array in arrays]
    return np.concatenate(arrays, axis=-1)


def save_several(model: Any, rng: np.random.Generator, path: Path) -> None:
    """A model with several inputs, as "inputs.<name>", and outputs, which are put side by side."""
    names = getattr(model, "input_names", None) or [tensor.name for tensor in model.inputs]
    inputs = {
        name: rng.integers(0, WORDS, (5, *shape[1:])).astype(np.float32)
        if name == "words"
        else rng.normal(size=(5, *shape[1:])).astype(np.float32)
        for name, shape in zip(names, model.input_shape, strict=True)
    }
    outputs = together(model([inputs[name] for name in names], training=False))
    model.save(path.with_suffix(".keras"))
    model.save(path.with_suffix(".h5"))
    np.savez(path.with_suffix(".npz"), outputs=outputs, **{f"inputs.{name}": values for name, values in inputs.items()})


def save(name: str, folder: Path) -> None:
    """Weights of ordinary size for odd, of saturating size for even lengths of the name."""
    rng = np.random.default_rng(len(name))
    model = MODELS[name]()
    spread = 0.5 if len(name) % 2 else 2.0
    model.set_weights([weight(rng, spread, variable) for variable in model.weights])
    for layer in model.layers:
        if isinstance(layer, layers.Normalization):
            layer.finalize_state()
    if isinstance(model.input_shape, list):
        save_several(model, rng, folder / name)
        return
    features = model.input_shape[2:]
    inputs = rng.normal(size=(5, TIMESTEPS, *(features or (FEATURES,)))).astype(np.float32)
    inputs[0, :2] = inputs[1, 3:5] = inputs[2, -1] = 0.25  # what a Masking leaves out
    if name != "masked_mean":  # of nothing is NaN
        inputs[3] = 0.25
    if len(model.input_shape) == 2:
        inputs = rng.integers(0, WORDS, (5, TIMESTEPS)).astype(np.float32)
        inputs[0, :3] = inputs[1, 4:] = 0  # what an Embedding may mask
    model.save(folder / f"{name}.keras")
    model.save(folder / f"{name}.h5")
    np.savez(folder / f"{name}.npz", inputs=inputs, outputs=together(model(inputs, training=False)))


if __name__ == "__main__":
    for model_name in MODELS:
        save(model_name, Path(sys.argv[2]))
