"""The README is true: its commands exist, its project file loads, its C compiles and runs, its links lead somewhere."""

import re
import shlex
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from random_attention import random_attention_model
from random_elementwise import random_elementwise_model
from random_embedding import random_embedding_model
from random_graphs import random_graph
from random_images import random_image_model
from random_int16 import random_int16_model
from random_layer_normalization import random_normalized_model
from random_masked import random_masked_model
from random_narrow import random_narrow_model
from random_native import random_native_model
from random_whole import random_whole_model
from random_windows import random_windows
from reference_models import classifier

from edgelstm.cli import call, root
from edgelstm.codegen.emit import Options, emit
from edgelstm.ir import Model
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.catalogue import layer_table
from edgelstm.ops.registry import ENTRIES
from edgelstm.project import load_project
from edgelstm.tflite.export import to_tflite_model

BUILDERS: tuple[Callable[[int], Model], ...] = (
    lambda seed: random_graph(seed, Contract.LITERT),
    random_native_model,
    random_normalized_model,
    lambda seed: random_elementwise_model(seed, Contract.LITERT),
    lambda seed: random_whole_model(seed, Contract.LITERT),
    random_masked_model,
    lambda seed: random_windows(seed, Contract.LITERT),
    lambda seed: random_embedding_model(seed, Contract.LITERT),
    lambda seed: random_attention_model(seed, Contract.LITERT),
    lambda seed: random_image_model(seed, Contract.LITERT),
    random_int16_model,
    random_narrow_model,
)

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def _gesture() -> Model:
    model = classifier(3, (8,), 4, 10, Contract.LITERT)
    return Model("gesture", model.input, model.ops, model.timesteps, model.contract)


def test_every_edgelstm_command_in_the_readme_exists_with_its_options(capsys: pytest.CaptureFixture[str]) -> None:
    lines = [line.split("#")[0] for block in _blocks("sh") for line in block.splitlines()]
    commands = [shlex.split(line)[1:] for line in lines if line.startswith("edgelstm ")]
    assert len(commands) >= 6
    for verb, *arguments in commands:
        command = root.get_command(click.Context(root), verb)
        assert command is not None, verb
        known = {option for parameter in command.params for option in parameter.opts}
        used = {argument for argument in arguments if argument.startswith("-")}
        assert used <= known, f"edgelstm {verb} has no {used - known}"
        assert call([verb, "--help"]) == 0
    capsys.readouterr()


def test_both_make_targets_exist() -> None:
    assert "make demo" in README
    assert "make test" in README
    makefile = (ROOT / "Makefile").read_text()
    assert re.search(r"^demo:", makefile, re.MULTILINE)
    assert re.search(r"^test:", makefile, re.MULTILINE)


def test_the_project_file_of_the_readme_loads(tmp_path: Path) -> None:
    (text,) = _blocks("toml")
    tomllib.loads(text)
    (tmp_path / "edgelstm.toml").write_text(text)
    assert load_project(tmp_path).name == "gesture"


def test_the_c_of_the_readme_compiles_and_runs(tmp_path: Path) -> None:
    (text,) = _blocks("c")
    for name, content in emit(_gesture(), Options("ref", "balanced", "0" * 64)).files.items():
        if name not in ("main.c", "replay.c", "replay.h"):
            (tmp_path / name).write_text(content)
    caller = "\nint main(void)\n{\n    static const int8_t samples[GESTURE_TIMESTEPS][GESTURE_INPUT_SIZE] = {{0}};\n"
    caller += "    int8_t result[GESTURE_OUTPUT_SIZE];\n    classify(samples, result);\n"
    caller += "    return gesture_selftest(&network) ? 0 : 1;\n}\n"
    (tmp_path / "example.c").write_text(text + caller)
    flags = ["-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    subprocess.run(["cc", *flags, "example.c", "gesture.c", "-o", "example"], cwd=tmp_path, check=True, timeout=60)
    subprocess.run([tmp_path / "example"], check=True, timeout=60)


@pytest.mark.parametrize("document", ["README.md", "ARCHITECTURE.md"])
def test_links_and_folders_exist(document: str) -> None:
    text = (ROOT / document).read_text()
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / target).exists(), target
    for folder in re.findall(r"`((?:edgelstm|templates|targets)/[\w/]*)`", text):
        assert (ROOT / folder).exists(), folder


def test_the_table_of_layers_is_that_of_the_registry(update_golden: bool) -> None:
    begin, end = "<!-- layers: generated -->\n", "<!-- end of layers -->"
    before, _, rest = (ROOT / "README.md").read_text().partition(begin)
    table, _, after = rest.partition(end)
    assert after
    if update_golden:
        table = f"{layer_table()}\n"
        (ROOT / "README.md").write_text(f"{before}{begin}{table}{end}{after}")
    assert table == f"{layer_table()}\n"


def test_files_hold_the_operators_of_the_table_and_no_others() -> None:
    """Over random models of every kind; the pads belong to the operators beside them."""
    declared = {name for entry in ENTRIES for name in entry.operators}
    models = [build(seed) for seed in range(60) for build in BUILDERS]
    written = {operator.builtin for model in models for operator in to_tflite_model(model).operators}
    assert written - {"PAD", "PADV2"} == declared
    assert {type(op) for model in models for op in model.ops} == {entry.op for entry in ENTRIES} - {None}
