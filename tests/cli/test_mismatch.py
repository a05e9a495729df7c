"""A planted fault ends a build with exit code 2 and the name of the first value that differs."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from command import BUILD, edgelstm, succeed

from edgelstm.codegen.emit import Generated, Options, emit
from edgelstm.ir import IntArray, Model
from edgelstm.verification.trace import Trace, simulator_trace

HOST = ("--target", "host")
FIRST = r"lstm\.hidden\[1\] at step 2 of sequence 0 is -?\d+, expected -?\d+"


def _wrong_simulator(model: Model, inputs: IntArray) -> Trace:
    trace = simulator_trace(model, inputs)
    hidden = trace.arrays[0].values.copy()
    hidden[0, 2, 1] ^= 1
    return Trace((replace(trace.arrays[0], values=hidden), *trace.arrays[1:]))


def wrong_weight(model: Model, options: Options) -> Generated:
    generated = emit(model, options)
    files = dict(generated.files)
    array = re.search(r"_weights\[\d+\][^;]*", files["model.c"])
    assert array is not None
    last = re.findall(r"0x[0-9a-f]{8}", array[0])[-1]
    head, _, tail = array[0].rpartition(last)
    files["model.c"] = files["model.c"].replace(array[0], f"{head}0x{int(last, 16) ^ 0x40:08x}{tail}", 1)
    return replace(generated, files=files)


def _no_selftest(model: Model, options: Options) -> Generated:
    generated = wrong_weight(model, options)
    main = re.sub(r"= \w+_selftest\(&network\);", "= true;", generated.files["main.c"])
    return replace(generated, files={**generated.files, "main.c": main})


def test_a_simulator_that_differs_is_named(
    workspace: Path, monkeypatch: pytest.MonkeyPatch, require_tool: Callable[[str], None]
) -> None:
    require_tool("ai_edge_litert")
    monkeypatch.setattr("edgelstm.verification.ladder.simulator_trace", _wrong_simulator)
    outcome = edgelstm(*BUILD, *HOST)
    assert outcome.code == 2
    assert outcome.out == ""
    message = outcome.err
    assert "verification failed" in message
    for against in (
        "LiteRT BUILTIN_REF",
        "tflite-runtime BUILTIN_REF, LSTM states",
        "C on this computer.*",
        "firmware .*",
    ):
        assert re.search(rf"- {against}: 1 of \d+ values differ; first: {FIRST}$", message, re.MULTILINE), against


@pytest.mark.usefixtures("quick_ladder")
def test_a_flipped_weight_bit_in_the_c_is_named(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgelstm.pipeline.firmware.emit", _no_selftest)
    outcome = edgelstm("verify", *BUILD[1:], *HOST)
    assert outcome.code == 2
    assert re.search(
        r"firmware for host, host: \d+ of \d+ values differ; first: lstm\.\w+\[\d\] at step \d", outcome.err
    )


@pytest.mark.usefixtures("quick_ladder")
def test_the_self_test_notices_a_flipped_weight_bit(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgelstm.pipeline.firmware.emit", wrong_weight)
    outcome = edgelstm(*BUILD, *HOST, "--json")
    assert outcome.code == 2
    assert "self-test failed" in outcome.json["error"]["message"]
    assert Path("out/model.tflite").exists()
    assert not Path("out/firmware").exists()


@pytest.mark.usefixtures("quick_ladder")
def test_no_report_is_left_of_firmware_that_failed(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("edgelstm.verification.ladder.simulator_trace", _wrong_simulator)
        assert edgelstm(*BUILD, "--sequences", "3").code == 2
        assert not (built / "out" / "report.json").exists()
        assert edgelstm(*BUILD, "--sequences", "3").code == 2
    assert "verified for cortex-m4" in succeed(*BUILD, "--sequences", "3").err
