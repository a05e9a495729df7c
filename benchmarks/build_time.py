"""How long a build takes from a trained model to verified firmware: python benchmarks/build_time.py [MODEL DATA].

Uses the spoken digits example unless a model and its data are named. Prints seconds for a full build and for one that
reuses everything, as a ratio too, with gcc and QEMU, and with zig and Unicorn from pip alone.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parent.parent / "firmware_examples" / "spoken_digits"
TOOLS = (("gcc", "qemu"), ("zig", "unicorn"))


def main() -> None:
    """Time both tool chains."""
    if len(sys.argv) == 3:
        model, data, folder = sys.argv[1], sys.argv[2], Path()
    else:
        model, data, folder = "model.keras", "data.py:load", EXAMPLE
    for compiler, runner in TOOLS:
        with tempfile.TemporaryDirectory() as output:
            command = [
                sys.executable, "-m", "edgelstm", "build", model, "--data", data, "--quiet",
                "--compiler", compiler, "--runner", runner, "--output", f"{output}/out",
            ]  # fmt: skip
            full_s, again_s = _time(command, folder), _time(command, folder)
            print(f"{compiler} and {runner}: {full_s:.1f} s, again {again_s:.1f} s (1 : {full_s / again_s:.1f})")


def _time(command: list[str], folder: Path) -> float:
    start = time.monotonic()
    subprocess.run(command, cwd=folder, check=True, timeout=600, stdout=subprocess.DEVNULL)
    return time.monotonic() - start


if __name__ == "__main__":
    main()
