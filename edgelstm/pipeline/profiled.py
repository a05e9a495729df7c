"""From a model to a profile of its firmware: generate, compile, and count in an emulator."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgelstm.codegen.planning import make_plan
from edgelstm.data import Dataset
from edgelstm.device.compilers import Compiler, find_compiler
from edgelstm.device.elf import read_elf
from edgelstm.device.profile.attribution import Names, Places, break_down
from edgelstm.device.profile.cycles import Cycles, cycle_table, estimate_cycles, measured_cycles
from edgelstm.device.profile.decoding import Decode, decoder
from edgelstm.device.targets import Target, load_target
from edgelstm.identifiers import as_model_name
from edgelstm.ir import IntArray, Model, QuantizedTensor
from edgelstm.pipeline.firmware import compile_sources, generate, write_sources
from edgelstm.pipeline.quantized import quantize_file
from edgelstm.pipeline.quantized_model import Quantized, fitted
from edgelstm.pipeline.request import BuildRequest, read_data
from edgelstm.pipeline.trained import ensure_trained
from edgelstm.report.profile import Profile
from edgelstm.report.progress import Progress, Silent
from edgelstm.schedule import make_schedule
from edgelstm.simulate import stored_inputs
from edgelstm.verification.step_counts import StepCounts, call_cost, count_steps

DEFAULT_STEPS = 64
MOST_STEPS = 8192


def profile_firmware(
    request: BuildRequest, *, steps: int = DEFAULT_STEPS, progress: Progress | None = None
) -> tuple[Profile, ...]:
    """Count every instruction of a model's steps in firmware as `build` would write it. Nothing is kept.

    Args:
        request: model, targets, compiler, runner and data; `output` is not touched, and nothing is trained.
        steps: how many steps to count, at most 8192; rounded up to whole windows of the model.
        progress: told what happens.

    Returns:
        a profile for each target.

    Raises:
        EdgelstmError: what went wrong and what to do.
    """
    news = progress or Silent()
    targets = [load_target(name) for name in request.targets]
    compilers = [find_compiler(target, request.compiler) for target in targets]
    data = read_data(request.data, request.base)
    path = ensure_trained(replace(request, may_train=False), data, news)
    quantized = quantize_file(path, request, data, news)
    dataset = None if data.dataset is None else fitted(data.dataset, quantized.model)
    inputs = profile_inputs(quantized.model, dataset, min(steps, MOST_STEPS))
    return tuple(
        _profile(quantized, target, compiler, request, inputs, news)
        for target, compiler in zip(targets, compilers, strict=True)
    )


def profile_inputs(model: Model, dataset: Dataset | None, steps: int) -> IntArray:
    """Stored inputs (sequences, rows, width): calibration data, or noise that saturates gates in every other step."""
    is_streaming = make_schedule(model, model.timesteps).is_streaming
    timesteps = min(model.timesteps, steps) if is_streaming else model.timesteps
    sequences = -(-steps // timesteps)
    layout = model.layout
    if dataset is not None:
        return stored_inputs(model, layout.first_steps(dataset.calibration.x[:sequences], timesteps))
    return layout.join({tensor.name: _noise(tensor, sequences, timesteps) for tensor in model.inputs})


def _noise(tensor: QuantizedTensor, sequences: int, timesteps: int) -> IntArray:
    """(sequences, [time,] size) of an input."""
    shape = (sequences, *((timesteps,) if tensor.is_sequence else ()), tensor.size)
    if tensor.vocabulary:
        return np.random.default_rng(0).integers(0, tensor.vocabulary, shape, np.int16)
    limits = np.iinfo(tensor.quantization.dtype)
    wide = np.random.default_rng(0).integers(limits.min, limits.max + 1, shape)
    calm = np.clip(wide // 4 + tensor.quantization.zero_point, limits.min, limits.max)
    is_wide = np.arange(shape[1])[:, None] % 2 == 0 if tensor.is_sequence else True
    return np.where(is_wide, wide, calm).astype(limits.dtype)


def _profile(
    quantized: Quantized,
    target: Target,
    compiler: Compiler,
    request: BuildRequest,
    inputs: IntArray,
    progress: Progress,
) -> Profile:
    with tempfile.TemporaryDirectory(prefix="edgelstm-") as work:
        write_sources(generate(quantized, target.isa, request).files, Path(work) / "src")
        elf = compile_sources(
            Path(work) / "src", target, compiler, request.optimize, Path(work) / "build", progress
        ).elf
        progress.note(f"counting {len(inputs) * quantized.model.layout.timesteps(inputs)} steps on {target.name}")
        counts = count_steps(elf, target, quantized.model, inputs, runner=request.runner, on_fallback=progress.warn)
        return _summary(elf, quantized.model, target, compiler, request.optimize, counts)


def _summary(elf: Path, model: Model, target: Target, compiler: Compiler, optimize: str, counts: StepCounts) -> Profile:
    decode = decoder(read_elf(elf).machine)
    table = cycle_table(target)
    cycles = [
        measured_cycles(counts.counter, counted.clocks)
        if counted.clocks
        else estimate_cycles(table, counted.instructions, decode)
        for _, counted in counts.regions
    ]
    places = Places(elf, _names(model))

    parts = [break_down(function, counted, places, decode) for function, counted in counts.regions]
    return Profile(
        model=as_model_name(model.name),
        target=target.name,
        compiler=compiler.label,
        optimize=optimize,
        counter=counts.counter,
        calls=tuple(
            call_cost(elf, function, counted, each.range)
            for (function, counted), each in zip(counts.regions, cycles, strict=True)
        ),
        layers=tuple(share for each in parts for share in each.layers),
        parts=tuple(share for each in parts for share in each.parts),
        functions=tuple(share for each in parts for share in each.functions),
        cycles_note=_note(cycles),
        undecoded=_undecoded(counts, decode),
        stack_bytes=counts.stack_bytes,
    )


def _names(model: Model) -> Names:
    name, plan = as_model_name(model.name), make_plan(model)
    return Names(
        {f"{name}_{item.identifier}": item.op.name for item in plan.items},
        frozenset({f"{name}_step", f"{name}_output", f"{name}_output_slice"}),
    )


def _note(cycles: list[Cycles]) -> str:
    """Why there are no cycles, if for any call there are none."""
    return next((each.reason for each in cycles if each.range is None), cycles[0].reason)


def _undecoded(counts: StepCounts, decode: Decode) -> float:
    """Instructions of a step and its output that have no name."""
    unknown = sum(
        one.executed
        for _, counted in counts.regions
        for one in counted.instructions
        if not decode(one.encoding).mnemonic
    )
    return unknown / len(counts.step.calls)
