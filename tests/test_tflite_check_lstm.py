"""Every fault of an LSTM operator that a runtime may accept silently, planted: the check must name it."""

from dataclasses import replace

import numpy as np
import pytest
import tflite_records as records
from tflite_faults import LSTM, MODEL, faults, kernel_with, option, tensor

from edgelstm.ir import TfliteModel, TfliteTensor


def intermediates(*replacements: TfliteTensor) -> TfliteModel:
    kept = MODEL.operators[LSTM].intermediates[: 5 - len(replacements)]
    return records.with_operator(MODEL, LSTM, intermediates=(*kept, *replacements))


EFFECTIVE = MODEL.operators[LSTM].intermediates[4]
PEEPHOLE = TfliteTensor("peephole", (5,), "int16", (2.0**-15,), (0,), data=np.zeros(5, np.int16))

FAULTS = {
    "no intermediates": (
        records.with_operator(MODEL, LSTM, intermediates=()),
        "24 inputs, 1 outputs and 0 intermediates",
    ),
    "four intermediates": (
        records.with_operator(MODEL, LSTM, intermediates=MODEL.operators[LSTM].intermediates[:4]),
        "4 intermediates",
    ),
    "intermediate 4 unquantized": (
        intermediates(replace(EFFECTIVE, scales=(), zero_points=())),
        "intermediate 4 (effective hidden state) differs from output",
    ),
    "intermediate 4 scale": (
        intermediates(replace(EFFECTIVE, scales=(1 / 64,))),
        "intermediate 4 (effective hidden state) differs from output",
    ),
    "intermediate 4 zero point": (
        intermediates(replace(EFFECTIVE, zero_points=(0,))),
        "intermediate 4 (effective hidden state) differs from output",
    ),
    "fused activation NONE": (
        option(LSTM, fused_activation_function="NONE"),
        "option fused_activation_function is NONE, not TANH",
    ),
    "cell scale": (tensor("lstm/cell", scales=(records.float32(0.0003),)), "cell state scale is not a power"),
    "cell scale too small": (tensor("lstm/cell", scales=(2.0**-16,)), "cell state scale is not a power"),
    "cell scale too large": (tensor("lstm/cell", scales=(2.0**-8,)), "cell state scale is not a power"),
    "cell zero point": (tensor("lstm/cell", zero_points=(1,)), "cell state has a zero point"),
    "bias scale": (
        tensor("lstm/bias_f", scales=(records.float32(0.02 * 0.008),)),
        "forget gate bias has a scale other than",
    ),
    "bias without scale": (tensor("lstm/bias_f", scales=(), zero_points=()), "forget gate bias has a scale"),
    "bias zero point": (tensor("lstm/bias_f", zero_points=(1,)), "forget gate bias has a zero point"),
    "bias absent": (records.without_input(MODEL, LSTM, 12), "input gate bias is absent"),
    "kernel absent": (records.without_input(MODEL, LSTM, 4), "output gate kernel is absent"),
    "recurrent kernel absent": (
        records.without_input(MODEL, LSTM, 7),
        "cell gate recurrent kernel is absent",
    ),
    "hidden state not variable": (tensor("lstm/hidden", is_variable=False), "hidden state is not a variable"),
    "cell state not variable": (tensor("lstm/cell", is_variable=False), "cell state is not a variable"),
    "hidden state absent": (records.without_input(MODEL, LSTM, 18), "hidden state is absent"),
    "cell state absent": (records.without_input(MODEL, LSTM, 19), "cell state is absent"),
    "hidden state 1-D": (tensor("lstm/hidden", shape=(5,)), "hidden state has the shape (5,), not (1, 5)"),
    "cell state 1-D": (tensor("lstm/cell", shape=(5,)), "cell state has the shape (5,), not (1, 5)"),
    "cell state int8": (tensor("lstm/cell", dtype="int8"), "cell state is int8, not int16"),
    "twenty inputs": (
        records.with_operator(MODEL, LSTM, inputs=MODEL.operators[LSTM].inputs[:20]),
        "has 20 inputs",
    ),
    "CIFG": (records.without_input(MODEL, LSTM, 1, 5, 12), "input gate kernel is absent"),
    "output scale": (tensor("lstm/output", scales=(1 / 64,)), "hidden state differs from output"),
    "hidden scale": (tensor("lstm/hidden", scales=(1 / 64,)), "hidden state differs from output"),
    "kernel zero point": (tensor("lstm/kernel_i", zero_points=(1,)), "input gate kernel has a zero point"),
    "recurrent kernel zero point": (
        tensor("lstm/recurrent_o", zero_points=(-1,)),
        "output gate recurrent kernel has a zero point",
    ),
    "per-channel kernel": (
        tensor("lstm/kernel_c", scales=(0.5,) * 5, zero_points=(0,) * 5),
        "cell gate kernel has 5 scales",
    ),
    "projection clip": (option(LSTM, proj_clip=1.0), "option proj_clip is 1.0"),
    "time major": (option(LSTM, time_major=True), "option time_major is True"),
    "hybrid inputs": (option(LSTM, asymmetric_quantize_inputs=True), "option asymmetric_quantize_inputs"),
    "diagonal": (option(LSTM, diagonal_recurrent_tensors=True), "option diagonal_recurrent_tensors"),
    "cell clip negative": (option(LSTM, cell_clip=-1.0), "option cell_clip is -1.0"),
    "cell clip NaN": (option(LSTM, cell_clip=float("nan")), "option cell_clip is nan"),
    "kernel -128": (kernel_with("lstm/kernel_i", -128), "input gate kernel holds -128"),
    "recurrent kernel -128": (kernel_with("lstm/recurrent_f", -128), "recurrent kernel holds -128"),
    "kernel not constant": (tensor("lstm/kernel_i", data=None), "input gate kernel is not a constant"),
    "kernel shape": (
        tensor("lstm/kernel_i", shape=(5, 2), data=np.zeros((5, 2), np.int8)),
        "input gate kernel has the shape (5, 2), not (5, 3)",
    ),
    "kernel int16": (
        tensor("lstm/kernel_i", dtype="int16", data=np.zeros((5, 3), np.int16)),
        "input gate kernel is int16, not int8",
    ),
    "recurrent kernel shape": (
        tensor("lstm/recurrent_i", shape=(5, 4), data=np.zeros((5, 4), np.int8)),
        "input gate recurrent kernel has the shape (5, 4), not (5, 5)",
    ),
    "bias int64": (
        tensor("lstm/bias_c", dtype="int64", data=np.zeros(5, np.int64)),
        "cell gate bias is int64, not int32",
    ),
    "bias shape": (
        tensor("lstm/bias_c", shape=(4,), data=np.zeros(4, np.int32)),
        "cell gate bias has the shape (4,), not (5,)",
    ),
    "bias not constant": (tensor("lstm/bias_c", data=None), "cell gate bias is not a constant"),
    "peephole": (
        records.with_operator(
            MODEL,
            LSTM,
            inputs=(*MODEL.operators[LSTM].inputs[:9], PEEPHOLE, *MODEL.operators[LSTM].inputs[10:]),
        ),
        "input 9 (peephole",
    ),
    "output unquantized": (tensor("lstm/output", scales=(), zero_points=()), "output has 0 scales, not one"),
    "input int16": (tensor("input", dtype="int16"), "input gate bias is int32, not int64"),
    "input unquantized": (tensor("input", scales=(), zero_points=()), "input has 0 scales"),
    "input 2-D": (tensor("input", shape=(4, 3)), "not [batch, time, size]"),
    "time differs": (tensor("lstm/output", shape=(1, 3, 5)), "not [batch, time, size]"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_planted_fault_is_named(name: str) -> None:
    model, expected = FAULTS[name]
    assert any(expected in fault for fault in faults(model)), faults(model)
