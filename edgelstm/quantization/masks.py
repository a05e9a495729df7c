"""A masked sequence backwards: all of it is turned around, and masked then."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from edgelstm.ir import Op
from edgelstm.ops.embedding import Embedding
from edgelstm.ops.masking import Masking
from edgelstm.ops.reverse import Reverse


def mask_behind_reversal(ops: Sequence[Op], output_names: Sequence[str] = ()) -> tuple[Op, ...]:
    """Let a Masking change places with the Reverse that reads it, and leave it out where nothing else does.

    What is stored to be read from its end then has an element for every step, as the schedule wants it.
    """
    reversed_names = {op.input.name for op in ops if isinstance(op, Reverse)}
    names = {op.name for op in ops}
    split = [
        part
        for op in ops
        for part in (_split(op, names) if isinstance(op, Embedding) and op.output.name in reversed_names else (op,))
    ]
    masks = {op.output.name: op for op in split if isinstance(op, Masking)}
    found: list[Op] = []
    for op in split:
        found += _changed(op, masks, names) if isinstance(op, Reverse) else [op]
    read = {tensor.name for op in found for tensor in op.inputs} | {op.output.name for op in found[-1:]}
    read |= set(output_names)
    return tuple(op for op in found if op.output.name not in masks or op.output.name in read)


def _changed(op: Reverse, masks: Mapping[str, Masking], names: set[str]) -> list[Op]:
    mask = masks.get(op.input.name)
    if mask is None:
        return [op]
    turned = Reverse.of(_unused(f"{op.name}/all_steps", names), mask.input)
    return [turned, replace(mask, name=op.name, input=turned.output, output=op.output)]


def _split(op: Embedding, names: set[str]) -> tuple[Op, ...]:
    """An Embedding for which 0 is a mask as one without, and a Masking that knows the row of 0.

    Nothing sees that row, so it may hold what no other row is; as it is where every value is that of another row.
    """
    taken = {int(row[0]) for row in op.table[1:] if (row == row[0]).all()}
    value = next((value for value in range(-128, 128) if value not in taken), None)
    if not op.mask_zero or value is None:
        return (op,)
    table = np.concatenate([np.full_like(op.table[:1], value), op.table[1:]])
    name = _unused(f"{op.name}/rows", names)
    rows = replace(op, name=name, output=replace(op.output, name=name), table=table, mask_zero=False)
    return rows, Masking(op.name, rows.output, op.output, value)


def _unused(name: str, names: set[str]) -> str:
    """The name, longer if a layer has it; it is taken then."""
    while name in names:
        name += "_"
    names.add(name)
    return name
