"""Climb the ladder: simulator = official interpreter = C on this computer = program on the target's emulator."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from edgelstm.data import Dataset
from edgelstm.device.runners import Runner, RunResult
from edgelstm.errors import DoesNotFitError, MismatchError, ToolFailedError
from edgelstm.ir import AnyArray, IntArray, Model, QuantizedTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.report.result import Cost, Rung
from edgelstm.schedule import make_schedule
from edgelstm.simulate import simulate, stored_inputs
from edgelstm.verification.isolation import run_isolated
from edgelstm.verification.official_parts import compare_parts
from edgelstm.verification.oracles import ORACLES, Oracle
from edgelstm.verification.replay import ReplayCosts, read_results, write_vectors
from edgelstm.verification.trace import Comparison, Trace, compare, official_trace, simulator_trace

STRESS_SEQUENCES = 4
MOST_STEPS = 8192
WINDOWS = 4
SELFTEST_EXIT_CODE = 1
MOST_NAMES = 5
"""In a rung's label, of the layers that it covers."""

OnProgress = Callable[[str], None]


@dataclass(frozen=True, eq=False)
class Expectation:
    """Inputs and what the simulator makes of them."""

    model: Model
    inputs: IntArray
    trace: Trace


@dataclass(frozen=True)
class ProgramRun:
    """A program's rung, and what it cost."""

    rung: Rung
    stack_bytes: int
    cost: Cost


def expectation(model: Model, dataset: Dataset | None, sequences: int) -> Expectation:
    """Choose verification inputs and simulate them."""
    inputs = verification_inputs(model, dataset, sequences)
    return Expectation(model, inputs, simulator_trace(model, inputs))


def verification_inputs(model: Model, dataset: Dataset | None, sequences: int) -> IntArray:
    """Stored inputs (sequences, rows, width): test sequences, then STRESS_SEQUENCES of stress.

    Test sequences are cut or padded with zeros to the model's window. Stress is noise over the whole range of what is
    stored, and extremes only, which saturate gates and cells. Where the input is ids, stress is any of them and the
    nearest two that do not exist.
    """
    schedule = make_schedule(model, model.timesteps)
    steps = min(model.timesteps, MOST_STEPS) if schedule.is_streaming else model.timesteps
    room = max(1, MOST_STEPS // steps - STRESS_SEQUENCES)
    rng = np.random.default_rng(0)
    layout = model.layout
    stress = layout.join({tensor.name: _stress(tensor, steps, rng) for tensor in model.inputs})
    if dataset is None:
        return stress
    real = stored_inputs(model, layout.first_steps(dataset.test.x[: min(sequences, room)], steps))
    return np.concatenate([_padded(model, real, steps), stress])


def _stress(tensor: QuantizedTensor, steps: int, rng: np.random.Generator) -> IntArray:
    """(sequences, [time,] size) of an input."""
    shape = (STRESS_SEQUENCES, *((steps,) if tensor.is_sequence else ()), tensor.size)
    if tensor.vocabulary:
        return rng.integers(-1, tensor.vocabulary + 1, shape).astype(np.int16)
    limits = np.iinfo(tensor.quantization.dtype)
    stress = rng.integers(limits.min, limits.max + 1, shape).astype(limits.dtype)
    stress[::2] = np.where(stress[::2] < 0, limits.min, limits.max)
    return stress


def _padded(model: Model, inputs: IntArray, steps: int) -> IntArray:
    """Stored inputs with zeros behind sequences that are too short."""
    arrays = model.layout.split(inputs)
    for tensor in model.layout.sequences:
        missing = ((0, 0), (0, steps - arrays[tensor.name].shape[1]), (0, 0))
        arrays[tensor.name] = np.pad(arrays[tensor.name], missing, constant_values=tensor.quantization.zero_point)
    return model.layout.join(arrays)


def oracle_rungs(expected: Expectation, tflite: bytes, on_progress: OnProgress) -> list[Rung]:
    """Compare with every official interpreter of the contract that is installed."""
    rungs = _part_rungs(expected) if expected.model.contract is Contract.NATIVE else []
    for oracle in ORACLES:
        if oracle.contract is not expected.model.contract or not oracle.is_available:
            continue
        on_progress(oracle.name)
        is_steady = make_schedule(expected.model, expected.model.timesteps).is_steady
        if not (is_steady or oracle.is_exact):
            continue
        shows_windows = oracle.is_exact and expected.model.timesteps <= MOST_STEPS
        windows = expected.inputs[-WINDOWS:] if shows_windows else expected.inputs[:0]
        trace, outputs = run_isolated(oracle, expected.model, expected.inputs, tflite, windows)
        if is_steady:
            found = _oracle_rungs(oracle, expected, trace)
        else:
            comparison = compare(official_trace(expected.model, expected.inputs), trace)
            found = [_rung(f"{oracle.name}, all values", expected, comparison)]
        if len(windows):
            found.append(_window_rung(oracle, expected, windows, outputs))
        rungs += [replace(rung, version=oracle.version) for rung in found]
    return rungs


def _part_rungs(expected: Expectation) -> list[Rung]:
    """A model with layers of our own: the interpreter whose arithmetic the others have, on each part without them."""
    rungs = []
    for oracle in ORACLES:
        if oracle.contract is not Contract.LITERT or not oracle.is_exact or not oracle.is_available:
            continue
        for ops, comparison in compare_parts(oracle, expected.model, expected.inputs):
            names = [op.name for op in ops if not op.is_alias]
            listed = ", ".join(names if len(names) < MOST_NAMES else [*names[:1], "...", names[-1]])
            rung = _rung(f"{oracle.name}, of {listed} alone", expected, comparison)
            rungs.append(replace(rung, version=oracle.version))
    return rungs


def _oracle_rungs(oracle: Oracle, expected: Expectation, trace: Trace) -> list[Rung]:
    """One rung for the arrays that must be equal, one each for those that may be off by 1 or by anything."""
    rungs = []
    for label, allowed, names in _tolerances(oracle, expected.model):
        if names:
            comparison = compare(_only(expected.trace, names), _only(trace, names))
            rungs.append(_rung(f"{oracle.name}{label}", expected, comparison, allowed=allowed))
    return rungs


def _tolerances(oracle: Oracle, model: Model) -> list[tuple[str, int | None, frozenset[str]]]:
    """How far each array may be off: not at all, but for what an inexact kernel has touched.

    The result of one inexact kernel alone may be off by 1; what is computed from that, by anything.
    """
    exact, rounded, derived = set[str](), set[str](), set[str]()
    kinds = {tensor.name: exact for tensor in model.inputs}
    for op in model.ops:
        before = [kinds[tensor.name] for tensor in op.inputs]
        if op.is_alias:
            kinds[op.output.name] = before[0]
            continue
        after = exact if all(kind is exact for kind in before) else derived
        after.update(f"{op.name}.{array.name}" for array in op.state)
        kinds[op.output.name] = rounded if after is exact and op.kind in oracle.inexact_kinds else after
    reached = [kinds[tensor.name] for tensor in model.outputs]
    next(kind for kind in (derived, rounded, exact) if any(one is kind for one in reached)).add("output")
    label = "" if "output" in exact else ", LSTM states"
    return [
        (label, 0, frozenset(exact)),
        (", Dense output", 1, frozenset(rounded)),
        (", after Dense", None, frozenset(derived)),
    ]


def _only(trace: Trace, names: frozenset[str]) -> Trace:
    return Trace(tuple(array for array in trace.arrays if array.name in names))


def _window_rung(oracle: Oracle, expected: Expectation, inputs: IntArray, outputs: IntArray) -> Rung:
    """The shipped file as it is, a whole window in one invocation."""
    wanted = simulate(expected.model, inputs)
    distance = np.abs(wanted.astype(np.int64) - outputs.reshape(wanted.shape).astype(np.int64))
    mismatches = int(np.count_nonzero(distance))
    first = ""
    if mismatches:
        where: AnyArray = np.argwhere(distance)[0]
        first = f"output{[int(index) for index in where]}"
    return Rung(
        f"{oracle.name}, model.tflite as shipped",
        expected.model.contract.value,
        len(inputs),
        int(distance.size),
        mismatches,
        int(distance.max(initial=0)),
        first=first,
    )


def run_program(
    name: str, expected: Expectation, program: Path, runner: Runner, timeout_s: float, on_progress: OnProgress
) -> ProgramRun:
    """Replay the inputs on a program built from the generated C and compare every state and output."""
    on_progress(name)
    sequences, timesteps = len(expected.inputs), expected.model.layout.timesteps(expected.inputs)
    with tempfile.TemporaryDirectory(prefix="edgelstm-") as folder:
        arguments = write_vectors(Path(folder), expected.model, expected.inputs)
        run = runner.run(program, list(arguments), cwd=Path(folder), timeout_s=timeout_s)
        selftest_failed = run.exit_code == SELFTEST_EXIT_CODE and "selftest failed" in run.output
        if run.exit_code != 0 and not selftest_failed:
            text = run.output.strip()[-2000:]
            if "fault: stack overflow" in text:
                reserved = runner.target
                raise DoesNotFitError(
                    f"{name}: more stack is needed than the {reserved.stack_bytes} bytes that {reserved.name} reserves",
                    "give a target file of your own with more stack_bytes, or have fewer values in front of a Dense, "
                    "which widens all of them on the stack",
                )
            raise ToolFailedError(f"{name}: the program ended with exit code {run.exit_code}\n{text}")
        trace, costs = read_results(Path(folder), expected.model, sequences, timesteps)
    rung = _rung(name, expected, compare(expected.trace, trace))
    if selftest_failed:
        where = f"; first difference in the replay: {rung.first}" if rung.first else ""
        raise MismatchError(
            f"{name}: the program's self-test failed, its known answers differ from the simulator's{where}",
            "a changed main.c, or the compiler, breaks the arithmetic; try another with --compiler",
        )
    return ProgramRun(rung, costs.stack_bytes, _cost(costs, run, expected.model.timesteps))


def _cost(costs: ReplayCosts, run: RunResult, timesteps: int) -> Cost:
    instructions = _of_ticks(costs, run.instructions_per_tick, timesteps)
    return Cost(*instructions, *_of_ticks(costs, run.cycles_per_tick, timesteps))


def _of_ticks(costs: ReplayCosts, per_tick: Fraction | None, timesteps: int) -> tuple[int | None, int | None]:
    """What a step and a window cost in the unit of which a tick has so many."""
    if per_tick is None or costs.steps == 0:
        return None, None
    step = costs.step_ticks * per_tick / costs.steps
    output = costs.output_ticks * per_tick / costs.outputs
    return round(step), round(step * timesteps + output)


def _rung(name: str, expected: Expectation, comparison: Comparison, *, allowed: int | None = 0) -> Rung:
    return Rung(
        name,
        expected.model.contract.value,
        len(expected.inputs),
        comparison.values,
        comparison.mismatches,
        comparison.largest,
        allowed,
        str(comparison.first) if comparison.first else "",
    )


def require_match(rungs: tuple[Rung, ...]) -> None:
    """Raise MismatchError naming the first difference of every rung that failed."""
    failed = [rung for rung in rungs if not rung.passed]
    if failed:
        listed = "\n".join(
            f"  - {rung.against}: {rung.mismatches} of {rung.values} values differ; first: {rung.first}"
            for rung in failed
        )
        raise MismatchError(
            f"verification failed:\n{listed}", "please report this with the model: every value must be equal"
        )
