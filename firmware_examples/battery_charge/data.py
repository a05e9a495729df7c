"""Drives of a lithium-ion cell, generated: current, voltage and temperature as sensors show them, and the charge left.

The cell is an equivalent circuit of first order: a voltage that depends on the
charge, a series resistance that grows in the cold, and a resistor beside a capacitor for what lags behind.
"""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

STEPS, STEP_S = 160, 10.0
CAPACITY_AH = 2.5
RELAXATION_S = 120.0
TRAINING, TEST = 1600, 400

_CHARGE = np.array([0.0, 0.05, 0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.9, 1.0])
_OPEN_CIRCUIT_V = np.array([3.00, 3.32, 3.43, 3.52, 3.60, 3.68, 3.80, 3.94, 4.05, 4.18])


def open_circuit_voltage(charge: FloatArray) -> FloatArray:
    """Of a rested cell, in volts; a curve of nickel-rich cells."""
    return np.interp(charge, _CHARGE, _OPEN_CIRCUIT_V)


def resistance(temperature: FloatArray) -> FloatArray:
    """In series, in ohms, for degrees Celsius."""
    return 0.035 * np.exp(600.0 * (1.0 / (temperature + 273.15) - 1.0 / 298.15) * 2.0)


def drive(rng: np.random.Generator, sequences: int) -> tuple[FloatArray, FloatArray]:
    """Sensors (sequences, STEPS, 3) in amperes (positive discharges), volts and degrees, and the charge, 0 to 1."""
    current = _currents(rng, sequences)
    ambient = rng.uniform(-5.0, 40.0, (sequences, 1))
    temperature = ambient + 3.0 * np.cumsum(current**2, axis=1) / STEPS
    start = rng.uniform(0.3, 1.0, (sequences, 1))
    charge = np.clip(start - np.cumsum(current, axis=1) * STEP_S / 3600.0 / CAPACITY_AH, 0.02, 1.0)
    lagging, fade = np.zeros(sequences), np.exp(-STEP_S / RELAXATION_S)
    voltage = np.empty_like(current)
    for t in range(STEPS):
        ohms = resistance(temperature[:, t])
        lagging = fade * lagging + (1.0 - fade) * 0.6 * ohms * current[:, t]
        voltage[:, t] = open_circuit_voltage(charge[:, t]) - ohms * current[:, t] - lagging
    noise = rng.normal(0.0, (0.01, 0.002, 0.2), (sequences, STEPS, 3))
    return np.stack([current, voltage, temperature], axis=-1) + noise, charge


def _currents(rng: np.random.Generator, sequences: int) -> FloatArray:
    """Phases of 4 to 20 steps: driving, braking, standing."""
    found = np.empty((sequences, STEPS))
    for row in found:
        begin = 0
        while begin < STEPS:
            length = int(rng.integers(4, 21))
            row[begin : begin + length] = rng.choice(
                [0.0, rng.uniform(-1.0, 0.0), rng.uniform(0.0, 4.0)], p=[0.2, 0.2, 0.6]
            )
            begin += length
    return found


def load() -> dict[str, npt.NDArray[np.float32]]:
    """Training and test drives, of generators of their own."""
    arrays: dict[str, npt.NDArray[np.float32]] = {}
    for suffix, seed, sequences in (("", 1, TRAINING), ("_test", 2, TEST)):
        sensors, charge = drive(np.random.default_rng(seed), sequences)
        arrays[f"x{suffix}"] = sensors.astype(np.float32)
        arrays[f"y{suffix}"] = charge[..., np.newaxis].astype(np.float32)
    return arrays
