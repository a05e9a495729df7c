"""An LSTM and a GRU on every microcontroller: with each compiler and in each emulator equal to the simulator."""

from functools import cache
from pathlib import Path

import pytest
from cores import GCC, QEMU
from reference_models import classifier

from edgelstm.codegen.emit import Generated, Options, emit
from edgelstm.device.compilers import find_compiler
from edgelstm.device.runners import choose_runner
from edgelstm.device.targets import list_targets, load_target
from edgelstm.device.toolchain import Object, compile_firmware
from edgelstm.numerics.contracts import Contract
from edgelstm.once import Once
from edgelstm.verification.ladder import Expectation, expectation, run_program

OPTIONAL = "rp2040js"
"""Tested by itself, so that the others are tested where it is not installed."""

OBJECTS = Once[Object]()


@cache
def expected(kind: str) -> Expectation:
    return expectation(classifier(3, (5,), 3, 6, Contract.LITERT, kind), None, 2)


@cache
def generated(kind: str, isa: str) -> Generated:
    return emit(expected(kind).model, Options(isa, "balanced", "0" * 64))


@pytest.mark.parametrize("compiler", ["gcc", "zig"])
@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("name", [name for name in list_targets() if name != "host"])
def test_a_model_is_exact_and_costs_the_same_in_every_emulator(
    name, kind, compiler, require_tool, tmp_path: Path
) -> None:
    target = load_target(name)
    if compiler not in target.compiler_flags:
        pytest.skip(f"{compiler} does not compile for {name}")
    require_tool({"gcc": GCC[target.arch], "zig": "ziglang"}[compiler])
    for file, text in generated(kind, target.isa).files.items():
        (tmp_path / file).write_text(text)
    program = compile_firmware(
        target,
        find_compiler(target, compiler),
        sorted(tmp_path.glob("*.c")),
        [tmp_path],
        tmp_path.with_name(f"{tmp_path.name}-build"),
        "firmware",
        warnings_are_errors=True,
        shared=OBJECTS,
    ).elf
    costs = []
    for runner in target.runners:
        if runner == OPTIONAL:
            continue
        require_tool(QEMU[target.arch] if runner == "qemu" else runner)
        run = run_program(name, expected(kind), program, choose_runner(target, runner), 60, lambda text: None)
        assert run.rung.values > 0
        assert run.rung.mismatches == 0
        assert 0 < run.stack_bytes <= target.stack_bytes
        costs.append(run.cost.instructions_per_step or run.cost.cycles_per_step)
    assert max(costs) - min(costs) <= 2
