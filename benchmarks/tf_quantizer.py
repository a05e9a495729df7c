"""Our quantizer beside TensorFlow's, on the examples: python benchmarks/tf_quantizer.py [FOLDER ...].

Each folder is an example that was trained (`edgelstm train`); all of firmware_examples where none is named. Both
quantizers take the weights of model.keras and the first 200 calibration sequences; the float model judges both on the
first 300 test sequences, by the signal to quantization noise ratio of all outputs. TensorFlow's file runs in LiteRT,
ours in the simulator, which equals LiteRT bit for bit. Prints the rows of the table in docs/quantization.md.
"""

import subprocess
import sys
import tempfile
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
    quantize,
    widen,
)
from edgelstm.report.metrics import sqnr_db
from edgelstm.simulate import real_outputs, simulate, stored_inputs

EXAMPLES = Path(__file__).resolve().parent.parent / "firmware_examples"
CONVERT = Path(__file__).with_name("tf_convert.py")
CALIBRATION, TEST = 200, 300
LIMIT_S = 1800
MARGINS = (1.1, 1.25, 1.5)


def main(folders: list[Path]) -> None:
    """A row for each example."""
    print("| example | edgelstm | `--clip mse` | `--margin`, the best | TensorFlow | `--calibration tf` differs in |")
    print("|---|---:|---:|---:|---:|---:|")
    for folder in folders:
        print(f"| {folder.name} | " + " | ".join(row(folder)) + " |", flush=True)


def row(folder: Path) -> list[str]:
    """The cells behind the name."""
    project = load_project(folder)
    assert project.data.source is not None
    model = load_keras(project.model_path)
    dataset, _ = fit_dataset(load_dataset(project.data.source, base=folder), model.inputs, model.timesteps)
    known, test = dataset.calibration.x[:CALIBRATION], dataset.test.x[:TEST]
    expected = model.forward(test)
    ranges = calibrate(model, known)
    found = [sqnr_db(expected, answers(model, ranges, test))]
    found.append(sqnr_db(expected, answers(model, clip_at_least_error(model, known, None, ranges), test)))
    margins = {one: sqnr_db(expected, answers(model, widen(model, ranges, one), test)) for one in MARGINS}
    best = max(margins, key=lambda margin: margins[margin])
    cells = [f"{value:.2f}" for value in found] + [f"{margins[best]:.2f} ({best:g})"]
    return cells + beside_tensorflow(folder, model, dataset, expected)


def answers(model: FloatModel, ranges: Ranges, test: FloatArray) -> FloatArray:
    """What the model quantized so says, as real numbers."""
    integers = integer_model(model, ranges)
    return real_outputs(integers, simulate(integers, stored_inputs(integers, test)))


def integer_model(model: FloatModel, ranges: Ranges) -> Model:
    """In the contract that LiteRT keeps."""
    return quantize(model, ranges, model.timesteps or 0, Contract.LITERT)


def beside_tensorflow(folder: Path, model: FloatModel, dataset: Dataset, expected: FloatArray) -> list[str]:
    """TensorFlow's ratio, and how many outputs of our imitation differ from it; "-" for what cannot be."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "model.tflite"
        command = [sys.executable, str(CONVERT), str(folder.resolve()), str(file), str(CALIBRATION)]
        ended = subprocess.run(command, timeout=LIMIT_S, capture_output=True, check=False)
        if ended.returncode or not file.exists():
            last = ended.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no message"]
            print(f"{folder.name}: converter ended with {ended.returncode}: {last[0]}", file=sys.stderr)
            return ["-", "-"]
        data = file.read_bytes()
    test = dataset.test.x[:TEST]
    stored, real = litert(data, test, is_ids=bool(model.input.vocabulary))
    cells = [f"{sqnr_db(expected, real.reshape(expected.shape)):.2f}"]
    try:
        converted = as_converted(model)
    except UnsupportedModelError as error:
        print(f"{folder.name}: {error.message}", file=sys.stderr)
        return [*cells, "-"]
    like = integer_model(converted, calibrate_as_converter(converted, dataset.calibration.x[:CALIBRATION]))
    ours = simulate(like, stored_inputs(like, test)).reshape(stored.shape)
    return [*cells, f"{np.count_nonzero(ours != stored):,} of {stored.size:,}"]


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
