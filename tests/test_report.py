"""The result of a build: its JSON and its text."""

import io
import json
import math
from dataclasses import replace

import pytest
from rich.console import Console

from edgelstm.report.metrics import Accuracy
from edgelstm.report.progress import Silent
from edgelstm.report.result import (
    Cost,
    FlashBytes,
    ModelFacts,
    RamBytes,
    Result,
    Rung,
    TargetFacts,
    accuracy_from_mapping,
    accuracy_mapping,
    result_from_mapping,
)
from edgelstm.report.table import print_accuracy, print_results

CLASSES = 10
ACCURACY = Accuracy(
    metric="accuracy",
    float_value=0.9876,
    quantized_value=0.9812,
    agreement=0.995,
    sqnr_db=31.4,
    outputs=600,
    saturated_inputs_percent=(0.0, 0.25, 0.1),
    confusion=tuple(tuple(57 if row == column else row % 2 for column in range(CLASSES)) for row in range(CLASSES)),
    labels=("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
)
RUNGS = (
    Rung("LiteRT BUILTIN_REF", "litert", 20, 1600, 0),
    Rung("tflite-runtime BUILTIN_REF, after Dense", "litert", 20, 320, 4, 1, allowed=1, first="output[0]"),
    Rung("C on this computer, cc 12.2.0, ASan, UBSan", "litert", 20, 1600, 7, 3, first="lstm.hidden[1] at step 2"),
)
RESULT = Result(
    model=ModelFacts("digits", "ab" * 32, 6000, 5900),
    target=TargetFacts("cortex-m4", "arm-none-eabi-gcc 12.2.1", "qemu", "balanced"),
    flash=FlashBytes(2894, 1024, 6100, 52),
    ram=RamBytes(96, 4, 108),
    firmware_flash_bytes=12000,
    firmware_ram_bytes=16424,
    cost=Cost(2319, 18860),
    accuracy=ACCURACY,
    verification=RUNGS,
    firmware_sections={".text": 9000, ".rodata": 3000, ".stack": 16384, ".bss": 40},
)
ON_HOST = replace(
    RESULT,
    target=TargetFacts("host", "cc 12.2.0", "host", "balanced"),
    ram=RamBytes(96, 4, 0),
    firmware_flash_bytes=0,
    firmware_ram_bytes=0,
    firmware_sections={},
    cost=Cost(None, None),
)


def _shown(*results: Result) -> str:
    text = io.StringIO()
    print_results(results, Console(file=text, width=1000, highlight=False, markup=False, soft_wrap=True))
    return text.getvalue()


def _accuracy(accuracy: Accuracy) -> str:
    text = io.StringIO()
    print_accuracy(accuracy, Console(file=text, width=1000, highlight=False, markup=False, soft_wrap=True))
    return text.getvalue()


@pytest.mark.parametrize(
    "result",
    [RESULT, ON_HOST, replace(RESULT, accuracy=None), replace(RESULT, accuracy=replace(ACCURACY, sqnr_db=math.inf))],
)
def test_a_result_survives_json(result: Result) -> None:
    text = result.to_json()
    assert result_from_mapping(json.loads(text)) == result
    assert text == result_from_mapping(json.loads(text)).to_json()


def test_json_has_no_infinity() -> None:
    mapping = accuracy_mapping(replace(ACCURACY, sqnr_db=math.inf))
    assert mapping["sqnr_db"] is None
    assert "Infinity" not in json.dumps(mapping, allow_nan=False)
    assert accuracy_from_mapping(mapping).sqnr_db == math.inf


def test_totals_are_sums() -> None:
    mapping = RESULT.to_mapping()
    assert mapping["memory"]["flash_bytes"]["total"] == 2894 + 1024 + 6100 + 52
    assert mapping["memory"]["ram_bytes"]["total"] == 96 + 4 + 108


@pytest.mark.parametrize("results", [(RESULT,), (RESULT, ON_HOST)])
def test_the_text_fits_80_columns(results: tuple[Result, ...]) -> None:
    lines = [line.rstrip() for line in _shown(*results).splitlines()]
    assert max(map(len, lines)) <= 80, max(lines, key=len)


def test_numbers_stand_under_their_target() -> None:
    rows = {line[:22].strip(): line.rstrip() for line in _shown(RESULT, ON_HOST).splitlines()}
    assert rows["flash: weights"].split()[2:] == ["6100", "B", "6100", "B"]
    assert rows["instructions a step"].split()[3:] == ["2319", "-"]
    assert rows["RAM: stack"].split()[2:] == ["108", "B", "-"]
    assert rows["firmware: .rodata"].split()[2:] == ["3000", "B", "-"]
    assert len(rows["flash: weights"]) == len(rows["cost"]) == len(rows["instructions a step"])


def _cells(text: str, label: str) -> list[str]:
    """What stands behind a label of several words."""
    return next(line.removeprefix(label).split() for line in text.splitlines() if line.startswith(f"{label} "))


def test_where_clocks_are_exact_no_row_says_that_nothing_was_counted() -> None:
    exact = replace(RESULT, cost=Cost(None, None, 4321, 43210))
    shown = _shown(exact)
    assert _cells(shown, "cycles a step") == ["4321"]
    assert "instructions a step" not in shown
    beside = _shown(exact, RESULT)
    assert _cells(beside, "instructions a step") == ["-", "2319"]
    assert _cells(beside, "cycles a step") == ["4321", "-"]
    assert _cells(_shown(replace(RESULT, cost=Cost(None, None))), "instructions a step") == ["-"]


def test_verdicts() -> None:
    lines = [" ".join(line.split()) for line in _shown(RESULT).splitlines()]
    assert "LiteRT BUILTIN_REF 1600 equal" in lines
    assert "tflite-runtime BUILTIN_REF, after Dense 320 4 off by 1, allowed" in lines
    assert "C on this computer, cc 12.2.0, ASan, UBSan 1600 7 DIFFER" in lines
    assert "first difference from C on this computer, cc 12.2.0, ASan, UBSan:" in lines
    assert "lstm.hidden[1] at step 2" in lines
    assert not any(line.startswith("first difference from tflite-runtime") for line in lines)


def test_a_confusion_matrix_has_the_names_where_they_fit() -> None:
    text = _accuracy(ACCURACY)
    heading = next(line for line in text.splitlines() if "three" in line)
    assert heading.split() == list(ACCURACY.labels)
    long = tuple(f"a very long name {index}" for index in range(CLASSES))
    lines = _accuracy(replace(ACCURACY, labels=long)).splitlines()
    assert any(line.split() == [str(index) for index in range(CLASSES)] for line in lines)
    assert any(line.startswith("  9 a very long name 9 ") for line in lines)
    assert max(map(len, lines)) <= 80
    unnamed = _accuracy(replace(ACCURACY, labels=()))
    assert re_row(unnamed, "9")[-1] == "57"


def re_row(text: str, label: str) -> list[str]:
    return next(line.split() for line in text.splitlines() if line.split()[:1] == [label])


def test_accuracy_of_other_kinds() -> None:
    regression = replace(
        ACCURACY, metric="rmse", float_mae=0.5, quantized_mae=0.75, confusion=None, sqnr_db=math.inf,
        saturated_inputs_percent=(0.0,),
    )  # fmt: skip
    text = _accuracy(regression)
    assert re_row(text, "mae") == ["mae", "0.5000", "0.7500"]
    assert "no quantization noise" in text
    assert "saturated inputs: none" in text
    unknown = replace(ACCURACY, metric="none", float_value=None, quantized_value=None, confusion=None)
    text = _accuracy(unknown)
    assert "agreement with float 99.50 %, SQNR 31.4 dB" in text
    assert "saturated inputs: at most 0.25 %" in text
    assert "int8" not in text


def test_nothing_is_shown_of_no_result() -> None:
    assert _shown() == ""


def test_a_silent_progress_accepts_everything() -> None:
    progress = Silent()
    progress.note("a")
    progress.detail("a")
    progress.warn("a")
    progress.advance("a", 1, 2)
