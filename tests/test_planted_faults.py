"""A verifier is believed only because planted faults make it fail, and name the place."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from random_models import random_model
from random_whole import random_whole_model
from random_windows import random_convolution, random_depthwise
from reference_models import classifier, translator

from edgelstm.codegen.emit import Options, emit
from edgelstm.device.compilers import find_compiler
from edgelstm.device.runners import choose_runner
from edgelstm.device.targets import load_target
from edgelstm.device.toolchain import compile_firmware
from edgelstm.errors import MismatchError
from edgelstm.ir import Model, Quantization, QuantizedTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.global_pooling import GlobalAverage
from edgelstm.ops.lstm import Lstm
from edgelstm.ops.pooling import AveragePool, MaxPool
from edgelstm.ops.window import Window, same_window
from edgelstm.report.result import Rung
from edgelstm.tflite import write_tflite
from edgelstm.tflite.export import to_tflite_model
from edgelstm.verification.ladder import Expectation, expectation, oracle_rungs, require_match, run_program
from edgelstm.verification.oracles import LITERT, TFLM, Oracle
from edgelstm.verification.trace import compare, simulator_trace

SEED = 8
WHOLE_SEED = 1

Files = dict[str, str]


def _run(model: Model, expected: Expectation, files: Files, work: Path) -> Rung:
    target = load_target("host")
    for name, text in files.items():
        (work / name).write_text(text)
    firmware = compile_firmware(target, find_compiler(target), sorted(work.glob("*.c")), [work], work / "build", "host")
    return run_program("host C", expected, firmware.elf, choose_runner(target), 60, lambda name: None).rung


def _skip_selftest(files: Files) -> Files:
    """The self-test would notice first; here the comparison itself is on trial."""
    pattern = r"= \w+_selftest\(&network(, results)?\);"
    assert re.search(pattern, files["main.c"])
    return files | {"main.c": re.sub(pattern, "= true;", files["main.c"])}


def _replace_once(files: Files, name: str, old: str, new: str) -> Files:
    assert old in files[name], f"{old!r} is not in {name}: the planted fault has lost its place"
    return files | {name: files[name].replace(old, new, 1)}


def _rounding_constant(files: Files, model: str) -> Files:
    return _replace_once(files, "edgelstm_fixedpoint.h", "INT64_C(1) << 30", "INT64_C(1) << 29")


def _newton_constant(files: Files, model: str) -> Files:
    return _replace_once(files, "edgelstm_activations.h", "x = 23130 +", "x = 23131 +")


def _weight_bit(files: Files, model: str) -> Files:
    """Bit 6 of the last word of the first layer's weights: an output gate's recurrent weight."""
    array = re.search(r"_weights\[\d+\][^;]*", files[f"{model}.c"])
    assert array is not None
    last = re.findall(r"0x[0-9a-f]{8}", array[0])[-1]
    head, _, tail = array[0].rpartition(last)
    return _replace_once(files, f"{model}.c", array[0], f"{head}0x{int(last, 16) ^ 0x40:08x}{tail}")


def _missing_reset(files: Files, model: str) -> Files:
    return _replace_once(
        files, "replay.c", f"{model}_reset(network);", "if (sequence == 0) { " + f"{model}_reset(network); " + "}"
    )


def _stale_hidden_state(files: Files, model: str) -> Files:
    """Update h while other units still need the old one."""
    source = files[f"{model}.c"]
    pattern = r"const int32_t h_correction = el_widen\(h, self->(\w+)_hidden, (\d+)u\);"
    assert re.search(pattern, source)
    moved = re.sub(pattern, "", source, count=1)
    call = re.search(pattern, source)
    assert call is not None
    moved = moved.replace("int32_t from_input[4];", f"int32_t from_input[4];\n        {call[0]}", 1)
    return files | {f"{model}.c": moved}


def _read_forwards(files: Files, model: str) -> Files:
    """A reversed sequence is read from its front."""
    return _replace_in_pattern(files, f"{model}.c", r"\((\d+)u - tick\)", "tick")


def _lost_sample(files: Files, model: str) -> Files:
    """The last sample of a window is ignored."""
    return _replace_in_pattern(files, f"{model}.c", r"self->position = 0;", "self->position = 1;")


def _replace_in_pattern(files: Files, name: str, pattern: str, new: str) -> Files:
    assert re.search(pattern, files[name]), f"{pattern!r} is not in {name}: the planted fault has lost its place"
    return files | {name: re.sub(pattern, new, files[name], count=1)}


@pytest.fixture(scope="module")
def model() -> Model:
    return random_model(SEED, Contract.LITERT)


@pytest.fixture(scope="module")
def expected(model: Model) -> Expectation:
    return expectation(model, None, 4)


@pytest.fixture(scope="module")
def files(model: Model) -> Files:
    return _skip_selftest(dict(emit(model, Options("ref", "balanced", "0" * 64)).files))


def test_the_unchanged_program_passes(model: Model, expected: Expectation, files: Files, tmp_path: Path) -> None:
    assert _run(model, expected, files, tmp_path).mismatches == 0


@pytest.mark.parametrize("plant", [_read_forwards, _lost_sample])
def test_a_planted_fault_behind_the_window_is_caught(plant: Callable[[Files, str], Files], tmp_path: Path) -> None:
    model = random_whole_model(WHOLE_SEED, Contract.LITERT)
    expected = expectation(model, None, 4)
    files = _skip_selftest(dict(emit(model, Options("ref", "balanced", "0" * 64)).files))
    (tmp_path / "right").mkdir()
    (tmp_path / "wrong").mkdir()
    assert _run(model, expected, files, tmp_path / "right").mismatches == 0
    assert _run(model, expected, plant(files, model.name), tmp_path / "wrong").mismatches > 0


@pytest.mark.parametrize(
    "plant", [_rounding_constant, _newton_constant, _weight_bit, _missing_reset, _stale_hidden_state]
)
def test_a_planted_fault_in_the_c_is_caught_and_named(
    plant: Callable[[Files, str], Files], model: Model, expected: Expectation, files: Files, tmp_path: Path
) -> None:
    rung = _run(model, expected, plant(files, f"random_{SEED}"), tmp_path)
    assert rung.mismatches > 0
    with pytest.raises(MismatchError, match=r"host C: \d+ of \d+ values differ; first: lstm\d\.\w+\[\d+\] at step \d+"):
        require_match((rung,))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("* n + 16384) >> 15", "* n) >> 15"),
        ("self->gru_1_hidden_q15[k] = 0;", ""),
        ("(32768 - z)", "(32767 - z)"),
        ("el_rounding_product(r, recalled[k], 15u)", "(r * recalled[k] >> 15)"),
    ],
)
def test_a_fault_in_arithmetic_of_our_own_is_caught(old: str, new: str, tmp_path: Path) -> None:
    """No interpreter stands behind a GRU: simulator and C must tell each other apart."""
    gru = classifier(3, (5,), 3, 6, Contract.LITERT, "gru")
    files = _skip_selftest(dict(emit(gru, Options("ref", "balanced", "0" * 64)).files))
    expected = expectation(gru, None, 4)
    (tmp_path / "sound").mkdir()
    assert _run(gru, expected, files, tmp_path / "sound").mismatches == 0
    rung = _run(gru, expected, _replace_once(files, f"{gru.name}.c", old, new), tmp_path)
    with pytest.raises(MismatchError, match=r"first: gru_1\.hidden\w*\[\d+\] at step \d+"):
        require_match((rung,))


@pytest.mark.parametrize(
    ("pattern", "new", "array"),
    [
        (r"translator_2_3_decoder_begin\(self, .*\);", ";", "hidden"),
        (r"self->decoder_hidden\[k\] = vector_0\[k\];", "(void)vector_0;", "hidden"),
        (r"self->decoder_cell\[k\] = vector_1\[k\];", "(void)vector_1;", "cell"),
    ],
)
def test_a_state_that_is_not_handed_on_is_caught(pattern: str, new: str, array: str, tmp_path: Path) -> None:
    model = translator(2, 3, 4, 3, Contract.LITERT)
    files = _skip_selftest(dict(emit(model, Options("ref", "balanced", "0" * 64)).files))
    wrong = _replace_in_pattern(files, f"{model.name}.c", pattern, new)
    if "begin" in pattern:
        wrong = _replace_in_pattern(
            wrong, f"{model.name}.c", r"(static void)( \w+_begin)", r"\1 __attribute__((unused))\2"
        )
    rung = _run(model, expectation(model, None, 4), wrong, tmp_path)
    with pytest.raises(MismatchError, match=rf"first: decoder\.{array}\[\d+\] at step 5"):
        require_match((rung,))


def _windows() -> Model:
    """A convolution padded at both ends, pools at other paces, and the mean of what is left."""
    rng = np.random.default_rng(4)
    source = QuantizedTensor("input", 3, True, Quantization(2.0**-5, 4))
    conv = random_convolution(rng, "conv", source, 5, same_window(3, 1, 2, 16))
    depthwise = random_depthwise(rng, "deep", conv.output, 2, Window(2))
    largest = MaxPool("largest", depthwise.output, replace(depthwise.output, name="largest"), Window(3, 2))
    average = AveragePool.on("average", largest.output, same_window(3, 1, 1, 7), 7)
    mean = GlobalAverage("mean", average.output, replace(average.output, name="mean", is_sequence=False))
    return Model("windows", source, (conv, depthwise, largest, average, mean), 16, Contract.LITERT)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("edgelstm_window.h", "*countdown = stride;", "*countdown = (int16_t)(stride + 1);"),
        ("edgelstm_window.h", "window[k] = window[k + step_size];", "window[k] = window[k];"),
        ("edgelstm_window.h", "return a > b ? a : b;", "return a < b ? a : b;"),
        ("edgelstm_window.h", "(el_magnitude(sum) + half)", "el_magnitude(sum + (int32_t)(half * 0u))"),
        (
            "edgelstm_window.h",
            "(el_magnitude(sum) + half) * reciprocal",
            "(el_magnitude(sum) + half) * (reciprocal - 1u)",
        ),
        ("windows.c", "ticks > 3 ? ticks - 3 : 0", "ticks > 3 ? ticks - 3 : 1"),
        ("windows.c", "ticks < 7 ? ticks : 7", "ticks"),
        ("edgelstm_mean.h", "(*shift)--;", ""),
        ("windows.c", "self->conv_window[k] = 4;", "self->conv_window[k] = 0;"),
        ("windows.c", "windows_conv_padding[3] = {4, 4, 4}", "windows_conv_padding[3] = {4, 4, 5}"),
        ("windows.c", "self->conv_window[6u * tap + k]", "self->conv_window[3u * tap + k]"),
        ("windows.c", "_window[row / 2u]", "_window[row % 5u]"),
    ],
)
def test_a_fault_in_a_window_is_caught(name: str, old: str, new: str, tmp_path: Path) -> None:
    model = _windows()
    files = _skip_selftest(dict(emit(model, Options("ref", "balanced", "0" * 64)).files))
    assert _run(model, expectation(model, None, 4), _replace_once(files, name, old, new), tmp_path).mismatches > 0


def test_a_model_of_windows_without_a_fault_passes(tmp_path: Path) -> None:
    model = _windows()
    files = dict(emit(model, Options("ref", "balanced", "0" * 64)).files)
    assert _run(model, expectation(model, None, 4), files, tmp_path).mismatches == 0


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("classifier_3_5.c", "squares += ", "squares += 1u + "),
        ("classifier_3_5.c", "<< shift)", "<< (shift - 1u))"),
        ("classifier_3_5.c", "_gamma[k] * 65536", "_gamma[0] * 65536"),
        ("classifier_3_5.c", "_beta[k]", "_beta[0]"),
        ("edgelstm_reciprocal_root.h", "- low * low", ""),
    ],
)
def test_a_fault_in_a_normalization_is_caught(file: str, old: str, new: str, tmp_path: Path) -> None:
    """It has no state; what it yields reaches the output behind a Dense and a softmax."""
    normalized = classifier(3, (5,), 3, 6, Contract.LITERT, "normalized")
    files = _skip_selftest(dict(emit(normalized, Options("ref", "balanced", "0" * 64)).files))
    expected = expectation(normalized, None, 4)
    (tmp_path / "sound").mkdir()
    assert _run(normalized, expected, files, tmp_path / "sound").mismatches == 0
    rung = _run(normalized, expected, _replace_once(files, file, old, new), tmp_path)
    with pytest.raises(MismatchError, match=r"first: output\[\d+\] at step \d+"):
        require_match((rung,))


def test_the_self_test_catches_a_planted_fault(model: Model, expected: Expectation, tmp_path: Path) -> None:
    sound = dict(emit(model, Options("ref", "balanced", "0" * 64)).files)
    with pytest.raises(
        MismatchError, match=r"self-test failed.*first difference in the replay: lstm0\.\w+\[\d+\] at step"
    ):
        _run(model, expected, _weight_bit(sound, f"random_{SEED}"), tmp_path)


@pytest.mark.parametrize("oracle", [LITERT, TFLM], ids=lambda oracle: oracle.contract.value)
def test_a_flipped_weight_bit_in_the_tflite_is_caught(oracle: Oracle, model: Model) -> None:
    model = replace(model, contract=oracle.contract)
    expected = expectation(model, None, 4)
    lstm = model.ops[0]
    assert isinstance(lstm, Lstm)
    kernel = lstm.gates[1].kernel.copy()
    kernel[0, 0] ^= 1
    gates = list(lstm.gates)
    gates[1] = replace(gates[1], kernel=kernel)
    changed = replace(model, ops=(replace(lstm, gates=tuple(gates)), *model.ops[1:]))
    comparison = compare(expected.trace, oracle.trace(changed, expected.inputs))
    assert comparison.mismatches > 0
    assert comparison.first is not None
    assert comparison.first.array.startswith("lstm0.")


def test_the_whole_window_of_another_file_is_caught(model: Model) -> None:
    other = random_model(SEED, Contract.LITERT)
    lstm = other.ops[0]
    assert isinstance(lstm, Lstm)
    other = replace(other, ops=(replace(lstm, cell_clip=0.01), *other.ops[1:]))
    rungs = oracle_rungs(expectation(model, None, 4), write_tflite(to_tflite_model(other)), lambda name: None)
    shipped = next(rung for rung in rungs if "as shipped" in rung.against)
    assert shipped.mismatches > 0


def test_contracts_differ_and_each_oracle_knows_its_own(model: Model) -> None:
    inputs = expectation(model, None, 4).inputs
    as_tflm = replace(model, contract=Contract.TFLM)
    assert compare(simulator_trace(as_tflm, inputs), TFLM.trace(as_tflm, inputs)).mismatches == 0
    assert compare(simulator_trace(model, inputs), TFLM.trace(as_tflm, inputs)).mismatches > 0


def test_the_first_difference_is_the_earliest_step(model: Model) -> None:
    trace = simulator_trace(model, expectation(model, None, 4).inputs)
    arrays = list(trace.arrays)
    values = arrays[0].values.copy()
    values[1, -1, 0] += 1
    values[0, 0, -1] ^= 1
    arrays[0] = replace(arrays[0], values=values)
    first = compare(trace, replace(trace, arrays=tuple(arrays))).first
    assert first is not None
    assert (first.sequence, first.step, first.element) == (0, 0, values.shape[2] - 1)
    assert np.count_nonzero(values != trace.arrays[0].values) == 2
