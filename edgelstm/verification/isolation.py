"""Official interpreters in a process of their own.

They are native code that ends the process on what they do not like, and they do not live beside TensorFlow, which the
same command may have used for training a moment ago.
"""

import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import edgelstm
from edgelstm.device.process import run
from edgelstm.errors import ToolFailedError
from edgelstm.ir import IntArray, Model
from edgelstm.tflite import read_tflite
from edgelstm.verification.oracles import Oracle, exposed_model, interpreter_inputs, name_arrays
from edgelstm.verification.trace import Trace

TIMEOUT_S = 1800.0

STEP_FILE, SHIPPED_FILE = "step.tflite", "shipped.tflite"
REFUSED_EXIT_CODE = 3

INPUTS_FILE, WINDOWS_FILE, RESULTS_FILE = "inputs.npz", "windows.npz", "results.npz"


def run_isolated(
    oracle: Oracle, model: Model, inputs: IntArray, tflite: bytes, windows: IntArray
) -> tuple[Trace, IntArray]:
    """Run an oracle on `inputs` so that it shows more than the output, and the shipped file on `windows`.

    Returns:
        the trace, and the outputs of the shipped file.
    """
    exposed = exposed_model(model, inputs)
    shipped = _in_order_of(tflite, model, interpreter_inputs(model, windows))
    steps, outputs = run_files(oracle, exposed, interpreter_inputs(model, inputs), tflite, shipped)
    return name_arrays(model, inputs, steps), outputs


def _in_order_of(tflite: bytes, model: Model, arrays: list[IntArray]) -> list[IntArray]:
    """Inputs in the order of a file, which may have a vector first."""
    if len(arrays) == 1:
        return arrays
    named = {tensor.name: values for tensor, values in zip(model.inputs, arrays, strict=True)}
    return [named[tensor.name] for tensor in read_tflite(tflite).inputs]


def run_files(
    oracle: Oracle, exposed: bytes, inputs: Sequence[IntArray], shipped: bytes, windows: Sequence[IntArray]
) -> tuple[list[IntArray], IntArray]:
    """Run an oracle's `run_exposed` on one file, and its `run_window` on the other."""
    with tempfile.TemporaryDirectory(prefix="edgelstm-") as name:
        folder = Path(name)
        (folder / STEP_FILE).write_bytes(exposed)
        (folder / SHIPPED_FILE).write_bytes(shipped)
        save_arrays(folder / INPUTS_FILE, inputs)
        save_arrays(folder / WINDOWS_FILE, windows)
        run_process("oracle_process", oracle, folder)
        with np.load(folder / RESULTS_FILE, allow_pickle=False) as results:
            steps = [results[f"step{index}"] for index in range(len(results.files) - 1)]
            return steps, results["window"]


def save_arrays(path: Path, arrays: Sequence[IntArray]) -> None:
    """Write arrays in their order."""
    np.savez(path, **{f"array{index}": values for index, values in enumerate(arrays)})


def load_arrays(path: Path) -> list[IntArray]:
    """What `save_arrays` wrote."""
    with np.load(path, allow_pickle=False) as found:
        return [found[f"array{index}"] for index in range(len(found.files))]


def run_process(module: str, oracle: Oracle, folder: Path) -> None:
    """Run a module of this package in a process of its own, in a folder with the files that it takes.

    Raises:
        ToolFailedError: it refused the model, or ended otherwise than it should.
    """
    package_parent = str(Path(edgelstm.__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (package_parent, os.environ.get("PYTHONPATH"))))
    completed = run(
        [sys.executable, "-P", "-m", f"edgelstm.verification.{module}", oracle.name],
        timeout_s=TIMEOUT_S,
        cwd=folder,
        environment={"PYTHONPATH": path},
    )
    if completed.exit_code == REFUSED_EXIT_CODE:
        raise ToolFailedError(completed.output.strip()[-2000:], "please report this with the model")
    if completed.exit_code != 0:
        raise ToolFailedError(
            f"{oracle.name} ended with exit code {completed.exit_code}:\n{completed.output.strip()[-2000:]}",
            "check the package's installation with `edgelstm doctor`",
        )
