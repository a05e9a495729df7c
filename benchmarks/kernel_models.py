"""Models to measure: realistic weights and inputs by a seed, quantized as a user's model would be.

A name tells what a model is, sizes from input to output: "lstm_6_16" is a single LSTM of 16 units with 6 inputs,
"classifier_16_32" has Dense and softmax of 4 classes behind it, "stacked_12_24_16" two LSTMs before them. "gru_6_16",
"rnn_6_16" and "hardlstm_6_16" are single layers of the contract `native`: GRU, SimpleRNN, LSTM with hard_sigmoid;
"lstm16_6_16" is an LSTM with int16 activations. All
keep the last step only, so that a step is the recurrent layers alone and everything else runs in `<model>_output`.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from edgelstm.ir import FloatModel, IntArray, Layer, Model, Tensor
from edgelstm.ops.activation import activation_layers
from edgelstm.ops.last_step import LastStepLayer
from edgelstm.pipeline.stand_in import dense_layer, hard_lstm_layer, recurrent_layer, signals
from edgelstm.quantization import calibrate, int16_layers, quantize
from edgelstm.simulate import quantize_array

PUBLISHED_SHAPES = ((6, 16), (16, 32), (28, 20), (40, 64), (40, 128))
LSTMS = tuple(f"lstm_{inputs}_{units}" for inputs, units in PUBLISHED_SHAPES)
NATIVE_KINDS = ("gru", "rnn", "hardlstm")
NATIVES = tuple(f"{kind}_{inputs}_{units}" for kind in NATIVE_KINDS for inputs, units in PUBLISHED_SHAPES)
INT16_KIND = "lstm16"
INT16 = tuple(f"{INT16_KIND}_{inputs}_{units}" for inputs, units in PUBLISHED_SHAPES)
MODELS = (*LSTMS, "classifier_16_32", "stacked_12_24_16", "stacked_16_32_32", *NATIVES, *INT16)

TIMESTEPS = 24
CLASSES = 4
_CALIBRATION_SEQUENCES, _REALISTIC_SEQUENCES, _STRESS_SEQUENCES = 64, 4, 4
_SEED = 20240607


@dataclass(frozen=True, eq=False)
class Benchmark:
    """A model and what to feed it.

    Attributes:
        model: quantized by ranges of other sequences like the realistic ones.
        realistic: stored inputs (sequences, time, size) from float sequences.
        stress: the same of noise over the whole of int8, and of extremes only, which saturate gates and cells.
    """

    model: Model
    realistic: IntArray
    stress: IntArray


def shape_of(name: str) -> tuple[int, int]:
    """Inputs and units of a model that is one recurrent layer; raises ValueError for another."""
    kind, *sizes = name.split("_")
    if kind not in ("lstm", INT16_KIND, *NATIVE_KINDS) or len(sizes) != 2:
        raise ValueError(f"{name} is not a single recurrent layer")
    return int(sizes[0]), int(sizes[1])


@lru_cache(maxsize=32)
def benchmark(name: str) -> Benchmark:
    """Build the model of this name; the same every time.

    Raises:
        ValueError: the name does not tell what to build.
    """
    kind, *sizes = name.split("_")
    if kind not in ("lstm", "classifier", "stacked", INT16_KIND, *NATIVE_KINDS) or len(sizes) < 2:
        raise ValueError(f"{name!r} names no model: take lstm_INPUTS_UNITS, or see {', '.join(MODELS)}")
    inputs, *units = map(int, sizes)
    rng = np.random.default_rng([_SEED, inputs, *units, len("lstm" if kind == INT16_KIND else kind)])
    floating = _float_model(name, rng, inputs, units)
    ranges = calibrate(floating, signals(rng, _CALIBRATION_SEQUENCES, TIMESTEPS, inputs))
    wide = int16_layers(floating) if kind == INT16_KIND else frozenset()
    model = quantize(floating, ranges, TIMESTEPS, None, wide)
    realistic = quantize_array(signals(rng, _REALISTIC_SEQUENCES, TIMESTEPS, inputs), model.input.quantization)
    limits = np.iinfo(model.input.quantization.dtype)
    stress = rng.integers(limits.min, limits.max + 1, (_STRESS_SEQUENCES, TIMESTEPS, inputs)).astype(limits.dtype)
    stress[::2] = np.where(stress[::2] < 0, limits.min, limits.max)
    return Benchmark(model, realistic, stress)


def _float_model(name: str, rng: np.random.Generator, inputs: int, units: list[int]) -> FloatModel:
    kind = name.partition("_")[0]
    tensor = Tensor("input", inputs, is_sequence=True)
    layers: list[Layer] = []
    for index, size in enumerate(units):
        label = kind if kind in NATIVE_KINDS else "lstm"
        layers.append(_recurrent(kind, rng, f"{label}_{index + 1}", layers[-1].output if layers else tensor, size))
    layers.append(LastStepLayer.after(layers[-1].output))
    if kind in ("classifier", "stacked"):
        layers.append(dense_layer(rng, layers[-1].output, CLASSES))
        layers += activation_layers("softmax", "softmax", layers[-1].output)
    return FloatModel(name, tensor, tuple(layers), TIMESTEPS)


def _recurrent(kind: str, rng: np.random.Generator, name: str, source: Tensor, units: int) -> Layer:
    if kind == "hardlstm":
        return hard_lstm_layer(rng, name, source, units)
    return recurrent_layer({"gru": "gru", "rnn": "simple_rnn"}.get(kind, "lstm"), rng, name, source, units)
