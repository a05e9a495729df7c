"""A mask's value that is none of the data has a code of int8 for itself, and is found behind affine layers."""

import numpy as np
import pytest

from edgelstm.errors import DataError
from edgelstm.ir import FloatArray, FloatModel, Layer, SourceLayer, Tensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.affine import AffineLayer
from edgelstm.ops.masking import Masking, MaskingLayer
from edgelstm.ops.normalization import NormalizationLayer, RescalingLayer
from edgelstm.ops.simple_rnn import SimpleRnnLayer
from edgelstm.quantization import calibrate, quantize
from edgelstm.quantization.mask_codes import with_mask_codes
from edgelstm.simulate import quantize_array, real_outputs, simulate, stored_inputs

TIMESTEPS = 12


def _masked_model(*values: float, seed: int = 0) -> FloatModel:
    """Each mask of the input is read by a layer of its own."""
    rng = np.random.default_rng(seed)
    source = Tensor("samples", 1, is_sequence=True, timesteps=TIMESTEPS)
    layers: list[Layer] = []
    for index, value in enumerate(values):
        layers.append(MaskingLayer.of(source, f"mask_{index}", value))
        weights = tuple(rng.normal(size=shape).astype(np.float32) for shape in ((1, 6), (6, 6), (6,)))
        config = {"units": 6, "activation": "tanh"}
        rnn = SourceLayer("SimpleRNN", f"rnn_{index}", config, (weights[0], weights[1] * np.float32(0.3), weights[2]))
        layers += SimpleRnnLayer.from_keras(rnn, layers[-1].output)
    names = tuple(layer.output.name for layer in layers if not layer.output.is_sequence)
    return FloatModel("masked", source, tuple(layers), TIMESTEPS, output_names=names if len(names) > 1 else ())


def _codes(low: float, high: float, value: float) -> tuple[int, FloatArray]:
    """The code of a mask's value, and those of numbers from low to high."""
    inputs = np.linspace(low, high, 40 * TIMESTEPS).astype(np.float32).reshape(40, TIMESTEPS, 1)
    model = _masked_model(value)
    quantized = quantize(model, calibrate(model, inputs), TIMESTEPS, Contract.LITERT)
    (mask,) = (op for op in quantized.ops if isinstance(op, Masking))
    codes = quantize_array(np.linspace(low, high, 4000), quantized.input.quantization)
    assert quantize_array(np.array([value]), quantized.input.quantization) == mask.value
    return mask.value, codes.astype(np.float32)


@pytest.mark.parametrize("seed", range(40))
def test_a_value_outside_of_the_data_has_a_code_for_itself(seed: int) -> None:
    rng = np.random.default_rng(seed)
    low, high = sorted(rng.normal(size=2) * 10.0 ** rng.integers(-3, 3))
    beyond = (max(high, 0.0) - min(low, 0.0)) * rng.choice([0.01, 1.0, 1000.0])
    mask, codes = _codes(low, high, min(low, 0.0) - beyond)
    assert mask == -128 and codes.min() == -127 + (quiet_codes(low, high) if low > 0.0 else 0)
    mask, codes = _codes(low, high, max(high, 0.0) + beyond)
    assert mask == 127 and codes.max() <= 126


def quiet_codes(low: float, high: float) -> int:
    """How many codes lie between 0 and data that are all above."""
    return round(low * 253.999 / high)


def test_steps_at_the_end_of_the_range_count() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.random((60, TIMESTEPS, 1)).astype(np.float32)
    inputs[inputs < 0.5] = 0.0
    inputs[:30, -5:] = -1.0
    model = _masked_model(-1.0)
    quantized = quantize(model, calibrate(model, inputs), TIMESTEPS, Contract.LITERT)
    found = real_outputs(quantized, simulate(quantized, stored_inputs(quantized, inputs)))
    assert np.abs(found - model.forward(inputs)).max() < 0.04


@pytest.mark.parametrize("values", [(0.0,), (0.25,), (-0.5, 2.0), (-0.5, 0.0)])
def test_ranges_that_hold_the_value_stay(values: tuple[float, ...]) -> None:
    ranges = {"samples": (-0.5, 2.0), "rnn_0": (0.0, 1.0)}
    assert with_mask_codes(_masked_model(*values), ranges) == ranges


def test_both_sides_may_have_a_mask_and_one_side_one() -> None:
    ranges = {"samples": (-0.5, 2.0)}
    low, high = with_mask_codes(_masked_model(-9.0, 9.0), ranges)["samples"]
    assert low < -0.5 - 2.5 / 255 and high > 2.0 + 2.5 / 255
    with pytest.raises(DataError, match=r"-9 and -1, on one side of .*, -0\.5 to 2:"):
        with_mask_codes(_masked_model(-9.0, -1.0), ranges)


@pytest.mark.parametrize("seed", range(20))
def test_padding_with_the_means_is_found_behind_a_normalization(seed: int) -> None:
    rng = np.random.default_rng(seed)
    means, variances = rng.normal(size=3) * 10.0 ** rng.integers(-3, 4), rng.random(3) * 9 + 0.1
    source = SourceLayer("Normalization", "norm", {"mean": means.tolist(), "variance": variances.tolist()})
    (affine,) = NormalizationLayer.from_keras(source, Tensor("samples", 3, is_sequence=True))
    assert isinstance(affine, AffineLayer)
    mask = MaskingLayer.of(affine.output, "mask", 0.0).behind([affine])
    inputs = (rng.normal(size=(4, TIMESTEPS, 3)) * variances + means).astype(np.float32)
    inputs[:, 3:5] = means
    in_keras = (inputs - means.astype(np.float32)) / np.sqrt(variances.astype(np.float32)) != 0.0
    found = mask.mask((affine.forward(inputs, lambda name, values: None),))
    assert np.array_equal(found, in_keras.any(axis=-1))
    assert found.sum() == 4 * (TIMESTEPS - 2)


def test_a_mask_behind_a_factor_of_zero_takes_the_offset() -> None:
    source = SourceLayer("Rescaling", "zero", {"scale": 0.0, "offset": 1.0})
    (zero,) = RescalingLayer.from_keras(source, Tensor("samples", 1, is_sequence=True))
    assert isinstance(zero, AffineLayer)
    mask = MaskingLayer.of(zero.output, "mask", 1.0).behind([zero])
    assert not mask.mask((zero.forward(np.full((1, 2, 1), 5.0, np.float32), lambda name, values: None),)).any()
    assert mask.mask((np.full((1, 2, 1), np.nan, np.float32),)).all()
