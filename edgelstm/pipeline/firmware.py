"""From a quantized model to C sources and a program."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from edgelstm.codegen.emit import Generated, emit
from edgelstm.codegen.layouts import PORTABLE
from edgelstm.device.compilers import Compiler
from edgelstm.device.targets import Target, support_dirs, support_sources
from edgelstm.device.toolchain import Firmware, Object, compile_firmware
from edgelstm.once import Once
from edgelstm.output import OutputFolder, content_hash
from edgelstm.pipeline.quantized_model import Quantized
from edgelstm.pipeline.request import BuildRequest
from edgelstm.pipeline.stages import FIRMWARE, SOURCE, begin
from edgelstm.report.progress import Progress
from edgelstm.resources import templates_dir

NAME = "firmware"


@dataclass(frozen=True)
class Program:
    """A compiled firmware in its place."""

    path: Path
    compiler: str
    sha256: str


def generate(quantized: Quantized, isa: str, request: BuildRequest) -> Generated:
    """Write the model's C and the firmware around it, with the user's own main.c where there is one.

    Raises:
        ProjectError: that main.c cannot be read, or the instruction set has no wide weights; portable C, which has
            not either, takes others then.
    """
    options = request.code_options(isa, quantized.sha256)
    if isa == PORTABLE:
        options = replace(options, wide_weights=False)
    generated, own_main = emit(quantized.model, options), request.main_source()
    return generated if own_main is None else replace(generated, files={**generated.files, "main.c": own_main})


def install_sources(generated: Generated, folder: OutputFolder, progress: Progress) -> None:
    """Put the C files into the folder's `src`."""
    files = {f"src/{name}": text for name, text in generated.files.items()}
    key = content_hash(*files, *files.values())
    if folder.is_current(SOURCE, key):
        progress.note("reused src: the generated C is unchanged")
        return
    begin(folder, SOURCE)
    for name in folder.install(SOURCE, key, files):
        progress.note(f"kept {name}, which you have changed")
    progress.note(f"generated {len(files)} C files")


def ensure_firmware(
    folder: OutputFolder,
    target: Target,
    compiler: Compiler,
    optimize: str,
    progress: Progress,
    shared: Once[Object] | None = None,
) -> Program:
    """Compile what lies in the folder's `src`, or take back the program that came of the same things."""
    sources = folder.path / "src"
    # All files of all folders: the user's main may include what it likes.
    files_read = sorted(path for path in sources.rglob("*") if path.is_file())
    key = content_hash(
        repr(compiler),
        optimize,
        repr(target),
        support_hash(target),
        *(part for path in files_read for part in (str(path.relative_to(sources)), path.read_bytes())),
    )
    suffixes = ("",) if target.arch == "host" else (".elf", ".bin", ".hex", ".map")
    if folder.is_current(FIRMWARE, key):
        progress.note(f"reused {NAME}{suffixes[0]}: sources and compiler are unchanged")
    else:
        begin(folder, FIRMWARE)
        with tempfile.TemporaryDirectory(prefix="edgelstm-") as work:
            compile_sources(sources, target, compiler, optimize, Path(work), progress, shared)
            files = {f"{NAME}{suffix}": (Path(work) / f"{NAME}{suffix}").read_bytes() for suffix in suffixes}
        folder.install(FIRMWARE, key, files, executable=frozenset({NAME}))
        progress.note(f"compiled {NAME}{suffixes[0]} with {compiler.label}")
    record = folder.record(FIRMWARE)
    program = f"{NAME}{suffixes[0]}"
    return Program(folder.path / program, compiler.label, record.files[program] if record else "")


def compile_host_twin(
    generated: Generated,
    target: Target,
    compiler: Compiler,
    optimize: str,
    work: Path,
    progress: Progress,
    shared: Once[Object],
) -> Firmware:
    """Compile the same model for this computer, with sanitizers, in a folder of its own."""
    write_sources(generated.files, work / "src")
    return compile_sources(work / "src", target, compiler, optimize, work, progress, shared)


def twin_hash(generated: Generated, target: Target, compiler: Compiler) -> str:
    """Hash of what the program of `compile_host_twin` is made of."""
    files = generated.files
    return content_hash(repr(compiler), repr(target), support_hash(target), *files, *files.values())


def compile_sources(
    source_dir: Path,
    target: Target,
    compiler: Compiler,
    optimize: str,
    work: Path,
    progress: Progress,
    shared: Once[Object] | None = None,
) -> Firmware:
    """Compile all C files of a folder; compiler warnings are errors in what we generate."""
    sources = sorted(path for path in source_dir.glob("*.c") if path.is_file())
    firmware = compile_firmware(target, compiler, sources, [source_dir], work, NAME, optimize=optimize, shared=shared)
    if firmware.warnings:
        progress.warn(f"{compiler.label} warns:\n{firmware.warnings.strip()}")
    return firmware


def write_sources(files: Mapping[str, str], folder: Path) -> None:
    """Write C files into a folder of our own."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


def support_hash(target: Target) -> str:
    """Hash of the start-up code, port and linker script that every firmware of the target is compiled with."""
    scripts = [path for folder in support_dirs(target) for path in sorted(folder.glob("*.j2"))]
    paths = [*support_sources(target), *scripts, templates_dir() / "c" / "app" / "port.h"]
    return content_hash(*(part for path in paths for part in (path.name, path.read_bytes())))
