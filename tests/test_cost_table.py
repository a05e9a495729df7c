"""Cost is a test too: flash, RAM and instructions of reference models, against a committed table.

After a wanted change: python -m pytest tests/test_cost_table.py --update-golden
The compiler's version is part of a row; where another one is installed, its rows are compared within
TOLERANCE_PERCENT of those in the table for the same family.
"""

import csv
import hashlib
import tempfile
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path

import pytest
from reference_models import classifier

from edgelstm.codegen.emit import Options, emit
from edgelstm.codegen.plan import make_plan
from edgelstm.device.compilers import find_compiler
from edgelstm.device.runners import choose_runner
from edgelstm.device.targets import load_target
from edgelstm.device.toolchain import compile_firmware
from edgelstm.ir import Model
from edgelstm.numerics.contracts import Contract
from edgelstm.pipeline.verified import flash_bytes
from edgelstm.tflite import write_tflite
from edgelstm.tflite.export import to_tflite_model
from edgelstm.verification.ladder import expectation, run_program

TABLE = Path(__file__).parent / "golden" / "costs.csv"
TOLERANCE_PERCENT = 2.0

SHAPES = {
    "lstm_6_16": (6, (16,)),
    "lstm_16_32": (16, (32,)),
    "lstm_40_64": (40, (64,)),
    "stacked_12_24_16": (12, (24, 16)),
}
COMPILERS = {"gcc": "qemu", "zig": "unicorn"}


@dataclass(frozen=True)
class Row:
    """One line of the table. Everything but the labels is a measured number."""

    model: str
    target: str
    optimize: str
    compiler: str
    code_bytes: int
    tables_bytes: int
    weights_bytes: int
    state_bytes: int
    buffer_bytes: int
    stack_bytes: int
    instructions_per_step: int


LABELS = ("model", "target", "optimize", "compiler")


def _measure(name: str, model: Model, optimize: str, family: str, runner: str) -> Row:
    target = load_target("cortex-m4")
    sha256 = hashlib.sha256(write_tflite(to_tflite_model(model))).hexdigest()
    generated = emit(model, Options(target.isa, optimize, sha256))
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for file, text in generated.files.items():
            (work / file).write_text(text)
        compiler = find_compiler(target, family)
        program = compile_firmware(
            target, compiler, sorted(work.glob("*.c")), [work], work / "build", "firmware", optimize=optimize
        ).elf
        run = run_program(
            name, expectation(model, None, 4), program, choose_runner(target, runner), 60, lambda text: None
        )
        flash = flash_bytes(program, model.name, generated.roles)
    assert run.rung.mismatches == 0
    plan = make_plan(model)
    return Row(
        name, target.name, optimize, compiler.label, flash.code, flash.tables, flash.weights,
        plan.state_bytes, plan.arena_bytes, run.stack_bytes, run.cost.instructions_per_step or 0,
    )  # fmt: skip


def _read() -> list[Row]:
    with TABLE.open() as stream:
        return [
            Row(*(value if key in LABELS else int(value) for key, value in row.items()))  # type: ignore[arg-type]
            for row in csv.DictReader(stream)
        ]


def _all_rows() -> list[Row]:
    return [
        _measure(name, classifier(inputs, units, 4, 8, Contract.LITERT), optimize, family, runner)
        for name, (inputs, units) in SHAPES.items()
        for optimize in ("size", "balanced")
        for family, runner in COMPILERS.items()
    ]


def test_costs_are_those_of_the_table(update_golden: bool) -> None:
    rows = _all_rows()
    if update_golden:
        with TABLE.open("w", newline="") as stream:
            writer = csv.writer(stream, lineterminator="\n")
            writer.writerow([field.name for field in fields(Row)])
            writer.writerows(astuple(row) for row in rows)
    table = {(row.model, row.optimize, row.compiler.split()[0]): row for row in _read()}
    assert len(table) == len(rows)
    for row in rows:
        known = table[row.model, row.optimize, row.compiler.split()[0]]
        for key, value in asdict(row).items():
            if key not in LABELS:
                assert value == pytest.approx(asdict(known)[key], rel=TOLERANCE_PERCENT / 100, abs=8), (
                    f"{key} of {row.model} ({row.optimize}, {row.compiler}) was {asdict(known)[key]}, is {value}"
                )
