"""Cost is a test too: flash, RAM and instructions of reference models, against a committed table.

After a wanted change: python -m pytest tests/test_cost_table.py --update-golden, without -n, as every test writes its
rows into the same file. The compiler's version is part of a row; where another one is installed, its rows are compared
within TOLERANCE_PERCENT of those in the table for the same family.

A step is the recurrent layers, and a normalization behind them where the model has one: Dense and softmax run in
`<model>_output`. Attention alone has nothing to do before its window is full: there a step is a query, one
`<model>_output_slice`.
"""

import csv
from collections.abc import Callable
from dataclasses import asdict
from itertools import product
from pathlib import Path

import pytest
from cores import CORES
from kernel_costs import PLAIN, Choice, measure
from reference_models import attention, classifier, crnn, depthwise

from edgelstm.codegen.emit import OPTIMIZE
from edgelstm.ir import Model
from edgelstm.numerics.contracts import Contract
from edgelstm.output import write_atomically
from edgelstm.verification.ladder import expectation

TABLE = Path(__file__).parent / "golden" / "costs.csv"
TOLERANCE_PERCENT = 2.0
TOLERANCE_BYTES = 8
"""Of small numbers 2 % is less than the compiler's alignment."""

TARGETS = CORES
SHAPES = {
    "lstm_6_16": (6, (16,)),
    "lstm_16_32": (16, (32,)),
    "lstm_40_64": (40, (64,)),
    "lstm_40_128": (40, (128,)),
    "stacked_12_24_16": (12, (24, 16)),
    "gru_16_32": (16, (32,)),
    "rnn_16_32": (16, (32,)),
    "normalized_16_32": (16, (32,)),
}
CRNN = {"crnn_10_8_16": (10, 8, 16)}
"""Features, filters and units."""
ALONE = {
    "depthwise_16_5": lambda: depthwise(16, 5, 12, Contract.LITERT),
    "attention_20_16": lambda: attention(16, 20, Contract.LITERT),
}
"""Layers without a recurrent one: 16 channels of 5 steps; 20 steps of 16 values."""
NAMES = (*SHAPES, *CRNN, *ALONE)
LARGE = ("lstm_40_64", "lstm_40_128")
VARIED = "lstm_16_32"
FAST = "cortex-m4"
"""Large models and variants are measured on this target only, in mode `speed` by gcc."""
ZIG_TARGETS = ("cortex-m4", "rv32imc")

LABELS = ("model", "target", "optimize", "variant", "compiler")
NUMBERS = (
    "code_bytes", "tables_bytes", "other_constants_bytes", "weights_bytes", "state_bytes", "buffer_bytes",
    "stack_bytes", "instructions_per_step", "worst_step",
)  # fmt: skip

Row = dict[str, str]


def cases(name: str, target: str) -> list[Choice]:
    """How to build a model for a target; nothing for a large model elsewhere than on FAST."""
    if name in LARGE:
        return [Choice(target, "speed", PLAIN, "gcc")] if target == FAST else []
    families = ("gcc", "zig") if target in ZIG_TARGETS else ("gcc",)
    plain = [Choice(target, optimize, PLAIN, family) for optimize, family in product(OPTIMIZE, families)]
    variants = ("constant-time", "no-asm", "wide-weights") if (name, target) == (VARIED, FAST) else ()
    return [*plain, *(Choice(target, "speed", variant, "gcc") for variant in variants)]


def reference(name: str) -> Model:
    """The model of a name in the table."""
    if name in ALONE:
        return ALONE[name]()
    if name in CRNN:
        return crnn(*CRNN[name], 8, Contract.LITERT)
    inputs, units = SHAPES[name]
    kind = name.partition("_")[0].replace("stacked", "lstm")
    return classifier(inputs, units, 4, 8, Contract.LITERT, kind)


def measured(name: str, choice: Choice) -> Row:
    model = reference(name)
    cost = measure(name, model, expectation(model, None, 4).inputs, None, choice)
    return {key: str(asdict(cost)[key]) for key in (*LABELS, *NUMBERS)}


def read_table() -> dict[tuple[str, ...], Row]:
    with TABLE.open(newline="") as stream:
        return {key_of(row): row for row in csv.DictReader(stream)}


def key_of(row: Row) -> tuple[str, ...]:
    family = "zig" if row["compiler"].startswith("zig") else "gcc"
    return row["target"], row["model"], row["optimize"], row["variant"], family


def write_rows(target: str, name: str, rows: list[Row]) -> None:
    """Replace the rows of a model on a target."""
    others = [row for key, row in read_table().items() if key[:2] != (target, name)]
    lines = [",".join(row[key] for key in (*LABELS, *NUMBERS)) for row in (*others, *rows)]
    write_atomically(TABLE, "\n".join([",".join((*LABELS, *NUMBERS)), *sorted(lines, key=order), ""]))


def order(line: str) -> tuple[str, ...]:
    model, target, *rest = line.split(",")
    return target, model, *rest


@pytest.mark.parametrize(
    ("target", "name"), [(target, name) for target, name in product(TARGETS, NAMES) if cases(name, target)]
)
def test_costs_are_those_of_the_table(
    target: str, name: str, update_golden: bool, require_tool: Callable[[str], None]
) -> None:
    require_tool("riscv64-unknown-elf-gcc" if target == "rv32imc" else "arm-none-eabi-gcc")
    require_tool("qemu-system-riscv32" if target == "rv32imc" else "qemu-system-arm")
    rows = [measured(name, choice) for choice in cases(name, target)]
    if update_golden:
        write_rows(target, name, rows)
    table = {key: row for key, row in read_table().items() if key[:2] == (target, name)}
    assert sorted(table) == sorted(key_of(row) for row in rows)
    problems = [
        f"{key} of {' '.join(key_of(row))} was {table[key_of(row)][key]}, is {row[key]}"
        for row in rows
        for key in NUMBERS
        if not is_close(int(row[key]), int(table[key_of(row)][key]))
    ]
    assert not problems, "\n".join(problems)


def is_close(new: int, old: int) -> bool:
    return abs(new - old) <= max(TOLERANCE_BYTES, TOLERANCE_PERCENT / 100 * old)


def test_table_names_targets_and_models_that_exist() -> None:
    known = {(target, name) for target, name in product(TARGETS, NAMES) if cases(name, target)}
    assert {(row["target"], row["model"]) for row in read_table().values()} == known
