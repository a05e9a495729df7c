"""What samples cost, counted instruction by instruction: what the program's own clock says, for models of each kind."""

from dataclasses import replace
from pathlib import Path

import pytest
from reference_models import classifier, tagger, translator

from edgelstm.codegen.emit import Options, emit
from edgelstm.device.compilers import find_compiler
from edgelstm.device.runners import choose_runner
from edgelstm.device.targets import Target, load_target
from edgelstm.device.toolchain import compile_firmware
from edgelstm.errors import DoesNotFitError
from edgelstm.ir import Model
from edgelstm.numerics.contracts import Contract
from edgelstm.verification.ladder import expectation, run_program
from edgelstm.verification.load import count_load

CONTRACT = Contract.LITERT
MODELS = {
    "an output on demand": classifier(3, (5,), 3, 6, CONTRACT),
    "an output a step": tagger(3, 5, 6, CONTRACT),
    "an output behind the window": translator(3, 5, 6, 4, CONTRACT),
}


@pytest.mark.parametrize("kind", MODELS)
@pytest.mark.parametrize("name", ["cortex-m4", "rv32imc"])
def test_it_agrees_with_the_clock_of_the_program(kind: str, name: str, require_tool, tmp_path: Path) -> None:
    for tool in ("arm-none-eabi-gcc", "riscv64-unknown-elf-gcc", "qemu-system-arm", "qemu-system-riscv32", "cc"):
        require_tool(tool)
    target, model = load_target(name), MODELS[kind]
    elf = _build(model, target, tmp_path)
    expected = expectation(model, None, 2)
    load = count_load(elf, target, model, expected.inputs)
    run = run_program(name, expected, elf, choose_runner(target, "qemu"), 60, lambda text: None)
    assert run.cost.instructions_per_step is not None
    assert run.cost.instructions_per_run is not None
    is_window = kind == "an output behind the window"
    assert load.step == pytest.approx(run.cost.instructions_per_step, rel=0.01, abs=3)
    total = load.step * model.timesteps + load.output
    assert total == pytest.approx(run.cost.instructions_per_run, rel=0.01, abs=60)
    assert (load.output == 0) is (kind == "an output a step")
    assert load.worst >= load.step + load.output or is_window
    assert load.worst >= load.output > load.step or not is_window
    assert load.stack_bytes == run.stack_bytes
    cycles = load.cycles_per_instruction
    assert cycles is None if name == "rv32imc" else cycles is not None and 1 < cycles[0] < cycles[1] < 3


def test_too_little_stack_says_what_to_do(require_tool, tmp_path: Path) -> None:
    for tool in ("arm-none-eabi-gcc", "qemu-system-arm"):
        require_tool(tool)
    target, model = replace(load_target("cortex-m4"), stack_bytes=160), MODELS["an output on demand"]
    elf = _build(model, target, tmp_path)
    with pytest.raises(DoesNotFitError, match="the 160 bytes that cortex-m4 reserves") as caught:
        run_program("firmware", expectation(model, None, 2), elf, choose_runner(target, "qemu"), 60, lambda text: None)
    assert "stack_bytes" in caught.value.hint


def _build(model: Model, target: Target, folder: Path) -> Path:
    for file, text in emit(model, Options(target.isa, "balanced", "0" * 64)).files.items():
        (folder / file).write_text(text)
    sources = sorted(folder.glob("*.c"))
    return compile_firmware(target, find_compiler(target), sources, [folder], folder / "build", "firmware").elf
