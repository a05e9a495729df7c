"""How far the graph of one step lies from the float model and from the C, as the official interpreters run it."""

import math
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgelstm.data.dataset import Samples
from edgelstm.errors import ToolFailedError
from edgelstm.ir import FloatArray, FloatModel, IntArray, Model
from edgelstm.report.metrics import sqnr_db
from edgelstm.simulate import dequantize_array, stored_inputs
from edgelstm.tflite import read_tflite
from edgelstm.tflite.step_rules import check_step_graph
from edgelstm.verification.accuracy import run_samples, run_simulator
from edgelstm.verification.isolation import INPUTS_FILE, RESULTS_FILE, STEP_FILE, run_process, save_arrays
from edgelstm.verification.oracles import LITERT, TFLM, Oracle

INTERPRETERS = (LITERT, TFLM)
MOST_SEQUENCES, MOST_STEPS = 16, 4096
"""An interpreter takes some microseconds for each operator, called from Python."""


@dataclass(frozen=True)
class StepGraphAccuracy:
    """What one interpreter made of a graph of one step, on a few test sequences.

    Attributes:
        interpreter: its name.
        sqnr_db: of the graph, the float model being the signal.
        c_sqnr_db: of the C on the same sequences.
        difference_db: of the graph, the C being the signal.
    """

    interpreter: str
    sqnr_db: float
    c_sqnr_db: float
    difference_db: float

    def to_mapping(self) -> dict[str, Any]:
        """As plain values; infinities become None, as JSON has none."""
        values = asdict(self)
        return {key: None if value in (math.inf, -math.inf) else value for key, value in values.items()}


def measure_step_graph(
    float_model: FloatModel, model: Model, data: bytes, samples: Samples
) -> tuple[StepGraphAccuracy, ...]:
    """Run `data`, the graph of `model`, in each interpreter that is installed."""
    count = max(1, min(MOST_SEQUENCES, MOST_STEPS // samples.x.shape[1]))
    few = Samples(samples.x[:count], None, None if samples.lengths is None else samples.lengths[:count])
    wanted, by_c = run_samples(float_model.forward, few), run_simulator(model, few)
    measured = []
    for oracle in INTERPRETERS:
        if oracle.is_available:
            steps = run_step_graph(oracle, data, stored_inputs(model, few.x))
            found = _as_answered(model, steps, few)
            figures = sqnr_db(wanted, found), sqnr_db(wanted, by_c), sqnr_db(by_c, found)
            measured.append(StepGraphAccuracy(oracle.name, *figures))
    return tuple(measured)


def run_step_graph(oracle: Oracle, data: bytes, inputs: IntArray) -> IntArray:
    """`run_here` in a process of its own: interpreters end the process on what they dislike."""
    with tempfile.TemporaryDirectory(prefix="edgelstm-") as name:
        folder = Path(name)
        (folder / STEP_FILE).write_bytes(data)
        save_arrays(folder / INPUTS_FILE, [inputs])
        run_process("step_graph_process", oracle, folder)
        with np.load(folder / RESULTS_FILE, allow_pickle=False) as results:
            outputs: IntArray = results["outputs"]
            return outputs


def run_here(oracle: Oracle, data: bytes, inputs: IntArray) -> IntArray:
    """Run a graph of one step on stored inputs (sequences, time, size), handing its states on.

    Returns:
        (sequences, time, output size) stored answers, each as if the sequence ended there.
    """
    check_step_graph(data)
    states = [np.zeros(tensor.shape, np.int16) for tensor in read_tflite(data).inputs[1:]]
    try:
        invoke = oracle.open(data)
    except (RuntimeError, ValueError) as error:
        raise ToolFailedError(f"{oracle.name} does not accept the graph of a step: {error}") from error
    answers = []
    for sequence in inputs:
        before = states
        for values in sequence:
            output, *before = invoke(np.ascontiguousarray(values[None, None]), *before)
            answers.append(output.ravel())
    return np.array(answers, np.int8).reshape(*inputs.shape[:2], -1)


def _as_answered(model: Model, steps: IntArray, samples: Samples) -> FloatArray:
    """What `run_samples` would return for the graph."""
    count, timesteps, _ = samples.x.shape
    lengths = np.full(count, timesteps) if samples.lengths is None else np.asarray(samples.lengths)
    values = dequantize_array(steps, model.output.quantization)
    if model.output.is_sequence:
        values[np.arange(timesteps) >= lengths[:, None]] = 0.0
        return values
    last: FloatArray = values[np.arange(count), lengths - 1]
    return last
