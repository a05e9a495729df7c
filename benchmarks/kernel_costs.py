"""Build a model for a core, prove it equal to the simulator, and measure what it costs."""

import hashlib
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgelstm.codegen.emit import Generated, Options, emit
from edgelstm.codegen.layouts import WIDE_LAYOUTS
from edgelstm.codegen.planning import make_plan
from edgelstm.device.compilers import Compiler, find_compiler
from edgelstm.device.elf import read_elf
from edgelstm.device.profile import RegionCount
from edgelstm.device.profile.functions import Symbols
from edgelstm.device.runners import choose_runner
from edgelstm.device.targets import Target, load_target
from edgelstm.device.toolchain import compile_firmware
from edgelstm.errors import MismatchError
from edgelstm.identifiers import as_model_name
from edgelstm.ir import IntArray, Model
from edgelstm.tflite import write_tflite
from edgelstm.tflite.export import to_tflite_model
from edgelstm.verification.ladder import Expectation, run_program
from edgelstm.verification.step_counts import StepCounts, count_steps, total_work
from edgelstm.verification.trace import simulator_trace

RUNNER = "qemu"
PLAIN, ROWS = "", "rows"
_PLAIN_OPTIONS = Options("", "", "")
_VARIANT_OPTIONS = {
    "constant-time": replace(_PLAIN_OPTIONS, constant_time=True),
    "no-asm": replace(_PLAIN_OPTIONS, no_asm=True),
    "wide-weights": replace(_PLAIN_OPTIONS, wide_weights=True),
}
VARIANTS = (PLAIN, *_VARIANT_OPTIONS, ROWS)
"""Nothing but the mode; an option of `edgelstm.codegen.emit.Options`; portable C that reads plain rows."""

_TIMEOUT_S = 300


@dataclass(frozen=True)
class Choice:
    """How to build: a target, one of `OPTIMIZE`, one of `VARIANTS`, and a compiler family."""

    target: str
    optimize: str
    variant: str
    family: str


@dataclass(frozen=True)
class Cost:
    """What a model costs, in bytes and in instructions of a step.

    Attributes:
        model, target, optimize, variant, compiler: what was measured.
        code_bytes: functions of the model and ours that it calls, and those of the compiler's library that a step or
            an output enters; without the self-test.
        tables_bytes: of the activations.
        other_constants_bytes: multipliers and the like.
        weights_bytes: with folded biases.
        state_bytes, buffer_bytes: RAM between steps, and within one.
        stack_bytes: deepest use of a step or an output.
        instructions_per_step: mean of the steps (see `_steps`) after the first of the usual sequences.
        best_step, worst_step: of these.
        best_stress_step, worst_stress_step: of the stress sequences.
        loads: instructions of a mean step that read memory, and the words that they read.
        loaded_words: an LDM counts one instruction, but takes a cycle for each.
    """

    model: str
    target: str
    optimize: str
    variant: str
    compiler: str
    code_bytes: int
    tables_bytes: int
    other_constants_bytes: int
    weights_bytes: int
    state_bytes: int
    buffer_bytes: int
    stack_bytes: int
    instructions_per_step: int
    best_step: int
    worst_step: int
    best_stress_step: int
    worst_stress_step: int
    loads: int
    loaded_words: int

    @property
    def family(self) -> str:
        """ "gcc" or "zig"."""
        return "zig" if self.compiler.startswith("zig") else "gcc"

    @property
    def constants_and_code_bytes(self) -> int:
        """Flash beside weights and folded biases."""
        return self.code_bytes + self.tables_bytes + self.other_constants_bytes

    @property
    def ram_bytes(self) -> int:
        """State, buffers and stack."""
        return self.state_bytes + self.buffer_bytes + self.stack_bytes


LABELS = ("model", "target", "optimize", "variant", "compiler")


def is_available(choice: Choice) -> bool:
    """Whether the generator has this variant for this target, different from the plain one."""
    isa = load_target(choice.target).isa
    if choice.variant == "wide-weights":
        return isa in WIDE_LAYOUTS and choice.optimize != "size"
    return choice.variant in (PLAIN, "constant-time") or isa != "ref"


def measure(name: str, model: Model, usual: IntArray, stress: IntArray | None, choice: Choice) -> Cost:
    """Generate, compile, compare every state and output, and count.

    Args:
        name: in the result.
        model: of any kind.
        usual, stress: stored inputs (sequences, time, size); see `Cost` for what is taken from which. Without stress
            its steps are those of the usual sequences.
        choice: how to build.

    Raises:
        MismatchError: the firmware does not compute what the simulator does.
        EdgelstmError: it cannot be built or run.
    """
    target = load_target(choice.target)
    generated = emit(model, _options(model, target, choice))
    compiler = find_compiler(target, choice.family)
    with tempfile.TemporaryDirectory(prefix="edgelstm-") as folder:
        elf = _build(Path(folder), target, compiler, choice.optimize, generated)
        _require_equal(model, usual if stress is None else np.concatenate([usual, stress]), elf, target)
        counts = count_steps(elf, target, model, usual, runner=RUNNER, timeout_s=_TIMEOUT_S)
        steps = stress_steps = _steady(_steps(model, counts), usual)
        if stress is not None:
            stressed = count_steps(elf, target, model, stress, runner=RUNNER, timeout_s=_TIMEOUT_S)
            stress_steps = _steady(_steps(model, stressed), stress)
        flash = _flash(elf, model, generated, counts)
        work = total_work(elf, _steps(model, counts))
    plan = make_plan(model)
    return Cost(
        name, target.name, choice.optimize, choice.variant, compiler.label,
        flash["code"], flash["tables"], flash["other_constants"], flash["weights"],
        plan.state_bytes, plan.arena_bytes, counts.stack_bytes,
        round(float(steps.mean())), int(steps.min()), int(steps.max()), int(stress_steps.min()),
        int(stress_steps.max()), round(work.loads), round(work.loaded_words),
    )  # fmt: skip


def _options(model: Model, target: Target, choice: Choice) -> Options:
    sha256 = hashlib.sha256(write_tflite(to_tflite_model(model))).hexdigest()
    isa = "ref" if choice.variant == ROWS else target.isa
    return replace(
        _VARIANT_OPTIONS.get(choice.variant, _PLAIN_OPTIONS), isa=isa, optimize=choice.optimize, sha256=sha256
    )


def _build(work: Path, target: Target, compiler: Compiler, optimize: str, generated: Generated) -> Path:
    for file, text in generated.files.items():
        (work / file).write_text(text)
    sources = sorted(work.glob("*.c"))
    return compile_firmware(target, compiler, sources, [work], work / "build", "firmware", optimize=optimize).elf


def _require_equal(model: Model, inputs: IntArray, elf: Path, target: Target) -> None:
    expected = Expectation(model, inputs, simulator_trace(model, inputs))
    rung = run_program(model.name, expected, elf, choose_runner(target, RUNNER), _TIMEOUT_S, lambda text: None).rung
    if rung.mismatches:
        raise MismatchError(
            f"{rung.mismatches} of {rung.values} values differ from the simulator's; first: {rung.first}",
            "a kernel of this target is wrong",
        )


def _steps(model: Model, counts: StepCounts) -> RegionCount:
    """What counts as steps: of a model that computes nothing before its window is full, the slices behind it."""
    is_idle = not make_plan(model).schedule.first.steps
    return counts.output if is_idle and counts.output is not None else counts.step


def _steady(counted: RegionCount, inputs: IntArray) -> IntArray:
    """Instructions of each call but the first of each sequence."""
    return np.array(counted.calls).reshape(len(inputs), -1)[:, 1:]


def _flash(elf: Path, model: Model, generated: Generated, counts: StepCounts) -> dict[str, int]:
    """Bytes by role, of symbols that belong to the model or run in it."""
    contents = read_elf(elf)
    at = Symbols(contents).at
    entered = {at(instruction.address) for _, region in counts.regions for instruction in region.instructions}
    name = as_model_name(model.name)
    selftest = (f"{name}_selftest", f"{name}_hash")
    sizes = dict.fromkeys(("code", "tables", "weights", "other_constants"), 0)
    for symbol in contents.symbols:
        is_ours = symbol.name.startswith((f"{name}_", "el_")) and not symbol.name.startswith(selftest)
        if symbol.kind == "code" and (is_ours or symbol.name in entered):
            sizes["code"] += symbol.size
        elif is_ours:
            sizes[generated.roles.get(symbol.name, "other_constants")] += symbol.size
    return sizes
