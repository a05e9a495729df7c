"""Vectors to a program built from the generated C, and its states and outputs back (`templates/c/app/replay.c.j2`)."""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgelstm.errors import ToolFailedError
from edgelstm.ir import IntArray, Model, QuantizedTensor, beside
from edgelstm.schedule import make_schedule
from edgelstm.verification.trace import Trace, TraceArray, array_names

INPUT_FILE = "vectors.bin"
OUTPUT_FILE = "results.bin"

_MAGIC = b"ELV1"
_COSTS = struct.Struct("<QQII")


@dataclass(frozen=True)
class ReplayCosts:
    """What the program measured of itself.

    Attributes:
        step_ticks: ticks of all steps together.
        output_ticks: ticks of all outputs together; 0 where `step` yields the output.
        steps: how many steps that were.
        outputs: how many outputs.
        stack_bytes: the deepest stack use of a step or an output.
    """

    step_ticks: int
    output_ticks: int
    steps: int
    outputs: int
    stack_bytes: int


def write_vectors(folder: Path, model: Model, inputs: IntArray) -> tuple[str, ...]:
    """Write stored inputs (sequences, rows, width) into `folder`: of each sequence what the program is to be given.

    Returns:
        the program's arguments.
    """
    layout = model.layout
    timesteps, arrays = layout.timesteps(inputs), layout.split(inputs)
    sample = np.dtype([(f"{index}", _little(one), (one.size,)) for index, one in enumerate(layout.sequences)])
    given = [(f"{index}", _little(one), (one.size,)) for index, one in enumerate(layout.vectors)]
    records = np.zeros(len(inputs), [*given, ("samples", sample, (timesteps,))])
    for index, tensor in enumerate(layout.vectors):
        records[f"{index}"] = arrays[tensor.name]
    for index, tensor in enumerate(layout.sequences):
        records["samples"][f"{index}"] = arrays[tensor.name]
    header = _MAGIC + struct.pack("<II", len(inputs), timesteps)
    (folder / INPUT_FILE).write_bytes(header + records.tobytes())
    return f"in={INPUT_FILE}", f"out={OUTPUT_FILE}"


def _little(tensor: QuantizedTensor) -> np.dtype[np.generic]:
    return np.dtype(tensor.quantization.dtype).newbyteorder("<")


def read_results(folder: Path, model: Model, sequences: int, timesteps: int) -> tuple[Trace, ReplayCosts]:
    """Read what the program wrote for `sequences` x `timesteps` steps, and for what follows each window."""
    schedule = make_schedule(model, timesteps)
    records = timesteps + (0 if schedule.is_streaming else schedule.slices)
    *names, output = array_names(model)
    fields = [
        (name, np.dtype(array.dtype).newbyteorder("<"), (array.size,))
        for name, array in zip(names, (array for op in model.ops for array in op.state), strict=True)
    ]
    outputs = timesteps if schedule.is_streaming else 1
    times = 1 if schedule.is_streaming else schedule.output_count
    answer = np.dtype([(f"{index}", _little(one), (one.size * times,)) for index, one in enumerate(model.outputs)])
    if schedule.is_streaming:
        record = np.dtype([("steps", np.dtype([*fields, (output, answer)]), (records,))])
    else:
        record = np.dtype([("steps", np.dtype(fields), (records,)), (output, answer, (1,))])
    path = folder / OUTPUT_FILE
    data = path.read_bytes() if path.exists() else b""
    expected = sequences * record.itemsize
    if len(data) != expected + _COSTS.size:
        raise ToolFailedError(
            f"the program wrote {len(data)} bytes of results, expected {expected + _COSTS.size}",
            "it may have crashed; run it with --verbose to see its output",
        )
    found = np.frombuffer(data[:expected], record)
    arrays = [TraceArray(name, found["steps"][name]) for name in names]
    answers = found["steps"][output] if schedule.is_streaming else found[output]
    arrays.append(TraceArray(output, beside([answers[name] for name in answer.names or ()])))
    step_ticks, output_ticks, step_stack, output_stack = _COSTS.unpack(data[expected:])
    stack_bytes = max(step_stack, output_stack)
    costs = ReplayCosts(step_ticks, output_ticks, sequences * timesteps, sequences * outputs, stack_bytes)
    return Trace(tuple(arrays)), costs
