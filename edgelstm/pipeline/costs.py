"""Generate, compile and count a few steps, for many targets at once."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np

from edgelstm.codegen.emit import Generated
from edgelstm.codegen.planning import make_plan
from edgelstm.data import Dataset
from edgelstm.device.compilers import Compiler, find_compiler
from edgelstm.device.elf import MemoryUse, memory_use, read_elf
from edgelstm.device.side_by_side import side_by_side
from edgelstm.device.targets import Target, list_targets, load_target
from edgelstm.device.toolchain import Object
from edgelstm.errors import DoesNotFitError, EdgelstmError, TargetError
from edgelstm.identifiers import as_model_name
from edgelstm.ir import IntArray, Model
from edgelstm.once import Once
from edgelstm.pipeline.firmware import compile_sources, generate, write_sources
from edgelstm.pipeline.quantized_model import Quantized
from edgelstm.pipeline.request import BuildRequest
from edgelstm.pipeline.verified import flash_bytes
from edgelstm.report.estimate import Estimate, Load, Memory
from edgelstm.report.progress import Progress, Silent
from edgelstm.report.result import FlashBytes
from edgelstm.verification.ladder import STRESS_SEQUENCES, verification_inputs
from edgelstm.verification.load import count_load

MACS = 4_000_000
"""Of all that is counted: a tenth of a second in QEMU, nine seconds in Unicorn."""

SEQUENCES, FEWEST_STEPS = 4, 16
_ROOM_BYTES = 32 << 20


@dataclass(frozen=True, eq=False)
class Costed:
    """A model whose costs are asked for, and data to count it on; None for stress alone."""

    quantized: Quantized
    dataset: Dataset | None


@dataclass(frozen=True, eq=False)
class _Built:
    """A firmware, or why there is none. `fits` is false where it was linked with more memory than the target has.

    `refusal` says why it could not be linked with any memory.
    """

    target: Target
    elf: Path | None = None
    compiler: str = ""
    use: MemoryUse | None = None
    flash: FlashBytes | None = None
    fits: bool = False
    missing: str = ""
    refusal: str = ""


@dataclass(frozen=True, eq=False)
class _Job:
    """What the targets share."""

    costed: Costed
    request: BuildRequest
    generated: Mapping[str, Generated]
    inputs: IntArray
    work: Path
    objects: Once[Object] = field(default_factory=Once)

    @property
    def model(self) -> Model:
        return self.costed.quantized.model

    def core(self, targets: Sequence[Target]) -> list[Estimate]:
        """Estimates for targets that run the same instructions: steps are counted on one of them."""
        built = [self.build(target) for target in targets]
        load, missing = self.load(built)
        return [self.estimate(one, load, missing) for one in built]

    def build(self, target: Target) -> _Built:
        """Compile the firmware; where it does not fit, with more memory, to know by how much."""
        try:
            compiler = find_compiler(target, self.request.compiler)
        except EdgelstmError as error:
            return _Built(target, missing=f"{error.message}; {error.hint}")
        try:
            return self._compiled(target, target, compiler)
        except TargetError:
            pass
        except EdgelstmError as error:
            return _Built(target, missing=error.message)
        try:
            return self._compiled(target, with_room(target), compiler)
        except DoesNotFitError as error:
            return _Built(target, refusal=error.message)
        except EdgelstmError as error:
            return _Built(target, missing=error.message)

    def _compiled(self, target: Target, linked_for: Target, compiler: Compiler) -> _Built:
        folder = self.work / (target.name if linked_for is target else f"{target.name}_roomy")
        generated, silent = self.generated[target.isa], Silent()
        write_sources(generated.files, folder / "src")
        optimize, build = self.request.optimize, folder / "build"
        elf = compile_sources(folder / "src", linked_for, compiler, optimize, build, silent, self.objects).elf
        contents = read_elf(elf)
        flash = flash_bytes(contents, as_model_name(self.model.name), generated.roles)
        use = memory_use(contents, linked_for)
        return _Built(target, elf, compiler.label, use, flash, linked_for is target)

    def load(self, built: Sequence[_Built]) -> tuple[Load | None, str]:
        """What a step costs on these targets, or why nobody knows."""
        fitting = [one for one in built if one.fits] or self._elsewhere(built)
        reason = "it fits no target with this core, so no step was counted" if any(one.elf for one in built) else ""
        for one in sorted(fitting, key=lambda one: one.target.qemu is None):  # QEMU is faster than Unicorn by far
            assert one.elf is not None
            try:
                return count_load(one.elf, one.target, self.model, self.inputs, runner=self.request.runner), ""
            except EdgelstmError as error:
                reason = f"{error.message}; {error.hint}"
        return None, reason

    def _elsewhere(self, unfit: Sequence[_Built]) -> list[_Built]:
        """The firmware on another target with the same core, that with the most flash, if it fits there."""
        core, known = core_of(unfit[0].target), {one.target.name for one in unfit}
        if not any(one.elf for one in unfit):
            return []
        others = [load_target(name) for name in list_targets() if name not in known]
        alike = [other for other in others if core_of(other) == core]
        largest = max(alike, key=lambda other: other.region("flash").size_bytes, default=None)
        built = [] if largest is None else [self.build(largest)]
        return [one for one in built if one.fits]

    def estimate(self, built: _Built, load: Load | None, missing: str) -> Estimate:
        """Put together what is known of a target."""
        plan, target = make_plan(self.model), built.target
        constants = self.generated[target.isa].constant_bytes
        return Estimate(
            model=self.model.name,
            target=target.name,
            compiler=built.compiler,
            flash=built.flash or FlashBytes(0, **constants),
            state_bytes=plan.state_bytes,
            buffer_bytes=plan.buffer_bytes,
            firmware_flash_bytes=built.use.flash_bytes if built.use else None,
            firmware_ram_bytes=built.use.ram_bytes if built.use else None,
            firmware_iram_bytes=built.use.iram_bytes if built.use else 0,
            memory=Memory(
                target.region("flash").size_bytes,
                target.region("ram").size_bytes,
                target.stack_bytes,
                target.region("iram").size_bytes if target.runs_from_ram else 0,
            ),
            load=load,
            timesteps=self.model.timesteps,
            is_streaming=plan.schedule.is_streaming,
            missing=tuple(reason for reason in (built.missing, missing) if reason),
            refusal=built.refusal,
            clock_hz=target.clock_hz,
        )


def costs_on(
    targets: Sequence[Target], costed: Costed, request: BuildRequest, progress: Progress
) -> tuple[Estimate, ...]:
    """Estimates in the order of the targets; what is not installed leaves gaps in them."""
    cores: dict[object, list[Target]] = {}
    for target in targets:
        cores.setdefault(core_of(target), []).append(target)
    with tempfile.TemporaryDirectory(prefix="edgelstm-") as work:
        isas = dict.fromkeys(target.isa for target in targets)
        generated = {isa: generate(costed.quantized, isa, request) for isa in isas}
        inputs = counted_inputs(costed.quantized.model, costed.dataset)
        job = _Job(costed, request, generated, inputs, Path(work))
        found: dict[str, Estimate] = {}

        def finished(estimates: Sequence[Estimate]) -> None:
            found.update({each.target: each for each in estimates})
            progress.advance("estimating", len(found), len(targets))

        side_by_side([partial(job.core, alike) for alike in cores.values()], finished)
    return tuple(found[target.name] for target in targets)


def core_of(target: Target) -> object:
    """What decides the instructions of a step: targets that share it differ in memory alone."""
    return target.arch, target.isa, tuple(sorted(target.compiler_flags.items()))


def with_room(target: Target) -> Target:
    """The target with as much memory as its addresses leave, at most 32 MiB a region."""
    ordered = sorted(target.memory, key=lambda region: region.origin)
    ends = [*(after.origin for _, after in pairwise(ordered)), 1 << 32]
    roomy = {
        region.name: replace(region, size_bytes=min(end - region.origin, _ROOM_BYTES))
        for region, end in zip(ordered, ends, strict=True)
    }
    return replace(target, memory=tuple(roomy[region.name] for region in target.memory))


def counted_inputs(model: Model, dataset: Dataset | None) -> IntArray:
    """Some of what `build` verifies on: four sequences of data to one of stress, cut where the model is large."""
    plan = make_plan(model)
    of_step, of_output = plan.macs
    inputs = verification_inputs(model, dataset, SEQUENCES)
    timesteps = model.layout.timesteps(inputs)
    if plan.schedule.is_streaming:
        sequences = min(len(inputs), SEQUENCES + 1)
        affordable = MACS // (sequences * max(of_step + of_output, 1))
        inputs = model.layout.first_steps(inputs, int(np.clip(affordable, min(FEWEST_STEPS, timesteps), timesteps)))
    else:
        sequences = int(np.clip(MACS // max(timesteps * of_step + of_output, 1), 1, SEQUENCES + 1))
    chosen: IntArray = np.concatenate([inputs[: sequences - 1], inputs[-STRESS_SEQUENCES:][:1]])
    return chosen
