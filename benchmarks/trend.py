"""A series that rises on behind its training data: what is clipped, and what the advised margin cures.

Trains the network of the folder `trend`, quantizes it as it is and with the margin that the warning advises, and prints
the errors. Exits with 1 unless the clipping was reported and the margin brings the int8 error below LIMIT.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FOLDER = Path(__file__).parent / "trend"
LIMIT = 0.10
_TIMEOUT_S = 900


def main() -> int:
    """Train, quantize twice, compare."""
    with tempfile.TemporaryDirectory(prefix="edgelstm-") as work:
        project = Path(work) / "trend"
        shutil.copytree(FOLDER, project, ignore=shutil.ignore_patterns("out", "model.keras", "__pycache__"))
        _edgelstm(project, "train")
        said = _edgelstm(project, "quantize", "-o", "plain.tflite")
        advised = re.search(r"leave the calibrated range: .*--margin (\S+),", said)
        if advised is None:
            print("no margin was advised")
            return 1
        margin = advised.group(1)
        cured = _edgelstm(project, "quantize", "--margin", margin, "-o", "wide.tflite")
    reference, plain = _errors(said)
    _, wide = _errors(cured)
    print(f"float {reference:.4f}, int8 {plain:.4f}, int8 with --margin {margin} {wide:.4f} (at most {LIMIT})")
    return 0 if wide <= LIMIT else 1


def _edgelstm(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "edgelstm", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_TIMEOUT_S, check=True)
    return done.stdout + done.stderr


def _errors(said: str) -> tuple[float, float]:
    """Root mean square errors of the float model and the quantized one."""
    found = re.search(r"^ +rmse +(\S+) +(\S+)$", said, re.MULTILINE)
    assert found is not None
    return float(found.group(1)), float(found.group(2))


if __name__ == "__main__":
    sys.exit(main())
