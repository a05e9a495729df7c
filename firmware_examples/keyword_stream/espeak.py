"""Speaks words with the library espeak-ng: a program of its own, because native code may end its process.

    python espeak.py LIBRARY DATA_FOLDER < words.json > samples.npz

words.json is a list of [text, voice, words a minute, pitch from 0 to 99]. The result has `rate_hz`, all samples one
behind the other as int16, `samples`, and how many are of each word, `lengths`.
"""

import ctypes
import io
import json
import sys

import numpy as np
import numpy.typing as npt

# From espeak-ng's header speak_lib.h.
SYNCHRONOUS, DO_NOT_EXIT = 2, 0x8000
RATE, PITCH = 1, 3
UTF8, AT_CHARACTER = 1, 1
SAMPLES_ARRIVED = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class Espeak:
    """The library, which keeps its state for itself: one at a time."""

    def __init__(self, library: str, data_folder: str) -> None:
        self._library = ctypes.CDLL(library)
        self._heard: list[npt.NDArray[np.int16]] = []
        self._arrived = SAMPLES_ARRIVED(self._keep)
        self.rate_hz = self._library.espeak_Initialize(SYNCHRONOUS, 0, data_folder.encode(), DO_NOT_EXIT)
        if self.rate_hz <= 0:
            raise SystemExit(f"espeak-ng does not start: {self.rate_hz}")
        self._library.espeak_SetSynthCallback(self._arrived)

    def say(self, text: str, voice: str, words_per_minute: int, pitch: int) -> npt.NDArray[np.int16]:
        """Return the samples of one word."""
        self._heard.clear()
        # Breath is random; every word of every run has the same.
        self._library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        self._check(self._library.espeak_SetVoiceByName(voice.encode()), f"has no voice {voice}")
        self._check(self._library.espeak_SetParameter(RATE, words_per_minute, 0), "refuses the rate")
        self._check(self._library.espeak_SetParameter(PITCH, pitch, 0), "refuses the pitch")
        spelled = text.encode() + b"\0"
        size = ctypes.c_size_t(len(spelled))
        failed = self._library.espeak_Synth(spelled, size, 0, AT_CHARACTER, 0, UTF8, None, None)
        self._check(failed, f"does not say {text}")
        return np.concatenate(self._heard)

    def _keep(self, samples: "ctypes._Pointer[ctypes.c_short]", count: int, events: object) -> int:
        if samples and count > 0:
            self._heard.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    def _check(self, failed: int, problem: str) -> None:
        if failed:
            raise SystemExit(f"espeak-ng {problem}: error {failed}")


def main(library: str, data_folder: str) -> None:
    espeak = Espeak(library, data_folder)
    spoken = [espeak.say(*word) for word in json.load(sys.stdin)]
    result = io.BytesIO()
    lengths = [len(samples) for samples in spoken]
    np.savez(result, rate_hz=espeak.rate_hz, samples=np.concatenate(spoken), lengths=lengths)
    sys.stdout.buffer.write(result.getvalue())


if __name__ == "__main__":
    main(*sys.argv[1:])
