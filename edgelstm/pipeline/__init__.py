"""The stages in order: train, quantize, export, generate, compile, verify. The only place that knows this order."""

from pathlib import Path

from edgelstm.device.compilers import find_compiler
from edgelstm.device.runners import choose_runner
from edgelstm.device.targets import load_target
from edgelstm.errors import MismatchError
from edgelstm.output import OutputFolder
from edgelstm.pipeline.firmware import ensure_firmware, generate, install_sources
from edgelstm.pipeline.quantized import ensure_quantized
from edgelstm.pipeline.request import BuildRequest, Data, read_data
from edgelstm.pipeline.stages import EDITABLE, FIRMWARE
from edgelstm.pipeline.trained import ensure_trained
from edgelstm.pipeline.verified import (
    common_rungs,
    install_result,
    require_oracle,
    reuse_result,
    verification_key,
    verify_program,
)
from edgelstm.report.progress import Progress, Silent
from edgelstm.report.result import Result

__all__ = ["BuildRequest", "Data", "build", "read_data"]


def build(request: BuildRequest, progress: Progress | None = None) -> tuple[Result, ...]:
    """Do whatever is missing or out of date between a trained model and verified firmware.

    Returns:
        one result for each target.

    Raises:
        EdgelstmError: what went wrong and what to do; MismatchError if any value differs anywhere.
    """
    news = progress or Silent()
    # Everything that may be missing or forbidden is found before any work begins.
    targets = [load_target(name) for name in request.targets]
    request.require_wide_weights(targets)
    request.main_source()
    compilers = [find_compiler(target, request.compiler) for target in targets]
    runners = [choose_runner(target, request.runner) for target in targets]
    folders = [OutputFolder(_folder(request, target.name), EDITABLE) for target in targets]
    data = read_data(request.data, request.base)
    host = find_compiler(load_target("host"))
    require_oracle(request.contract)

    model_path = ensure_trained(request, data, news)
    quantized = ensure_quantized(model_path, request, data, folders, news)
    common = None
    results = []
    for target, compiler, runner, folder in zip(targets, compilers, runners, folders, strict=True):
        generated = generate(quantized, target.isa, request)
        install_sources(generated, folder, news)
        program = ensure_firmware(folder, target, compiler, request.optimize, news)
        key = verification_key(program, quantized, request, data, runner, host)
        result = reuse_result(folder, key, news)
        if result is None:
            try:
                common = common or common_rungs(quantized, request, data, host, news)
                result = verify_program(quantized, generated, target, program, runner, request, common, news)
            except MismatchError:
                folder.withdraw(FIRMWARE)
                raise
            install_result(folder, key, result, news)
        results.append(result)
    return tuple(results)


def _folder(request: BuildRequest, target: str) -> Path:
    return request.output if len(request.targets) == 1 else request.output / target
