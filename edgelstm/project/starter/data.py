"""Training and test data. edgelstm.toml names `load`; put your own data in its place."""

import numpy as np
import numpy.typing as npt

FREQUENCIES_HZ = (2, 3, 4, 5)
SAMPLE_RATE_HZ = 50
STEPS = 50


def load() -> dict[str, object]:
    """Return training and test sequences (N, T, D), a class id for each, and the names of the classes."""
    rng = np.random.default_rng(seed=0)
    x, y = noisy_sines(rng, samples=1000)
    x_test, y_test = noisy_sines(rng, samples=250)
    labels = [f"{frequency} Hz" for frequency in FREQUENCIES_HZ]
    return {"x": x, "y": y, "x_test": x_test, "y_test": y_test, "labels": labels}


def noisy_sines(rng: np.random.Generator, samples: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Make (samples, STEPS, 1) sines of random phase and strength, and the index of each one's frequency."""
    y = rng.integers(len(FREQUENCIES_HZ), size=samples)
    frequency_hz = np.array(FREQUENCIES_HZ)[y][:, np.newaxis]
    phase = rng.uniform(0.0, 2.0 * np.pi, size=(samples, 1))
    strength = rng.uniform(0.5, 1.5, size=(samples, 1))
    time_s = np.arange(STEPS) / SAMPLE_RATE_HZ
    clean = strength * np.sin(2.0 * np.pi * frequency_hz * time_s + phase)
    noisy = clean + rng.normal(scale=0.2, size=clean.shape)
    return noisy[:, :, np.newaxis].astype(np.float32), y
