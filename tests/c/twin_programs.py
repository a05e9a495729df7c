"""Builds twins.c against the library headers as the generator writes them, and runs it."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from reference_models import classifier
from twin_cases import Case

from edgelstm.codegen.emit import Options, emit
from edgelstm.device.process import run
from edgelstm.numerics.contracts import Contract
from edgelstm.resources import targets_dir, templates_dir

SOURCE = Path(__file__).parent / "twins.c"
WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wsign-conversion", "-Werror")


@cache
def library_headers(contract: Contract, optimize: str, isa: str) -> Mapping[str, str]:
    """The edgelstm_*.h of a model that uses nearly all of them, and the others."""
    files = emit(classifier(3, (5, 4), 3, 6, contract), Options(isa, optimize, "0" * 64)).files
    headers = {name: text for name, text in files.items() if name.startswith("edgelstm_")}
    assert set(headers) == {f"edgelstm_{name}.h" for name in ("isa", "fixedpoint", "tables", "activations", "softmax")}
    others = {name: templates_dir() / "c" / "lib" / f"{name}.h" for name in ("mean", "reciprocal_root", "window")}
    return headers | {f"edgelstm_{name}.h": path.read_text() for name, path in others.items()}


def write_headers(headers: Mapping[str, str], folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in headers.items():
        (folder / name).write_text(text)
    return folder


def build_for_host(compiler: Sequence[str], headers: Mapping[str, str], folder: Path) -> Path:
    """Compile with a command line of one's own; the program."""
    write_headers(headers, folder)
    program = folder / "twins"
    includes = (f"-I{folder}", f"-I{templates_dir() / 'c' / 'app'}")
    port = targets_dir() / "arch" / "host" / "port.c"
    command = [*compiler, *WARNINGS, *includes, str(SOURCE), str(port), "-o", str(program)]
    completed = run(command, timeout_s=120)
    assert completed.exit_code == 0, completed.output
    return program


def write_vectors(expected: Sequence[Case], folder: Path) -> None:
    (folder / "vectors.bin").write_bytes(b"".join(case.record for case in expected))
    (folder / "results.bin").unlink(missing_ok=True)


def run_on_host(program: Path, expected: Sequence[Case], folder: Path) -> bytes:
    write_vectors(expected, folder)
    completed = run([str(program)], timeout_s=60, cwd=folder)
    assert completed.exit_code == 0, completed.output
    return (folder / "results.bin").read_bytes()
