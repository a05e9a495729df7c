"""Names in a model file are text that others chose: none of it reaches C but letters, digits and underscores."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cores import CORES
from generated import WARNINGS, Generated, compile_objects, generate
from hostile_names import BESIDE_LSTM, C_WORDS, CPP_WORDS, HOSTILE, LIBRARY, MACROS, MEETING, OWN, TYPES
from reference_models import dense, lstm, tagger

from edgelstm.codegen.emit import Options, emit
from edgelstm.codegen.names import layer_identifiers
from edgelstm.device.compilers import PROGRAMS
from edgelstm.device.targets import load_target
from edgelstm.identifiers import as_model_name
from edgelstm.ir import FloatModel, Layer, Model, Tensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.activation import activation_layers
from edgelstm.ops.last_step import LastStepLayer
from edgelstm.quantization import quantize

Require = Callable[[str], None]


def model_with(model_name: str, names: Sequence[str]) -> Model:
    """LSTM, LSTM, Dense and tanh over time, LSTM, last step, Dense, softmax; layers beyond `names` get dull ones."""
    all_names = [*names, *(f"layer {index}" for index in range(7))][:7]
    tensor = Tensor(f"input of {all_names[0]}", 3, is_sequence=True)
    layers: list[Layer] = [lstm(all_names[0], tensor, 4)]
    layers.append(lstm(all_names[1], layers[-1].output, 3))
    layers.append(dense(all_names[2], layers[-1].output, 5))
    layers += activation_layers(all_names[3], "tanh", layers[-1].output)
    layers.append(lstm(all_names[4], layers[-1].output, 2))
    layers.append(LastStepLayer.after(layers[-1].output))
    layers.append(dense(all_names[5], layers[-1].output, 3))
    layers += activation_layers(all_names[6], "softmax", layers[-1].output)
    ranges = {name: (-2.0, 2.0) for layer in layers for name in (layer.output.name, f"{layer.name}/cell")}
    ranges[tensor.name] = (-1.0, 1.0)
    return quantize(FloatModel(model_name, tensor, tuple(layers), 2), ranges, 2, Contract.LITERT)


def generate_all(models: Sequence[Model], folder: Path) -> list[Generated]:
    return [generate(model, "ref", "balanced", folder / str(index)) for index, model in enumerate(models)]


def check_compiles(
    items: Sequence[Generated], require_tool: Require, folder: Path, *, with_firmware: bool = False
) -> None:
    require_tool("gcc")
    around = ("main.c", "replay.c") if with_firmware else ()
    sources = [item.folder / name for item in items for name in (item.source.name, *around)]
    compile_objects(["gcc", "-fsyntax-only", *WARNINGS], sources, folder)


def check_in_an_application(items: Sequence[Generated], require_tool: Require, folder: Path) -> None:
    """All headers behind those of the C library in one C++ file, with GNU extensions as is the default."""
    require_tool("g++")
    text = "".join(f"#include <{name}.h>\n" for name in LIBRARY)
    named = {item.name: item for item in items}
    for name, item in named.items():
        text += f'#include "{item.folder}/{name}.h"\nstatic int use({name}_t *self) {{ return sizeof *self != 0; }}\n'
    calls = " + ".join(f"use(static_cast<{name}_t *>(nullptr))" for name in named)
    source = folder / "application.cpp"
    source.write_text(f"{text}int main() {{ return {calls}; }}\n")
    compile_objects(["g++", "-fsyntax-only", "-Wall", "-Wextra", "-Werror"], [source], folder)


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_no_hostile_text_reaches_a_file(name: str) -> None:
    model = model_with(name, [name, f"{name}2", f"{name} {name}"])
    generated = emit(model, Options("ref", "balanced", "0" * 64))
    for file, text in generated.files.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]{0,63}\.[ch]", file)
        assert text.isascii()
        assert re.search(r"# *error pwned|system\(|/etc|\$\(|\{\{|%n|\x1b|\\$", text, re.MULTILINE) is None
        includes = re.findall(r"^\s*#\s*include\s+(.*)$", text, re.MULTILINE)
        assert all(re.fullmatch(r"<std(int|bool)\.h>|\"[a-z][a-z0-9_]*\.h\"", include) for include in includes)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", symbol) for symbol in generated.roles)


def test_hostile_names_compile(require_tool: Require, tmp_path: Path) -> None:
    models = [model_with(name, [name, f"{name}2", f"{name} {name}"]) for name in HOSTILE]
    items = generate_all(models, tmp_path)
    check_compiles(items, require_tool, tmp_path, with_firmware=True)
    check_in_an_application(items, require_tool, tmp_path)


@pytest.mark.parametrize("words", [C_WORDS, CPP_WORDS, TYPES, MACROS, OWN], ids=["C", "C++", "types", "macros", "own"])
def test_words_with_a_meaning_compile(words: Sequence[str], require_tool: Require, tmp_path: Path) -> None:
    """As the model's name and as layers' names, in C and in C++."""
    small = tagger(2, 3, 4, Contract.LITERT)
    models = [replace(small, name=word) for word in words]
    models += [model_with(words[first], words[first : first + 7]) for first in range(0, len(words), 7)]
    items = generate_all(models, tmp_path)
    check_compiles(items, require_tool, tmp_path, with_firmware=words is OWN)
    check_in_an_application(items, require_tool, tmp_path)


def test_names_that_could_meet_do_not(require_tool: Require, tmp_path: Path) -> None:
    """Any seven of them as layers of one model."""
    rng = np.random.default_rng(11)
    models = [
        model_with(str(rng.choice(MEETING)), [str(name) for name in rng.choice(MEETING, 7, replace=False)])
        for _ in range(30)
    ]
    check_compiles(generate_all(models, tmp_path), require_tool, tmp_path)


@pytest.mark.parametrize("optimize", ["size", "speed"])
@pytest.mark.parametrize("target_name", [name for name in CORES if name not in ("cortex-m7", "cortex-m33")])
def test_names_beside_an_lstm_do_not_meet_its_symbols(
    target_name: str, optimize: str, require_tool: Require, tmp_path: Path
) -> None:
    """As LSTM, Dense and activations, in each instruction set."""
    target = load_target(target_name)
    compiler = PROGRAMS[target.arch][0]
    require_tool(compiler)
    count = len(BESIDE_LSTM)
    models = [
        model_with(f"model {first}", ["lstm", *(BESIDE_LSTM[1 + (first + k) % (count - 1)] for k in range(6))])
        for first in range(0, count - 1, 3)
    ]
    items = [generate(model, target.isa, optimize, tmp_path / str(index)) for index, model in enumerate(models)]
    derived = {"mve": "gate_factors", "armv7em": "input_scales"}.get(target.isa, "weights")
    assert all(f"_lstm_{derived}[" in item.source.read_text() for item in items)
    argv = [compiler, *target.compiler_flags["gcc"], "-O1", "-ffreestanding", "-fsyntax-only", *WARNINGS]
    compile_objects(argv, [item.source for item in items], tmp_path)


@pytest.mark.parametrize("names", [HOSTILE, C_WORDS, CPP_WORDS, TYPES, MACROS, OWN, MEETING, BESIDE_LSTM], ids=len)
def test_identifiers_are_identifiers_and_differ(names: Sequence[str]) -> None:
    found = layer_identifiers([*names, *names], frozenset({"kernel", "cell", "hidden"}))
    assert len(set(found)) == 2 * len(names)
    for name in (*found, *map(as_model_name, names)):
        assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)
        assert len(name) <= 64
