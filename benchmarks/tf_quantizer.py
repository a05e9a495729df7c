"""Our quantizer beside TensorFlow's, on the examples: python benchmarks/tf_quantizer.py [FOLDER ...].

Each folder is an example that was trained (`edgelstm train`); all of firmware_examples where none is named. Both
quantizers take the weights of model.keras and the first 200 calibration sequences; the float model judges both on the
first 1500 test sequences, by the signal to quantization noise ratio of all outputs. TensorFlow's file runs in LiteRT,
ours in the simulator, which equals LiteRT bit for bit. Prints the table in docs/tensorflow-quantizer.md, and with which
options each example is at least as good as TensorFlow's.
"""

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter, OpResolverType

from edgelstm.data import fit_dataset, load_dataset
from edgelstm.data.dataset import Dataset
from edgelstm.errors import UnsupportedModelError
from edgelstm.frontends.keras import load_keras
from edgelstm.ir import FloatArray, FloatModel, Model, Ranges
from edgelstm.numerics.contracts import Contract
from edgelstm.project import load_project
from edgelstm.quantization import (
    as_converted,
    calibrate,
    calibrate_as_converter,
    clip_at_least_error,
    observe_moments,
    quantize,
    round_to_data,
    widen,
)
from edgelstm.report.metrics import sqnr_db
from edgelstm.simulate import real_outputs, simulate, stored_inputs

EXAMPLES = Path(__file__).resolve().parent.parent / "firmware_examples"
CONVERT = Path(__file__).with_name("tf_convert.py")
CALIBRATION, TEST = 200, 1500
"""Sequences. Few to test on would not do: of a classifier, single ones near a decision make much of the error."""

LIMIT_S = 1800
MARGINS = (1.1, 1.25, 1.5)


@dataclass(frozen=True)
class Options:
    """Of `edgelstm quantize`, as far as they are compared."""

    margin: float = 1.0
    is_clipped: bool = False
    rounds_to_data: bool = False

    def __str__(self) -> str:
        texts = {
            "--rounding data": self.rounds_to_data,
            "--clip mse": self.is_clipped,
            f"--margin {self.margin:g}": self.margin != 1.0,
        }
        return " ".join(text for text, is_given in texts.items() if is_given) or "the default"

    @property
    def given(self) -> int:
        """How many."""
        return self.rounds_to_data + self.is_clipped + (self.margin != 1.0)


COLUMNS = {
    "edgelstm": [Options()],
    "`--clip mse`": [Options(is_clipped=True)],
    "best `--margin`": [Options(margin) for margin in MARGINS],
    "`--rounding data`": [Options(rounds_to_data=True)],
    "and `--clip mse`": [Options(is_clipped=True, rounds_to_data=True)],
    "and best `--margin`": [Options(margin, rounds_to_data=True) for margin in MARGINS],
}

ALL = [options for column in COLUMNS.values() for options in column]


@dataclass(frozen=True)
class Compared:
    """An example: our ratios, TensorFlow's where it has one, and how many outputs of our imitation differ."""

    ours: Mapping[Options, float]
    theirs: float | None
    differing: str

    @property
    def at_least_theirs(self) -> list[Options]:
        """With which ours is no worse."""
        theirs = -np.inf if self.theirs is None else self.theirs
        return [options for options, value in self.ours.items() if value >= theirs]

    @property
    def enough(self) -> str:
        """The fewest options with which ours is no worse, and of these the best."""
        found = min(self.at_least_theirs, key=lambda one: (one.given, -self.ours[one]), default=None)
        return "none of these" if found is None else str(found)

    @property
    def cells(self) -> list[str]:
        """Of the table's row."""
        theirs = "-" if self.theirs is None else f"{self.theirs:.2f}"
        return [*map(self._best, COLUMNS.values()), theirs, self.enough, self.differing]

    def _best(self, column: list[Options]) -> str:
        best = max(column, key=self.ours.__getitem__)
        return f"{self.ours[best]:.2f}" + (f" ({best.margin:g})" if len(column) > 1 else "")


def main(folders: list[Path]) -> None:
    """A row for each example, and what serves all of them."""
    print("| example | " + " | ".join([*COLUMNS, "TensorFlow", "enough", "`--calibration tf` differs in"]) + " |")
    print("|---" + "|---:" * (len(COLUMNS) + 1) + "|---|---:|")
    found = []
    for folder in folders:
        found.append(compared(folder))
        print(f"| {folder.name} | " + " | ".join(found[-1].cells) + " |", flush=True)
    everywhere = [str(one) for one in ALL if all(one in example.at_least_theirs for example in found)]
    print("no worse than TensorFlow in every example:", "; ".join(everywhere) or "no options of those tried")


def compared(folder: Path) -> Compared:
    """Quantize an example in all ways."""
    project = load_project(folder)
    assert project.data.source is not None
    model = load_keras(project.model_path)
    dataset, _ = fit_dataset(load_dataset(project.data.source, base=folder), model.inputs, model.timesteps)
    test = dataset.test.x[:TEST]
    expected = model.forward(test)
    ours = decibels(model, dataset.calibration.x[:CALIBRATION], test, expected)
    return Compared(ours, *beside_tensorflow(folder, model, dataset, expected))


def decibels(model: FloatModel, known: FloatArray, test: FloatArray, expected: FloatArray) -> dict[Options, float]:
    """The ratio with each choice of options."""
    ranges, moments = calibrate(model, known), observe_moments(model, known)
    narrower = clip_at_least_error(model, known, None, ranges)
    found = {}
    for options in ALL:
        wanted = widen(model, narrower if options.is_clipped else ranges, options.margin)
        integers = integer_model(model, wanted)
        if options.rounds_to_data:
            integers = integer_model(round_to_data(model, integers, moments), wanted)
        answers = real_outputs(integers, simulate(integers, stored_inputs(integers, test)))
        found[options] = sqnr_db(expected, answers)
    return found


def integer_model(model: FloatModel, ranges: Ranges) -> Model:
    """In the contract that LiteRT keeps."""
    return quantize(model, ranges, model.timesteps or 0, Contract.LITERT)


def beside_tensorflow(
    folder: Path, model: FloatModel, dataset: Dataset, expected: FloatArray
) -> tuple[float | None, str]:
    """TensorFlow's ratio, and how many outputs of our imitation differ from it; None and "-" for what cannot be."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "model.tflite"
        command = [sys.executable, str(CONVERT), str(folder.resolve()), str(file), str(CALIBRATION)]
        ended = subprocess.run(command, timeout=LIMIT_S, capture_output=True, check=False)
        if ended.returncode or not file.exists():
            last = ended.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
            print(f"{folder.name}: converter ended with {ended.returncode}: {last[0]}", file=sys.stderr)
            return None, "-"
        data = file.read_bytes()
    test = dataset.test.x[:TEST]
    stored, real = litert(data, test, is_ids=bool(model.input.vocabulary))
    theirs = sqnr_db(expected, real.reshape(expected.shape))
    try:
        converted = as_converted(model)
    except UnsupportedModelError as error:
        print(f"{folder.name}: {error.message}", file=sys.stderr)
        return theirs, "-"
    like = integer_model(converted, calibrate_as_converter(converted, dataset.calibration.x[:CALIBRATION]))
    ours = simulate(like, stored_inputs(like, test)).reshape(stored.shape)
    return theirs, f"{np.count_nonzero(ours != stored):,} of {stored.size:,}"


def litert(data: bytes, test: FloatArray, *, is_ids: bool) -> tuple[Any, FloatArray]:
    """The outputs of a file, as int8 and as real numbers; each sequence from a reset."""
    interpreter = _interpreter(data)
    interpreter.allocate_tensors()
    (source,), (result,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero_point = source["quantization"]
    values = test[..., 0] if is_ids else np.clip(np.rint(test / np.float32(scale)) + zero_point, -128, 127)
    outputs = []
    for sequence in values.astype(source["dtype"]):
        interpreter.reset_all_variables()
        interpreter.set_tensor(source["index"], sequence.reshape(source["shape"]))
        interpreter.invoke()
        outputs.append(interpreter.get_tensor(result["index"])[0])
    stored = np.stack(outputs)
    scale, zero_point = result["quantization"]
    return stored, scale * (stored.astype(np.float64) - zero_point)


def _interpreter(data: bytes) -> Interpreter:
    """With the reference kernels, which lack the TILE of a RepeatVector; with the others where that is missed."""
    try:
        return Interpreter(model_content=data, experimental_op_resolver_type=OpResolverType.BUILTIN_REF)
    except ValueError:
        return Interpreter(model_content=data)


if __name__ == "__main__":
    main([Path(one) for one in sys.argv[1:]] or sorted(path.parent for path in EXAMPLES.glob("*/edgelstm.toml")))
