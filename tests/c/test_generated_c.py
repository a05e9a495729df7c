"""The generated C: no compiler warns, nothing of a C library is used, nothing can be written, no float occurs."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from elftools.elf.constants import SH_FLAGS
from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection
from generated import (
    BOUNDS,
    COMPILERS,
    KINDS,
    LEVELS,
    SEEDS,
    WARNINGS,
    CrossCompiler,
    Generated,
    compile_objects,
    generate_many,
)
from random_models import random_model

from edgelstm.numerics.contracts import Contract
from edgelstm.ops import registry

Many = dict[str, list[Generated]]

# What a compiler calls of its own accord, and what x86 needs to find a constant.
ALLOWED_CALLS = {"memcpy", "memmove", "memset", "_GLOBAL_OFFSET_TABLE_"}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Many:
    """By instruction set."""
    return {isa: list(generate_many(isa, tmp_path_factory.mktemp(isa))) for isa in ("ref", "armv7em")}


def test_the_seeds_have_every_op_and_kind_of_output() -> None:
    models = [random_model(seed, Contract.LITERT, BOUNDS) for seed in SEEDS]
    models += [build(seed, Contract.LITERT) for build in KINDS.values() for seed in SEEDS]
    every = {*registry.TFLITE_OPERATORS.values(), *registry.INT16_OPERATORS.values()}
    assert {type(op) for model in models for op in model.ops} == every
    functions = {getattr(op, "function", "") for model in models for op in model.ops}
    assert functions >= {"relu", "sigmoid", "tanh"}
    assert {model.output.is_sequence for model in models} == {True, False}


def share(sources: Sequence[Path], compiler: int, level: int) -> list[Path]:
    """Of the seeds x variants: half for each compiler, in which every seed occurs, dealt out to the levels."""
    table = [sources[start : start + len(SEEDS)] for start in range(0, len(sources), len(SEEDS))]
    half = [row[seed] for seed in range(len(SEEDS)) for v, row in enumerate(table) if (seed + v + compiler) % 2]
    return half[level :: len(LEVELS)]


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", COMPILERS)
def test_no_compiler_warns(
    name: str, level: str, generated: Many, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    """And the objects have no calls and no variables."""
    compiler = COMPILERS[name]
    require_tool(compiler.tool)
    sources = [item.source for item in generated[compiler.isa]]
    chosen = share(sources, list(COMPILERS).index(name), LEVELS.index(level))
    for object_file in compile_objects([*compiler.argv, level, *WARNINGS], chosen, tmp_path):
        assert object_problems(object_file) == []


def test_every_model_meets_every_compiler(generated: Many) -> None:
    everything = set()
    for number, compiler in enumerate(COMPILERS.values()):
        sources = [item.source for item in generated[compiler.isa]]
        seen = {source for level in range(len(LEVELS)) for source in share(sources, number, level)}
        assert len({source.stem.split("_")[1] for source in seen}) == len(SEEDS)
        everything |= {(compiler.isa, source.stem) for source in seen}
    assert len(everything) == sum(len(items) for items in generated.values())


@pytest.mark.parametrize("compiler", COMPILERS.values(), ids=COMPILERS)
def test_no_compiler_warns_of_the_firmware_around_it(
    compiler: CrossCompiler, generated: Many, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    require_tool(compiler.tool)
    for item in generated[compiler.isa][:: len(SEEDS) // 2 + 1]:
        sources = [item.folder / name for name in ("main.c", "replay.c")]
        compile_objects([*compiler.argv, "-Os", *WARNINGS], sources, tmp_path / item.name)


def object_problems(path: Path) -> list[str]:
    """Undefined symbols beyond ALLOWED_CALLS, and sections with variables in them."""
    with path.open("rb") as file:
        elf = ELFFile(file)
        table = elf.get_section_by_name(".symtab")
        assert isinstance(table, SymbolTableSection)
        symbols = [symbol for symbol in table.iter_symbols() if symbol.name]
        unknown = {s.name for s in symbols if s["st_shndx"] == "SHN_UNDEF"} - ALLOWED_CALLS
        problems = [f"{path.name} calls {name}" for name in sorted(unknown)]
        problems += [f"{path.name}: common {s.name}" for s in symbols if s["st_shndx"] == "SHN_COMMON"]
        for section in elf.iter_sections():
            is_writable = bool(section["sh_flags"] & SH_FLAGS.SHF_WRITE)
            if is_writable and section["sh_size"]:
                problems.append(f"{path.name}: {section['sh_size']} bytes of variables in {section.name}")
    return problems


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("int counter; int next(void) { return counter++; }", "variables in .bss"),
        ("static int counter = 3; int next(void) { return counter++; }", "variables in .data"),
        ("#include <math.h>\ndouble root(double x) { return sqrt(x); }", "calls sqrt"),
        ("void *malloc(unsigned long); void *more(void) { return malloc(5); }", "calls malloc"),
    ],
)
def test_the_object_check_notices(text: str, problem: str, require_tool: Callable[[str], None], tmp_path: Path) -> None:
    require_tool("gcc")
    source = tmp_path / "planted.c"
    source.write_text(text)
    (object_file,) = compile_objects([*COMPILERS["gcc"].argv, "-O1"], [source], tmp_path)
    assert any(problem in line for line in object_problems(object_file))


FORBIDDEN = re.compile(
    r"float|double|(m|c|re)alloc|alloca|free|\w*printf|puts|mem(cpy|set|move)|exit|abort|goto|asm|(set|long)jmp|FILE|time|rand"
)
_NOT_CODE = re.compile(r"/\*.*?\*/|//[^\n]*|\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'", re.DOTALL)
_INCLUDE = re.compile(r"^\s*#\s*include\s+[<\"]([^>\"]+)[>\"]", re.MULTILINE)
_FLOAT_LITERAL = re.compile(r"\b\d+\.\d*|\b\d+[eE][-+]?\d|\.\d")


def text_problems(text: str) -> set[str]:
    """Words and numbers that the generated C does without, and headers beyond the C standard's integers."""
    code = _NOT_CODE.sub(" ", _INCLUDE.sub(" ", text))
    words = {word for word in re.findall(r"[A-Za-z_]\w*", code) if FORBIDDEN.fullmatch(word)}
    floats = set(_FLOAT_LITERAL.findall(code))
    includes = {name for name in _INCLUDE.findall(text) if name not in ("stdint.h", "stdbool.h")}
    return words | floats | {name for name in includes if not (name.startswith("edgelstm_") or name[:6] == "random")}


@pytest.mark.parametrize("isa", ["ref", "armv7em"])
def test_no_floating_point_allocation_or_library_in_the_text(isa: str, generated: Many) -> None:
    for item in generated[isa]:
        for path in sorted(item.folder.glob("*.[ch]")):
            text = path.read_text()
            if path.name == f"{item.name}.h":
                text = re.sub(r"^#define \w+_(INPUT|OUTPUT)_SCALE .*$", "", text, flags=re.MULTILINE)
            if path.name not in ("main.c", "replay.c", "replay.h"):
                assert text_problems(text) == set(), path.name


def test_the_text_check_notices() -> None:
    assert text_problems('#include <stdio.h>\nx = 1.5f; y = 2e3; /* float */ "double"; malloc(3)') == {
        "stdio.h", "1.5", "2e3", "malloc",
    }  # fmt: skip


@pytest.mark.parametrize("isa", ["ref", "armv7em"])
def test_text_is_plain(isa: str, generated: Many) -> None:
    """ASCII, no tabs, no blanks at line ends, one newline at the end, lines that fit a screen."""
    for item in generated[isa]:
        for path in item.folder.iterdir():
            text = path.read_text(encoding="ascii")
            assert text.endswith("\n")
            assert not text.endswith("\n\n")
            assert re.search(r"[ \t]$|\t|\r", text, re.MULTILINE) is None, path.name
            assert max(map(len, text.splitlines())) <= 180, path.name
