"""Runs of an electric motor, generated: current, speed and the temperature of its housing, and how much hotter the
winding is.

Two bodies store heat. The winding gets the losses of the copper, whose resistance grows with its temperature, and gives
heat to the housing, the faster the shaft turns the air between them; the housing gets the losses of the iron as well,
and a fan on the shaft cools it.
"""

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

STEPS, STEP_S = 120, 10.0
TRAINING, TEST = 1200, 300
RISE_UNIT = 100.0
"""Kelvins that an output of 1 stands for."""

WINDING_J_PER_K, HOUSING_J_PER_K = 500.0, 4000.0
COPPER_PER_K = 0.0039
COLD_OHMS = 0.6
LARGEST_A, LARGEST_RPM = 20.0, 6000.0
PULL_OUT_A = 14.0
"""What the load draws at most for more than a minute or two."""


def conductance(speed: FloatArray) -> FloatArray:
    """From the winding to the housing, in watts per kelvin."""
    return 1.2 + 2.4 * speed / LARGEST_RPM


def cooling(speed: FloatArray) -> FloatArray:
    """From the housing to the room, in watts per kelvin."""
    return 1.5 + 4.5 * speed / LARGEST_RPM


def copper_loss(current: FloatArray, winding: FloatArray) -> FloatArray:
    """In watts, at a temperature of the winding in degrees Celsius."""
    return COLD_OHMS * current**2 * (1.0 + COPPER_PER_K * (winding - 20.0))


def iron_loss(speed: FloatArray) -> FloatArray:
    """In watts."""
    return 80.0 * (speed / LARGEST_RPM) ** 1.5


def run(rng: np.random.Generator, sequences: int) -> tuple[FloatArray, FloatArray]:
    """Sensors (sequences, STEPS, 3) in amperes, turns a minute and degrees, and the winding's rise over the housing.

    Each run begins after a pause in which the winding came down to the housing, which may still be warm.
    """
    room = rng.uniform(5.0, 40.0, sequences)
    current, speed = _loads(rng, sequences)
    housing = room + rng.uniform(0.0, 30.0, sequences)
    winding = housing.copy()
    sensors, rises = [], []
    for t in range(STEPS):
        winding, housing = _later(winding, housing, room, current[:, t], speed[:, t])
        sensors.append(np.stack([current[:, t], speed[:, t], housing], axis=-1))
        rises.append(winding - housing)
    noise = rng.normal(0.0, (0.1, 15.0, 0.2), (sequences, STEPS, 3))
    return np.stack(sensors, axis=1) + noise, np.stack(rises, axis=1)


def _later(
    winding: FloatArray, housing: FloatArray, room: FloatArray, current: FloatArray, speed: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Both temperatures a step later."""
    passed = conductance(speed) * (winding - housing)
    lost = cooling(speed) * (housing - room)
    heated = winding + STEP_S / WINDING_J_PER_K * (copper_loss(current, winding) - passed)
    return heated, housing + STEP_S / HOUSING_J_PER_K * (iron_loss(speed) + passed - lost)


def _loads(rng: np.random.Generator, sequences: int) -> tuple[FloatArray, FloatArray]:
    """Phases of 3 to 25 steps: a load at a speed, a start or an overload, standing."""
    current, speed = np.empty((2, sequences, STEPS))
    for amperes, turns in zip(current, speed, strict=True):
        begin = 0
        while begin < STEPS:
            kind = rng.choice(["load", "overload", "standing"], p=[0.6, 0.2, 0.2])
            length = int(rng.integers(3, 9 if kind == "overload" else 26))
            phase = slice(begin, begin + length)
            turns[phase] = 0.0 if kind == "standing" else rng.uniform(300.0, LARGEST_RPM)
            amperes[phase] = {
                "load": rng.uniform(2.0, PULL_OUT_A), "overload": rng.uniform(PULL_OUT_A, LARGEST_A), "standing": 0.0
            }[kind]  # fmt: skip
            begin += length
    return current, speed


def load() -> dict[str, npt.NDArray[np.float32]]:
    """Training and test runs, of generators of their own."""
    arrays: dict[str, npt.NDArray[np.float32]] = {}
    for suffix, seed, sequences in (("", 1, TRAINING), ("_test", 2, TEST)):
        sensors, rise = run(np.random.default_rng(seed), sequences)
        arrays[f"x{suffix}"] = sensors.astype(np.float32)
        arrays[f"y{suffix}"] = (rise / RISE_UNIT)[..., np.newaxis].astype(np.float32)
    return arrays
