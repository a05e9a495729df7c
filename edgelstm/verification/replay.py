"""Vectors to a program built from the generated C, and its states and outputs back (`templates/c/app/replay.c.j2`)."""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgelstm.errors import ToolFailedError
from edgelstm.ir import IntArray, Model
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


def write_vectors(folder: Path, inputs: IntArray) -> tuple[str, ...]:
    """Write stored inputs (sequences, time, size) into `folder`.

    Returns:
        the program's arguments.
    """
    sequences, timesteps, _ = inputs.shape
    header = _MAGIC + struct.pack("<II", sequences, timesteps)
    (folder / INPUT_FILE).write_bytes(header + inputs.astype(inputs.dtype.newbyteorder("<")).tobytes())
    return f"in={INPUT_FILE}", f"out={OUTPUT_FILE}"


def read_results(folder: Path, model: Model, sequences: int, timesteps: int) -> tuple[Trace, ReplayCosts]:
    """Read what the program wrote for `sequences` x `timesteps` steps, and for what follows each window."""
    schedule = make_schedule(model, timesteps)
    records = timesteps + (0 if schedule.is_streaming else schedule.slices)
    fields = [(array.dtype, array.size) for op in model.ops for array in op.state]
    fields.append(("int8", model.output.size * (1 if schedule.is_streaming else schedule.output_count)))
    names = array_names(model)
    record = np.dtype(
        [(name, np.dtype(dtype).newbyteorder("<"), (size,)) for name, (dtype, size) in zip(names, fields, strict=True)]
    )
    path = folder / OUTPUT_FILE
    data = path.read_bytes() if path.exists() else b""
    expected = sequences * records * record.itemsize
    if len(data) != expected + _COSTS.size:
        raise ToolFailedError(
            f"the program wrote {len(data)} bytes of results, expected {expected + _COSTS.size}",
            "it may have crashed; run it with --verbose to see its output",
        )
    steps = np.frombuffer(data[:expected], record).reshape(sequences, records)
    step_ticks, output_ticks, step_stack, output_stack = _COSTS.unpack(data[expected:])
    trace = Trace(tuple(TraceArray(name, steps[name]) for name in names))
    outputs = sequences * (timesteps if schedule.is_streaming else 1)
    stack_bytes = max(step_stack, output_stack)
    costs = ReplayCosts(step_ticks, output_ticks, sequences * timesteps, outputs, stack_bytes)
    return trace, costs
