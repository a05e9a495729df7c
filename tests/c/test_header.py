"""The generated header by itself, in C++, twice, and with the wrong source; and a C++ program that uses it."""

from collections.abc import Callable
from pathlib import Path

import pytest
from generated import WARNINGS, Generated, compile_objects, generate
from hostile_names import LIBRARY
from reference_models import classifier, tagger

from edgelstm.device.process import run
from edgelstm.numerics.contracts import Contract

Require = Callable[[str], None]
C_COMPILERS = ("gcc", "clang")
CPP_COMPILERS = ("g++", "clang++")
CPP_WARNINGS = ("-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Wold-style-cast", "-Werror")


@pytest.fixture(scope="module", params=["classifier", "tagger"])
def generated(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generated:
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "classifier":
        return generate(classifier(3, (5, 4), 3, 6, Contract.LITERT), "ref", "balanced", folder)
    return generate(tagger(2, 3, 4, Contract.TFLM), "ref", "size", folder)


def compile_text(compiler: str, warnings: tuple[str, ...], text: str, generated: Generated, folder: Path) -> Path:
    suffix = ".cpp" if compiler in CPP_COMPILERS else ".c"
    source = folder / f"user{suffix}"
    source.write_text(text.replace("NAME", generated.name))
    (object_file,) = compile_objects([compiler, *warnings, f"-I{generated.folder}"], [source], folder)
    return object_file


@pytest.mark.parametrize("compiler", [*C_COMPILERS, *CPP_COMPILERS])
def test_the_header_needs_nothing_before_it_and_may_come_twice(
    compiler: str, generated: Generated, require_tool: Require, tmp_path: Path
) -> None:
    require_tool(compiler)
    warnings = CPP_WARNINGS if compiler in CPP_COMPILERS else WARNINGS
    compile_text(compiler, warnings, '#include "NAME.h"\n#include "NAME.h"\nNAME_t a, b;\n', generated, tmp_path)


@pytest.mark.parametrize("compiler", [*C_COMPILERS, *CPP_COMPILERS])
def test_the_header_gets_along_with_the_whole_c_library_and_gnu_extensions(
    compiler: str, generated: Generated, require_tool: Require, tmp_path: Path
) -> None:
    require_tool(compiler)
    for order in (LIBRARY, []):
        before = "".join(f"#include <{name}.h>\n" for name in order)
        after = "".join(f"#include <{name}.h>\n" for name in LIBRARY)
        dialect = "-std=gnu++11" if compiler in CPP_COMPILERS else "-std=gnu99"
        compile_text(compiler, (dialect, "-Werror"), f'{before}#include "NAME.h"\n{after}', generated, tmp_path)


@pytest.mark.parametrize(("c_compiler", "cpp_compiler"), [("gcc", "g++"), ("clang", "clang++")])
def test_a_cpp_program_runs_two_instances(
    c_compiler: str, cpp_compiler: str, generated: Generated, require_tool: Require, tmp_path: Path
) -> None:
    """The selftest passes, and touches neither the other instance nor, between two runs, its own result."""
    for tool in (c_compiler, cpp_compiler):
        require_tool(tool)
    text = """
    #include <cstring>
    #include "NAME.h"
    int main() {
        NAME_t one, other, saved;
        std::memset(&one, 0x55, sizeof one);
        NAME_reset(&other);
        std::memcpy(&saved, &other, sizeof other);
        if (!NAME_selftest(&one) || std::memcmp(&saved, &other, sizeof other) != 0) return 1;
        return NAME_selftest(&one) && NAME_selftest(&other) ? 0 : 2;
    }
    """
    user = compile_text(cpp_compiler, CPP_WARNINGS, text, generated, tmp_path)
    (model,) = compile_objects([c_compiler, "-O1", *WARNINGS], [generated.source], tmp_path)
    program = tmp_path / "program"
    assert run([cpp_compiler, str(user), str(model), "-o", str(program)], timeout_s=60).exit_code == 0
    assert run([str(program)], timeout_s=20).exit_code == 0


@pytest.mark.parametrize("compiler", C_COMPILERS)
def test_header_and_source_of_different_generations_are_refused(
    compiler: str, require_tool: Require, tmp_path: Path
) -> None:
    require_tool(compiler)
    model = tagger(2, 3, 4, Contract.LITERT)
    for optimize in ("size", "balanced"):
        generate(model, "ref", optimize, tmp_path / optimize)
    name = generate(model, "ref", "size", tmp_path / "mixed").name
    (tmp_path / "mixed" / f"{name}.h").write_bytes((tmp_path / "balanced" / f"{name}.h").read_bytes())
    completed = run([compiler, "-c", f"{name}.c", "-o", "x.o"], timeout_s=60, cwd=tmp_path / "mixed")
    assert completed.exit_code != 0
    assert "different generations" in completed.output
