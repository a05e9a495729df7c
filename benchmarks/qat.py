"""What fine-tuning in the deployed integers brings: the adding problem with an LSTM and a GRU, and spoken digits.

    python benchmarks/qat.py [case ...] [--folder models]

Trains each network (or takes it from the folder, where an earlier run left it), fine-tunes it, and prints a row of the
table in benchmarks/README.md. Exits with 1 where the trained metric is not the deployed one to 0.1 %, or an error is
above what LIMITS asks.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgelstm.data import Dataset
from edgelstm.pipeline.finetuned import FineTuned, finetune
from edgelstm.pipeline.request import BuildRequest, Data, read_data
from edgelstm.report.progress import Silent
from edgelstm.training.backend import load_keras
from edgelstm.training.qat.tune import Schedule

EXAMPLES = Path(__file__).parent.parent / "firmware_examples"
AGREEMENT = 0.001
_TIMEOUT_S = 3600


@dataclass(frozen=True)
class Limits:
    """The largest errors asked for.

    Attributes:
        float_value: of the trained float model, so that it is no poor one that fine-tuning improves.
        deployed: of the integers after fine-tuning.
    """

    float_value: float
    deployed: float


LIMITS = {"adding_lstm": Limits(float_value=0.0108, deployed=0.0110)}


@dataclass(frozen=True)
class Case:
    """A network, its data and how it is fine-tuned.

    Attributes:
        data: loads them.
        train: writes the float model to a file.
        schedule: of the fine-tuning.
    """

    data: Callable[[], Dataset]
    train: Callable[[Dataset, Path], None]
    schedule: Schedule


def adding(steps: int, sequences: int) -> Dataset:
    """The adding problem of `verb_agreement/adding.py`: a number and a mark at each step, the sum of those marked."""
    rng = np.random.default_rng(0)
    numbers = rng.random((sequences, steps), np.float32)
    marks = np.zeros((sequences, steps), np.float32)
    halves = np.stack([rng.integers(0, steps // 2, sequences), rng.integers(steps // 2, steps, sequences)])
    marks[np.arange(sequences), halves] = 1
    sums = (numbers * marks).sum(axis=1)
    x, training = np.stack([numbers, marks], axis=2), sequences * 9 // 10
    return Dataset(x[:training], sums[:training], x_test=x[training:], y_test=sums[training:])


def train_adding(layer: str, units: int, epochs: int) -> Callable[[Dataset, Path], None]:
    """Training of one recurrent layer and a Dense."""

    def train(dataset: Dataset, path: Path) -> None:
        keras = load_keras(0)
        shape = dataset.x.shape[1:]
        recurrent: Any = getattr(keras.layers, layer)(units)
        network = keras.Sequential([keras.Input(shape), recurrent, keras.layers.Dense(1)], name="adding")
        rate = keras.optimizers.schedules.CosineDecay(0.01, decay_steps=epochs * len(dataset.x) // 64)
        network.compile(keras.optimizers.Adam(rate, clipnorm=1.0), "mse")
        network.fit(dataset.x, dataset.y, epochs=epochs, batch_size=64, verbose=0)
        network.save(path)

    return train


def digits() -> Dataset:
    """Those of the example."""
    dataset = read_data("data.py:load", EXAMPLES / "spoken_digits").dataset
    assert dataset is not None
    return dataset


def train_digits(dataset: Dataset, path: Path) -> None:
    """As the example trains."""
    with tempfile.TemporaryDirectory(prefix="edgelstm-") as work:
        project = Path(work) / "spoken_digits"
        ignored = shutil.ignore_patterns("out", "model.keras", "__pycache__", ".edgelstm*")
        shutil.copytree(EXAMPLES / "spoken_digits", project, ignore=ignored)
        command = [sys.executable, "-m", "edgelstm", "train"]
        subprocess.run(command, cwd=project, capture_output=True, timeout=_TIMEOUT_S, check=True)
        shutil.copy(project / "model.keras", path)


CASES = {
    "adding_lstm": Case(lambda: adding(60, 10_000), train_adding("LSTM", 32, 30), Schedule(epochs=4)),
    "adding_gru": Case(lambda: adding(30, 4000), train_adding("GRU", 16, 40), Schedule(epochs=4)),
    "spoken_digits": Case(digits, train_digits, Schedule(epochs=3)),
}


def measure(case: Case, path: Path) -> tuple[FineTuned, float]:
    """Fine-tune a case whose float model is, or will be, at `path`; and the processor's seconds that took."""
    dataset = case.data()
    if not path.exists():
        case.train(dataset, path)
    started_s = time.process_time()
    found = finetune(path, BuildRequest(path, path.parent), Data(dataset, ""), case.schedule, Silent())
    return found, time.process_time() - started_s


def row(name: str, found: FineTuned, seconds: float) -> str:
    """A line of the table."""
    before, after = found.before, found.after
    values = (before.float_value, before.quantized_value, found.trained_value, after.quantized_value, after.float_value)
    figures = " | ".join("-" if value is None else f"{value:.5f}" for value in values)
    noise = f"{before.sqnr_db:.1f} -> {after.sqnr_db:.1f}"
    return f"| {name} | {after.metric} | {figures} | {noise} | {found.tuned.epoch} | {seconds:.0f} |"


def problems(name: str, found: FineTuned) -> list[str]:
    """What was promised and not kept."""
    trained, deployed, reference = found.trained_value, found.after.quantized_value, found.before.float_value
    assert trained is not None
    assert deployed is not None
    assert reference is not None
    unkept = []
    if abs(trained - deployed) > AGREEMENT * abs(deployed):
        unkept.append(f"{name}: trained {trained}, deployed {deployed}")
    limits = LIMITS.get(name)
    if limits is not None and reference > limits.float_value:
        unkept.append(f"{name}: the float error {reference:.5f} is above {limits.float_value}")
    if limits is not None and deployed > limits.deployed:
        unkept.append(f"{name}: the int8 error {deployed:.5f} is above {limits.deployed}")
    return unkept


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("cases", nargs="*", default=list(CASES))
    parser.add_argument("--folder", type=Path, help="where trained models are kept")
    given = parser.parse_args()
    unkept: list[str] = []
    print("| case | metric | float | int8 | trained | int8 then | float then | SQNR dB | epoch | CPU s |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory(prefix="edgelstm-") as work:
        folder = given.folder or Path(work)
        folder.mkdir(parents=True, exist_ok=True)
        for name in given.cases:
            found, seconds = measure(CASES[name], folder / f"{name}.keras")
            print(row(name, found, seconds), flush=True)
            unkept += problems(name, found)
    for problem in unkept:
        print(problem)
    return 1 if unkept else 0


if __name__ == "__main__":
    sys.exit(main())
