"""Random quantized models by seed with LayerNormalization, over time and behind the last step, among other layers."""

from dataclasses import replace

import numpy as np
from random_models import Bounds, _dense_and_activation, _lstm, _quantization

from edgelstm.ir import IntArray, Model, Op, Quantization, QuantizedTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.layer_normalization import LARGEST_EPSILON, gained_step, stored_epsilon
from edgelstm.ops import scales
from edgelstm.ops.last_step import LastStep
from edgelstm.ops.layer_normalization import LayerNormalization

BOUNDS = Bounds(units=24, inputs=16)
EPSILONS = (0.0, 1e-30, 1e-12, 1e-6, 1e-5, 1e-3, 1e-3, 1.0, 1e6)


def random_normalized_model(seed: int, bounds: Bounds = BOUNDS) -> Model:
    """The model of this seed: normalized inputs, or normalizations behind recurrent layers or a head."""
    rng = np.random.default_rng(seed + 13_000_000)
    size = 1 if seed % 16 == 5 else int(rng.integers(1, 300 if seed % 10 == 7 else bounds.inputs + 1))
    tensor = QuantizedTensor("input", size, is_sequence=True, quantization=_quantization(rng))
    model_input, ops = tensor, list[Op]()
    if rng.random() < 0.6:
        ops.append(random_normalization(rng, "normal", tensor))
    for index in range(int(rng.integers(0, bounds.layers))):
        ops.append(
            _lstm(rng, f"lstm{index}", ops[-1].output if ops else tensor, int(rng.integers(1, bounds.units + 1)))
        )
        if rng.random() < 0.6:
            ops.append(random_normalization(rng, f"normal{index}", ops[-1].output))
    if not ops:
        ops.append(random_normalization(rng, "normal", tensor))
    if rng.random() < 0.6:
        ops.append(LastStep.of("last", ops[-1].output))
        ops += _dense_and_activation(rng, "head", ops[-1].output, int(rng.integers(1, 9)))
    if not any(isinstance(op, LayerNormalization) for op in ops):
        ops.append(random_normalization(rng, "ending", ops[-1].output))
    timesteps = int(rng.integers(1, bounds.timesteps + 1))
    return Model(f"random_normalized_{seed}", model_input, tuple(ops), timesteps, Contract.NATIVE)


def random_normalization(rng: np.random.Generator, name: str, source: QuantizedTensor) -> LayerNormalization:
    """Factors and summands of ordinary, extreme and vanishing size; any epsilon, any zero point."""
    size, kind = source.size, rng.random()
    gamma = np.clip(np.rint(rng.normal(0, 12000, size)), -32767, 32767)
    if kind < 0.3:
        gamma = rng.choice([-32767, 32767, 0], size) if kind < 0.15 else np.full(size, 32767)
    gamma_scale = scales.float32(float(np.exp(rng.uniform(-3, 3))) / 32767)
    reach = gamma_scale * 32767 * float(rng.choice([0.5, 2.0, 4.0, 8.0])) * min(4.0, size**0.5 + 0.1)
    step = gamma_scale * gained_step(size)
    spread = float(rng.choice([0.0, 0.3, 3.0, 1e12])) * reach / step
    beta = np.clip(np.rint(rng.normal(0, 1, size) * spread), -(2.0**29), 2.0**29)
    result = Quantization(scales.float32(reach / 128), int(rng.integers(-128, 128)))
    epsilon = float(rng.choice(EPSILONS))
    fits = stored_epsilon(epsilon, size, source.quantization.scale) < LARGEST_EPSILON
    return LayerNormalization(
        name=name,
        input=source,
        output=replace(source, name=name, quantization=result),
        gamma=gamma.astype(np.int16),
        gamma_scale=gamma_scale,
        beta=beta.astype(np.int32),
        epsilon=epsilon if fits else 1e-6,
    )


def extreme_vectors(rng: np.random.Generator, size: int) -> IntArray:
    """Constant vectors, all at either end, one value that differs by 1 or by 255, and noise: int8 (vectors, size)."""
    constant = [np.full(size, value) for value in (-128, -1, 0, 5, 127)]
    apart = [np.where(np.arange(size) == 0, value, other) for value, other in ((1, 0), (127, -128), (-128, 127))]
    ends = [np.where(np.arange(size) % 2, -128, 127), np.where(np.arange(size) < size // 2, -128, 127)]
    noise = [rng.integers(-128, 128, size), rng.integers(-1, 2, size), rng.choice([-128, 127], size)]
    return np.array([*constant, *apart, *ends, *noise], np.int8)
