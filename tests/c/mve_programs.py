"""Builds a C file with the MVE headers for the host and for an emulated Cortex-M55, and runs it on vectors.bin."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from mve_cases import Case
from reference_models import classifier

from edgelstm.codegen.emit import Options, emit
from edgelstm.codegen.headers import VECTOR_LIBRARIES
from edgelstm.device.compilers import find_compiler
from edgelstm.device.process import run
from edgelstm.device.runners import choose_runner
from edgelstm.device.targets import load_target
from edgelstm.device.toolchain import compile_firmware
from edgelstm.numerics.contracts import Contract
from edgelstm.resources import targets_dir, templates_dir

WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wsign-conversion", "-Werror")
HEADERS = (
    "hard_sigmoid",
    "softmax",
    "reciprocal_root",
    *(f"mve_{part}{form}" for part in VECTOR_LIBRARIES for form in ("", "_intrinsics")),
)
TARGET = load_target("cortex-m55")


@cache
def mve_headers() -> Mapping[str, str]:
    """The portable headers of the `litert` contract, and those for MVE."""
    files = emit(classifier(3, (5, 4), 3, 6, Contract.LITERT), Options("ref", "size", "0" * 64)).files
    portable = {name: text for name, text in files.items() if name.startswith("edgelstm_")}
    own = {f"edgelstm_{name}.h": (templates_dir() / "c" / "lib" / f"{name}.h").read_text() for name in HEADERS}
    return {**portable, **own}


def host_program(compiler: Sequence[str], source: Path, headers: Mapping[str, str], folder: Path) -> Path:
    """Compile the portable form with a command line of one's own; the program."""
    _write(headers, folder)
    includes = (f"-I{folder}", f"-I{templates_dir() / 'c' / 'app'}")
    port = targets_dir() / "arch" / "host" / "port.c"
    completed = run([*compiler, *WARNINGS, *includes, str(source), str(port), "-o", str(folder / "mve")], timeout_s=300)
    assert completed.exit_code == 0, completed.output[:4000]
    return folder / "mve"


def without_assembler(headers: Mapping[str, str]) -> Mapping[str, str]:
    """The headers such that MVE cores compile the intrinsics."""
    name = "edgelstm_mve_rows.h"
    return {**headers, name: "#define EL_NO_ASM\n" + headers[name]}


def chip_program(compiler: str, source: Path, headers: Mapping[str, str], folder: Path) -> Path:
    """Compile for the Cortex-M55 with every warning an error; the ELF."""
    _write(headers, folder)
    chosen = find_compiler(TARGET, compiler)
    return compile_firmware(TARGET, chosen, [source], [folder], folder / "out", "mve", warnings_are_errors=True).elf


def run_on_host(program: Path, expected: Sequence[Case], folder: Path) -> bytes:
    _write_vectors(expected, folder)
    completed = run([str(program)], timeout_s=60, cwd=folder)
    assert completed.exit_code == 0, completed.output
    return (folder / "results.bin").read_bytes()


def run_emulated(elf: Path, expected: Sequence[Case], folder: Path) -> bytes:
    _write_vectors(expected, folder)
    result = choose_runner(TARGET, "qemu").run(elf, [], cwd=folder, timeout_s=60)
    assert result.exit_code == 0, result.output
    return (folder / "results.bin").read_bytes()


def _write(headers: Mapping[str, str], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in headers.items():
        (folder / name).write_text(text)


def _write_vectors(expected: Sequence[Case], folder: Path) -> None:
    (folder / "vectors.bin").write_bytes(b"".join(case.record for case in expected))
    (folder / "results.bin").unlink(missing_ok=True)
