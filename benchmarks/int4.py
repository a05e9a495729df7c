"""Weights of 4 bits against 8: accuracy, flash and instructions of trained networks, built and verified.

    python benchmarks/int4.py                                   # cortex-m4, about 5 minutes
    python benchmarks/int4.py --target cortex-m0,rv32imc        # other cores

The networks: `firmware_examples/spoken_digits`, and the folder `image_rows`, MNIST row by row through an LSTM of 48
units. Exits with 1 unless int4 is within LIMIT of the float accuracy and takes less flash than int8 on every target.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parent.parent
CASES = (REPOSITORY / "firmware_examples" / "spoken_digits", REPOSITORY / "benchmarks" / "image_rows")
WEIGHTS = ("int8", "int4")
OPTIMIZE = "speed"
LIMIT = 0.01
_LEFT_OUT = shutil.ignore_patterns("out", "model.keras", "__pycache__")
_TIMEOUT_S = 1800


@dataclass(frozen=True)
class Row:
    """A build; flash in bytes, `flash` without the firmware around the network."""

    case: str
    target: str
    weights: str
    float_accuracy: float
    accuracy: float
    sqnr_db: float
    weight_flash: int
    flash: int
    instructions: int


def main() -> int:
    """Train, build with either, print a table."""
    parser = argparse.ArgumentParser(description="Weights of 4 bits against 8.")
    parser.add_argument("--target", default="cortex-m4")
    targets = parser.parse_args().target.split(",")
    rows = []
    for case in CASES:
        with tempfile.TemporaryDirectory(prefix="edgelstm-") as work:
            project = Path(work) / case.name
            shutil.copytree(case, project, ignore=_LEFT_OUT)
            _edgelstm(project, "train")
            rows += [row for target in targets for row in _rows(project, target)]
    print("\n".join(_table(rows)))
    return 0 if all(_is_good(one, other) for one, other in zip(rows[0::2], rows[1::2], strict=True)) else 1


def _rows(project: Path, target: str) -> Iterator[Row]:
    for weights in WEIGHTS:
        words = ("build", "--target", target, "--weights", weights, "--optimize", OPTIMIZE, "--json", "-o", "built")
        report = json.loads(_edgelstm(project, *words))
        accuracy, flash = report["accuracy"], report["memory"]["flash_bytes"]
        yield Row(
            case=project.name,
            target=target,
            weights=weights,
            float_accuracy=accuracy["float"],
            accuracy=accuracy["quantized"],
            sqnr_db=accuracy["sqnr_db"],
            weight_flash=flash["weights"],
            flash=flash["total"],
            instructions=report["cost"]["instructions_per_step"],
        )


def _is_good(wide: Row, narrow: Row) -> bool:
    return narrow.float_accuracy - narrow.accuracy <= LIMIT and narrow.flash < wide.flash


def _table(rows: list[Row]) -> Iterator[str]:
    yield "| network | core | weights | accuracy (float) | SQNR | weights in flash | flash | instructions a step |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for row in rows:
        cells = (
            row.case,
            row.target,
            row.weights,
            f"{row.accuracy:.4f} ({row.float_accuracy:.4f})",
            f"{row.sqnr_db:.1f} dB",
            f"{row.weight_flash:,}",
            f"{row.flash:,}",
            f"{row.instructions:,}",
        )
        yield f"| {' | '.join(cells)} |"


def _edgelstm(folder: Path, *words: str) -> Any:
    command = [sys.executable, "-m", "edgelstm", *words]
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, timeout=_TIMEOUT_S, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
