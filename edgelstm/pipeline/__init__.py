"""The stages in order: train, quantize, export, generate, compile, verify. The only place that knows this order."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from edgelstm.device.compilers import Compiler, find_compiler
from edgelstm.device.runners import Runner, choose_runner
from edgelstm.device.side_by_side import side_by_side
from edgelstm.device.targets import Target, load_target
from edgelstm.errors import DoesNotFitError, EdgelstmError, MismatchError, ProjectError
from edgelstm.once import Once
from edgelstm.output import OutputFolder
from edgelstm.pipeline.firmware import Program, ensure_firmware, install_sources
from edgelstm.pipeline.fitting import what_fits
from edgelstm.pipeline.quantized import ensure_quantized
from edgelstm.pipeline.request import BuildRequest, Data, read_data
from edgelstm.pipeline.stages import EDITABLE, FIRMWARE
from edgelstm.pipeline.trained import ensure_trained
from edgelstm.pipeline.verified import (
    install_result,
    require_oracle,
    reuse_result,
    verification_key,
    verify_program,
)
from edgelstm.pipeline.workbench import Workbench
from edgelstm.report.outcome import Outcome
from edgelstm.report.progress import Progress, Silent
from edgelstm.report.result import Result
from edgelstm.report.target_progress import TargetsProgress

__all__ = ["BuildRequest", "Data", "build", "build_each", "read_data"]


@dataclass(frozen=True)
class _Job:
    """A target with all that it needs on this computer."""

    target: Target
    compiler: Compiler
    runner: Runner
    folder: OutputFolder


def build(request: BuildRequest, progress: Progress | None = None) -> tuple[Result, ...]:
    """Do whatever is missing or out of date between a trained model and verified firmware.

    Returns:
        one result for each target.

    Raises:
        EdgelstmError: what went wrong and what to do, for the first target that failed when all have been tried;
            MismatchError if any value differs anywhere.
    """
    outcomes = build_each(request, progress)
    for outcome in outcomes:
        if outcome.error is not None:
            raise outcome.error
    return tuple(outcome.result for outcome in outcomes if outcome.result is not None)


def build_each(request: BuildRequest, progress: Progress | None = None) -> tuple[Outcome, ...]:
    """The same, where a target that fails stops no other: they are built side by side.

    Returns:
        one outcome for each target, in their order.

    Raises:
        EdgelstmError: what concerns all targets, or the only one, before work on them begins.
    """
    news = progress or Silent()
    # Everything that may be missing or forbidden is found before any work begins.
    targets = _targets(request)
    request.main_source()
    jobs, failures = _prepare(targets, request)
    data = read_data(request.data, request.base)
    host = find_compiler(load_target("host"))
    require_oracle(request.expected_contract)

    model_path = ensure_trained(request, data, news)
    quantized = ensure_quantized(model_path, request, data, [job.folder for job in jobs], news)
    require_oracle(quantized.model.contract)
    bench = Workbench(quantized, request, data, host, news)
    if len(targets) == 1:
        outcomes = [_outcome(jobs[0], bench, news)]
    else:
        outcomes = _side_by_side(jobs, bench, TargetsProgress(news, len(jobs)))
    known = {**failures, **{outcome.target: outcome for outcome in outcomes}}
    return tuple(known[target.name] for target in targets)


def _targets(request: BuildRequest) -> list[Target]:
    targets = [load_target(name) for name in request.targets]
    names = [target.name for target in targets]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ProjectError(f"several targets are called {', '.join(twice)}", "name each once, and your own file anew")
    request.require_wide_weights(targets)
    return targets


def _prepare(targets: Sequence[Target], request: BuildRequest) -> tuple[list[_Job], Mapping[str, Outcome]]:
    """What can be built, and why the rest cannot; raises the first reason where nothing can."""
    compilers = Once[Compiler]()
    jobs: list[_Job] = []
    failures: dict[str, Outcome] = {}
    for target in targets:
        try:
            kind = (target.arch, *target.compiler_flags)
            compiler = compilers.get(kind, partial(find_compiler, target, request.compiler))
            runner = choose_runner(target, request.runner)
            jobs.append(_Job(target, compiler, runner, OutputFolder(_folder(request, target.name), EDITABLE)))
        except EdgelstmError as error:
            failures[target.name] = Outcome(target.name, error=error)
    if not jobs:
        raise next(outcome.error for outcome in failures.values() if outcome.error is not None)
    return jobs, failures


def _folder(request: BuildRequest, target: str) -> Path:
    return request.output if len(request.targets) == 1 else request.output / target


def _side_by_side(jobs: Sequence[_Job], bench: Workbench, news: TargetsProgress) -> list[Outcome]:
    def finish(job: _Job) -> Outcome:
        outcome = _outcome(job, bench, news.of(job.target.name))
        news.finish(_sentence(outcome))
        return outcome

    return side_by_side([partial(finish, job) for job in jobs])


def _sentence(outcome: Outcome) -> str:
    if outcome.error is None:
        return f"verified for {outcome.target}: every output and state is equal"
    return f"failed for {outcome.target}: {outcome.error.message.splitlines()[0]}"


def _outcome(job: _Job, bench: Workbench, news: Progress) -> Outcome:
    try:
        return Outcome(job.target.name, _build_one(job, bench, news))
    except EdgelstmError as error:
        return Outcome(job.target.name, error=error)


def _build_one(job: _Job, bench: Workbench, news: Progress) -> Result:
    request, quantized, target = bench.request, bench.quantized, job.target
    generated = bench.sources(target.isa)
    install_sources(generated, job.folder, news)
    program = _compile(job, bench, news)
    key = verification_key(program, quantized, request, bench.data, job.runner, bench.twin())
    result = reuse_result(job.folder, key, news)
    if result is None:
        try:
            result = verify_program(
                quantized, generated, target, program, job.runner, request, bench.common(), bench.runs, news
            )
        except MismatchError:
            job.folder.withdraw(FIRMWARE)
            raise
        install_result(job.folder, key, result, news)
    return result


def _compile(job: _Job, bench: Workbench, news: Progress) -> Program:
    optimize = bench.request.optimize
    try:
        return ensure_firmware(job.folder, job.target, job.compiler, optimize, news, bench.objects)
    except DoesNotFitError as error:
        raise what_fits(error, job.target, job.compiler, job.folder.path / "src", bench) from error
