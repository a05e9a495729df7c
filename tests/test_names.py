"""Names of models and layers as C identifiers."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from random_windows import random_convolution

from edgelstm import ops as ops_package
from edgelstm.codegen.names import layer_identifiers
from edgelstm.codegen.placing import DERIVED
from edgelstm.codegen.planning import make_plan
from edgelstm.identifiers import MAX_NAME_CHARACTERS, as_model_name, is_model_name
from edgelstm.ir import Model, Quantization, QuantizedTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.global_pooling import GlobalAverage, GlobalMax
from edgelstm.ops.merge import Add
from edgelstm.ops.window import same_window
from edgelstm.resources import templates_dir

IDENTIFIER = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
ENDINGS = frozenset({"kernel", "recurrent_kernel", "bias", "hidden", "cell", "scale"})
TRICKY = [
    "",
    " ",
    "9",
    "int",
    "main",
    "el_tanh",
    "port_print",
    "__attribute__",
    "stdint",
    "a" * 99,
    "Größe",
    "λ",
    "a/b",
    "*/",
    "\0",
]


@given(st.text() | st.sampled_from(TRICKY))
def test_any_text_becomes_an_identifier(text: str) -> None:
    name = as_model_name(text)
    assert IDENTIFIER.fullmatch(name)
    assert len(name) <= MAX_NAME_CHARACTERS
    assert is_model_name(name)
    assert as_model_name(name) == name


@given(st.from_regex(IDENTIFIER, fullmatch=True).filter(is_model_name))
def test_a_name_that_will_do_stays(name: str) -> None:
    assert as_model_name(name) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Gesture-Net v2", "gesture_net_v2"),
        ("Größe", "groe"),
        ("", "model"),
        ("***", "model"),
        ("3d", "model_3d"),
        ("int", "model_int"),
        ("INT8", "model_int8"),
        ("uint32", "model_uint32"),
        ("size", "model_size"),
        ("wchar", "model_wchar"),
        ("max_align", "model_max_align"),
        ("class", "model_class"),
        ("stdatomic", "model_stdatomic"),
        ("threads", "model_threads"),
        ("replay", "model_replay"),
        ("el", "model_el"),
        ("edgelstm_isa", "model_edgelstm_isa"),
        ("x" * 60, "x" * 40),
        ("9" * 60, "model_" + "9" * 34),
        ("*/ int main; /*", "int_main"),
    ],
)
def test_texts_and_their_names(text: str, name: str) -> None:
    assert as_model_name(text) == name


@given(
    st.lists(st.text(max_size=12) | st.sampled_from([*TRICKY, "lstm", "lstm_kernel", "step", "lstm_2"]), max_size=12)
)
def test_layers_have_different_names_that_meet_no_symbol_of_another(texts: list[str]) -> None:
    names = layer_identifiers(texts, ENDINGS)
    assert len(names) == len(texts)
    assert len(set(names)) == len(names)
    assert all(IDENTIFIER.fullmatch(name) for name in names)
    derived = {f"{name}_{ending}" for name in names for ending in ENDINGS}
    assert not derived & set(names)
    assert not {"reset", "step", "output", "run", "selftest", "hash", "t"} & set(names)
    assert layer_identifiers(texts, ENDINGS) == names


def test_repeated_and_colliding_layers() -> None:
    texts = ("lstm", "lstm", "lstm_2", "LSTM", "lstm/kernel", "step", "")
    assert layer_identifiers(texts, ENDINGS) == (
        "lstm", "lstm_2", "lstm_2_2", "lstm_3", "lstm_kernel_layer", "step_layer", "layer",
    )  # fmt: skip


def test_a_thousand_layers_of_one_name_take_no_time() -> None:
    assert len(set(layer_identifiers(["lstm"] * 1000))) == 1000


def test_a_layer_keeps_away_from_the_second_function_and_the_padding_of_another() -> None:
    rng = np.random.default_rng(1)
    source = QuantizedTensor("input", 3, True, Quantization(0.5, 4))
    conv = random_convolution(rng, "conv", source, 5, same_window(3, 1, 1, 9))
    mean = GlobalAverage("mean", conv.output, replace(conv.output, name="mean", is_sequence=False))
    largest = [
        GlobalMax(name, conv.output, replace(conv.output, name=name, is_sequence=False))
        for name in ("mean_output", "conv_padding")
    ]
    merged = [Add("sum", mean.output, replace(mean.output, name="sum"), largest[0].output)]
    merged.append(Add("total", merged[0].output, replace(mean.output, name="total"), largest[1].output))
    plan = make_plan(Model("it", source, (conv, mean, *largest, *merged), 9, Contract.LITERT))
    assert [item.identifier for item in plan.items] == [
        "conv", "mean", "mean_output_layer", "conv_padding_layer", "sum", "total",
    ]  # fmt: skip


def test_every_ending_of_a_symbol_is_known() -> None:
    """Unless a constant or a state has it; `begin` and `output` are endings only where there are such functions."""
    templates = "".join(path.read_text() for path in (templates_dir() / "c" / "ops").iterdir())
    ops = "".join(path.read_text() for path in Path(ops_package.__path__[0]).rglob("*.py"))
    written = set(re.findall(r"item\.symbol }}_([a-z_]+)", templates))
    named = set(re.findall(r'(?:Constant|StateArray)\(\s*"(\w+)"', ops))
    known = tuple(f"_{ending}" for ending in DERIVED | named | {"begin", "output"})
    assert len(written) > 15
    assert {ending for ending in written if not f"_{ending}".endswith(known)} == set()
