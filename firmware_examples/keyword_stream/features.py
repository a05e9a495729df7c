"""Sound to frames of 20 numbers: the logarithm of the energy in 20 bands, as a microcontroller computes it too."""

import numpy as np
import numpy.typing as npt

SAMPLE_RATE_HZ = 16000
FRAME_SAMPLES, HOP_SAMPLES = 512, 256
BANDS = 20
LOWEST_HZ, HIGHEST_HZ = 100.0, 7000.0

FLOOR = 1e-3
"""Added to each energy, so that silence has a logarithm."""

MEAN, DEVIATION = -1.9, 3.4
"""Bring the logarithms of speech to about 0 and 1."""

Floats = npt.NDArray[np.float32]


def log_mel(sound: Floats) -> Floats:
    """Return frames (..., F, 20) of sound (..., N), where F is how often 512 samples fit every 256."""
    frames = np.lib.stride_tricks.sliding_window_view(sound, FRAME_SAMPLES, axis=-1)[..., ::HOP_SAMPLES, :]
    spectrum = np.fft.rfft(frames * np.hanning(FRAME_SAMPLES))
    energy = np.square(np.abs(spectrum)) @ mel_bands().T
    return ((np.log(energy + FLOOR) - MEAN) / DEVIATION).astype(np.float32)


def mel_bands() -> npt.NDArray[np.float64]:
    """Return the weight of each of the 257 frequencies in each band, (20, 257): triangles, half over each other."""
    edges_mel = np.linspace(_mel(LOWEST_HZ), _mel(HIGHEST_HZ), BANDS + 2)
    edges_hz = 700.0 * (10.0 ** (edges_mel / 2595.0) - 1.0)
    hz = np.fft.rfftfreq(FRAME_SAMPLES, 1.0 / SAMPLE_RATE_HZ)
    low, middle, high = (edges_hz[i : i + BANDS, np.newaxis] for i in range(3))
    return np.maximum(0.0, np.minimum((hz - low) / (middle - low), (high - hz) / (high - middle)))


def _mel(hz: float) -> float:
    return float(2595.0 * np.log10(1.0 + hz / 700.0))
