"""Verification of a program and the result of a build."""

import itertools
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from edgelstm import __version__
from edgelstm.codegen.emit import Generated
from edgelstm.codegen.planning import make_plan
from edgelstm.device.compilers import Compiler
from edgelstm.device.elf import Elf, memory_use, read_elf
from edgelstm.device.runners import Runner, choose_runner
from edgelstm.device.targets import Target, load_target
from edgelstm.device.toolchain import Object
from edgelstm.errors import ToolMissingError, ToolTimeoutError
from edgelstm.identifiers import as_model_name
from edgelstm.numerics.contracts import Contract
from edgelstm.once import Once
from edgelstm.output import OutputFolder, content_hash
from edgelstm.pipeline.firmware import Program, compile_host_twin
from edgelstm.pipeline.quantized_model import Quantized, fitted
from edgelstm.pipeline.request import BuildRequest, Data
from edgelstm.pipeline.stages import REPORT, begin
from edgelstm.report.progress import Progress
from edgelstm.report.result import (
    FlashBytes,
    ModelFacts,
    RamBytes,
    Result,
    Rung,
    TargetFacts,
    result_from_mapping,
)
from edgelstm.verification.ladder import (
    Expectation,
    ProgramRun,
    expectation,
    oracle_rungs,
    require_match,
    run_program,
)
from edgelstm.verification.oracles import ORACLES

REPORT_FILE = "report.json"

SHORTEST_LIMIT_S, LONGEST_LIMIT_S = 120.0, 3600.0
UNICORN_MACS_PER_S = 450_000
"""Measured with the spoken digits. QEMU does 40 million; the limit on time follows from the slower of the two."""
LONGEST_SILENCE_S = 20

_SHORT = {"address": "ASan", "undefined": "UBSan", "undefined-trap": "UBSan"}


def common_rungs(
    quantized: Quantized,
    twin: Generated,
    request: BuildRequest,
    data: Data,
    compiler: Compiler,
    objects: Once[Object],
    progress: Progress,
) -> tuple[Expectation, tuple[Rung, ...]]:
    """The rungs that no target changes: official interpreters, and C on this computer, `twin`, with sanitizers."""
    dataset = None if data.dataset is None else fitted(data.dataset, quantized.model)
    expected = expectation(quantized.model, dataset, request.sequences)
    climbed, total = itertools.count(), _common_count(quantized.model.contract) + 1

    def climb(name: str) -> None:
        progress.detail(f"running {name}")
        progress.advance("verification", next(climbed), total)

    rungs = oracle_rungs(expected, quantized.tflite, climb)
    host = load_target("host")
    with tempfile.TemporaryDirectory(prefix="edgelstm-") as work:
        firmware = compile_host_twin(twin, host, compiler, request.optimize, Path(work), progress, objects)
        checked = "".join(f", {_SHORT[name]}" for name in firmware.sanitizers)
        label = f"C on this computer, {compiler.label}{checked}"
        run = _run(label, expected, firmware.elf, choose_runner(host), climb)
    return expected, (*rungs, run.rung)


def _run(label: str, expected: Expectation, program: Path, runner: Runner, climb: Callable[[str], None]) -> ProgramRun:
    """Run a program within a time that follows from the work."""
    limit_s = min(SHORTEST_LIMIT_S + 2 * _unicorn_s(expected), LONGEST_LIMIT_S)
    try:
        return run_program(label, expected, program, runner, limit_s, climb)
    except ToolTimeoutError as error:
        hint = "if the model is large, verify fewer sequences, as in --sequences 2"
        faster = "; or install qemu-system-arm, which is much faster" if runner.name == "unicorn" else ""
        raise ToolTimeoutError(error.message, hint + faster) from error


def _unicorn_s(expected: Expectation) -> float:
    """About how long Unicorn takes."""
    sequences, timesteps = len(expected.inputs), expected.model.layout.timesteps(expected.inputs)
    plan = make_plan(expected.model)
    of_step, of_output = plan.macs
    outputs = timesteps if plan.schedule.is_streaming else 1
    return sequences * (timesteps * of_step + outputs * of_output) / UNICORN_MACS_PER_S


def _common_count(contract: Contract) -> int:
    return 1 + sum(oracle.contract is contract and oracle.is_available for oracle in ORACLES)


def require_oracle(contract: Contract) -> None:
    """Raise ToolMissingError unless an interpreter that computes the contract exactly is installed."""
    for oracle in ORACLES:
        if oracle.contract is contract and oracle.is_exact and not oracle.is_available:
            raise ToolMissingError(
                f"{oracle.name} is not installed, so nothing official could be compared",
                'pip install "edgelstm[verify]"; `edgelstm generate` writes C without verifying it',
            )


def verification_key(
    program: Program, quantized: Quantized, request: BuildRequest, data: Data, runner: Runner, twin: str
) -> str:
    """Hash of everything that a verification depends on, of which `twin` stands for the program on this computer."""
    oracles = [f"{oracle.name} {oracle.version}" for oracle in ORACLES if oracle.is_available]
    return content_hash(
        __version__, program.sha256, quantized.sha256, data.sha256, runner.name, str(request.sequences),
        quantized.model.contract.value, request.optimize, twin, *oracles,
    )  # fmt: skip


def reuse_result(folder: OutputFolder, key: str, progress: Progress) -> Result | None:
    """The result of an earlier verification of the same things, if there is one."""
    if not folder.is_current(REPORT, key):
        begin(folder, REPORT)
        return None
    try:
        result = result_from_mapping(json.loads((folder.path / REPORT_FILE).read_text()))
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None
    progress.note(f"reused {REPORT_FILE}: the verified firmware is unchanged")
    return result


def install_result(folder: OutputFolder, key: str, result: Result, progress: Progress) -> None:
    """Write report.json."""
    folder.install(REPORT, key, {REPORT_FILE: result.to_json()})
    progress.note(f"verified for {result.target.name}: every output and state is equal")


def verify_program(
    quantized: Quantized,
    generated: Generated,
    target: Target,
    program: Program,
    runner: Runner,
    request: BuildRequest,
    common: tuple[Expectation, tuple[Rung, ...]],
    runs: Once[ProgramRun],
    progress: Progress,
) -> Result:
    """Run the program, compare it, and gather the result. Raises MismatchError if any rung failed.

    Of equal programs on equal machines one runs, and is in `runs` for the others.
    """
    expected, rungs = common
    climbed = _common_count(quantized.model.contract)
    if runner.name == "unicorn" and _unicorn_s(expected) > LONGEST_SILENCE_S:
        progress.note(f"Unicorn will take about {_unicorn_s(expected):.0f} s; qemu-system-arm would take seconds")
    label = f"{program.path.name} for {target.name}, {runner.name}"
    progress.detail(f"running {label}")
    progress.advance("verification", climbed, climbed + 1)
    run = runs.get(
        (program.sha256 or program.path, runner.name, runner.machine),
        lambda: _run(f"{program.path.name} in {runner.name}", expected, program.path, runner, lambda _: None),
    )
    progress.advance("verification", climbed + 1, climbed + 1)
    rungs = (*rungs, replace(run.rung, against=label))
    require_match(rungs)
    model, plan = quantized.model, make_plan(quantized.model)
    elf, is_chip = read_elf(program.path), target.arch != "host"
    use = memory_use(elf, target) if is_chip else None
    return Result(
        model=ModelFacts(as_model_name(model.name), quantized.sha256, model.parameters, model.macs_per_step),
        target=TargetFacts(target.name, program.compiler, runner.name, request.choices),
        flash=flash_bytes(elf, as_model_name(model.name), generated.roles),
        ram=RamBytes(plan.state_bytes, plan.buffer_bytes, run.stack_bytes),
        firmware_flash_bytes=use.flash_bytes if use else 0,
        firmware_ram_bytes=use.ram_bytes if use else 0,
        cost=run.cost,
        accuracy=quantized.accuracy,
        verification=rungs,
        firmware_sections={section.name: section.size for section in elf.sections} if is_chip else {},
    )


def flash_bytes(program: Elf, model: str, roles: Mapping[str, str]) -> FlashBytes:
    """Sum the sizes of the model's own symbols by role."""
    sizes = {"code": 0, "tables": 0, "weights": 0, "other_constants": 0}
    for symbol in program.symbols:
        if symbol.name.startswith((f"{model}_", "el_")):
            role = "code" if symbol.kind == "code" else roles.get(symbol.name, "other_constants")
            sizes[role] += symbol.size
    return FlashBytes(**sizes)
