"""Words spoken by espeak-ng, which comes inside a wheel of the package `espeakng-loader`."""

import io
import json
import platform
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from features import SAMPLE_RATE_HZ

from edgelstm.data import Wheel
from edgelstm.errors import ToolFailedError, ToolMissingError, ToolTimeoutError

WHEELS = {
    ("Linux", "x86_64"): Wheel(
        "espeakng_loader-0.2.4-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        sha256="08721baf27d13d461f6be6eed9a65277e70d68234ff484fd8b9897b222cdcb6d",
    ),
    ("Darwin", "x86_64"): Wheel(
        "espeakng_loader-0.2.4-py3-none-macosx_10_12_x86_64.whl",
        sha256="b77477ae2ddf62a748e04e49714eabb2f3a24f344166200b00539083bd669904",
    ),
    ("Darwin", "arm64"): Wheel(
        "espeakng_loader-0.2.4-py3-none-macosx_11_0_arm64.whl",
        sha256="d27cdca31112226e7299d8562e889d3e38a1e48055c9ee381b45d669072ee59f",
    ),
}
LIBRARY = {"Linux": "libespeak-ng.so", "Darwin": "libespeak-ng.dylib"}
PACKAGE = "espeakng_loader"
SYNTHESIS_TIMEOUT_S = 120

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Word:
    """What to say: `voice` is an accent and a speaker, as in "en-us+f2"; `pitch` reaches from 0 to 99."""

    text: str
    voice: str
    words_per_minute: int
    pitch: int


def speak(words: Sequence[Word]) -> list[Floats]:
    """Return the sound of each word at 16 kHz, its loudest sample at 1, without silence around it.

    Raises:
        ToolMissingError: there is no espeak-ng in a wheel for this computer.
        ToolFailedError: it failed, or could not be fetched.
        ToolTimeoutError: it took longer than SYNTHESIS_TIMEOUT_S.
    """
    with tempfile.TemporaryDirectory() as folder:
        library = _unpack(Path(folder))
        command = [sys.executable, str(Path(__file__).with_name("espeak.py")), str(library), str(library.parent)]
        asked = json.dumps([astuple(word) for word in words]).encode()
        try:
            done = subprocess.run(command, input=asked, capture_output=True, timeout=SYNTHESIS_TIMEOUT_S, check=True)
        except subprocess.TimeoutExpired as error:
            raise ToolTimeoutError(f"espeak-ng took longer than {SYNTHESIS_TIMEOUT_S} s") from error
        except subprocess.CalledProcessError as error:
            raise ToolFailedError(f"espeak-ng failed: {error.stderr.decode(errors='replace')[-1000:]}") from error
    with np.load(io.BytesIO(done.stdout), allow_pickle=False) as result:
        spoken = np.split(result["samples"], np.cumsum(result["lengths"])[:-1])
        return [_prepare(samples, int(result["rate_hz"])) for samples in spoken]


def _unpack(folder: Path) -> Path:
    """Put the library and what it needs to speak English into `folder`; return the library's path."""
    computer = (platform.system(), platform.machine())
    if computer not in WHEELS:
        raise ToolMissingError(
            f"this example knows no espeak-ng for {' '.join(computer)}",
            f"it runs on {', '.join(' '.join(known) for known in WHEELS)}",
        )
    library = f"{PACKAGE}/{LIBRARY[computer[0]]}"
    data = f"{PACKAGE}/espeak-ng-data/"
    with zipfile.ZipFile(WHEELS[computer].fetch()) as archive:
        for name in archive.namelist():
            of_other_language = name.endswith("_dict") and not name.endswith("/en_dict")
            if name == library or (name.startswith(data) and not of_other_language):
                archive.extract(name, folder)
    return folder / library


def _prepare(samples: npt.NDArray[np.int16], rate_hz: int) -> Floats:
    loud = np.flatnonzero(np.abs(samples.astype(np.int32)) > 0.02 * 2**15)
    heard = samples[loud[0] : loud[-1] + 1].astype(np.float64)
    times_s = np.arange(int(len(heard) * SAMPLE_RATE_HZ / rate_hz)) / SAMPLE_RATE_HZ
    resampled = np.interp(times_s * rate_hz, np.arange(len(heard)), heard)
    return (resampled / np.abs(resampled).max()).astype(np.float32)
