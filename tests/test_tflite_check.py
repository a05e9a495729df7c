"""Every fault that a runtime accepts silently, planted in the records: the check must name it."""

from dataclasses import replace

import numpy as np
import pytest
import tflite_records as records

from edgelstm.errors import ModelFormatError
from edgelstm.ir import TfliteModel, TfliteTensor
from edgelstm.tflite import check_tflite, write_tflite

MODEL = records.lstm_model()
LSTM, SLICE, DENSE, SOFTMAX = range(4)
RESHAPE = records.reshape()
RELU = records.elementwise("RELU", 0.07, -128)


def faults(model: TfliteModel) -> list[str]:
    with pytest.raises(ModelFormatError) as raised:
        check_tflite(write_tflite(model))
    first, *listed = raised.value.message.splitlines()
    assert first == f"the .tflite file breaks {len(listed)} rules:"
    assert raised.value.hint
    return listed


def tensor(name: str, **fields: object) -> TfliteModel:
    return records.with_tensor(MODEL, name, **fields)


def option(index: int, **options: object) -> TfliteModel:
    return records.with_operator(MODEL, index, options=options)


def intermediates(*replacements: TfliteTensor) -> TfliteModel:
    kept = MODEL.operators[LSTM].intermediates[: 5 - len(replacements)]
    return records.with_operator(MODEL, LSTM, intermediates=(*kept, *replacements))


def kernel_with(name: str, value: int) -> TfliteModel:
    data = np.array(records.tensor_named(MODEL, name).data)
    data.flat[0] = value
    return tensor(name, data=data)


EFFECTIVE = MODEL.operators[LSTM].intermediates[4]
HIDDEN, CELL = MODEL.operators[LSTM].inputs[18:20]
SEQUENCE = MODEL.operators[LSTM].outputs[0]
PEEPHOLE = TfliteTensor("peephole", (5,), "int16", (2.0**-15,), (0,), data=np.zeros(5, np.int16))

LSTM_FAULTS = {
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
    "input int16": (tensor("input", dtype="int16"), "input is int16, not int8"),
    "input unquantized": (tensor("input", scales=(), zero_points=()), "input has 0 scales"),
    "input 2-D": (tensor("input", shape=(4, 3)), "not [batch, time, size]"),
    "time differs": (tensor("lstm/output", shape=(1, 3, 5)), "not [batch, time, size]"),
}

OTHER_FAULTS = {
    "dense activation": (
        option(DENSE, fused_activation_function="TANH"),
        "fused_activation_function is TANH",
    ),
    "dense weights format": (option(DENSE, weights_format=1), "option weights_format is 1"),
    "dense inputs": (
        records.with_operator(MODEL, DENSE, inputs=MODEL.operators[DENSE].inputs[:1]),
        "has 1 inputs and 1 outputs",
    ),
    "dense weights absent": (records.without_input(MODEL, DENSE, 1), "weights are missing"),
    "dense weights 3-D": (
        tensor("dense/kernel", shape=(2, 5, 1), data=np.zeros((2, 5, 1), np.int8)),
        "not a matrix",
    ),
    "dense input type": (tensor("last/output", dtype="int16"), "input is int16, not int8"),
    "dense axis": (
        tensor("dense/kernel", axis=1, scales=(0.5,) * 5, zero_points=(0,) * 5),
        "weights has 5 scales along axis 1",
    ),
    "dense weights zero point": (tensor("dense/kernel", zero_points=(0, 1)), "weights has a zero point"),
    "dense weights -128": (kernel_with("dense/kernel", -128), "weights holds -128"),
    "dense weights shape": (
        tensor("dense/kernel", shape=(2, 4), data=np.zeros((2, 4), np.int8)),
        "weights has the shape (2, 4), not (2, 5)",
    ),
    "dense bias scale": (tensor("dense/bias", scales=(0.5, 0.5)), "bias has a scale other than"),
    "dense bias shape": (
        tensor("dense/bias", shape=(1,), data=np.zeros(1, np.int32), scales=(1.0,), zero_points=(0,)),
        "bias has the shape (1,), not (2,)",
    ),
    "dense output type": (tensor("dense/output", dtype="int16"), "output is int16, not int8"),
    "dense output shape": (tensor("dense/output", shape=(2, 2)), "output has the shape (2, 2), not (1, 2)"),
    "softmax scale": (tensor("softmax/output", scales=(1 / 128,)), "must have the scale 0.00390625"),
    "softmax zero point": (tensor("softmax/output", zero_points=(0,)), "and the zero point -128"),
    "softmax beta": (option(SOFTMAX, beta=0.0), "option beta is 0.0"),
    "softmax shape": (tensor("softmax/output", shape=(1, 3)), "output has the shape (1, 3), not (1, 2)"),
    "slice quantization": (tensor("last/output", scales=(1 / 64,)), "output differs from input"),
    "slice shape": (tensor("last/output", shape=(1, 1, 5)), "output has the shape (1, 1, 5), not (1, 5)"),
    "slice mask": (option(SLICE, ellipsis_mask=1), "option ellipsis_mask is 1"),
    "slice begin": (tensor("last/begin", data=None), "begin, end and strides are not constant"),
    "slice stride": (tensor("last/strides", data=np.array([1, 0, 1], np.int32)), "begin, end and strides"),
    "slice inputs": (
        records.with_operator(MODEL, SLICE, inputs=MODEL.operators[SLICE].inputs[:3]),
        "has 3 inputs and 1 outputs, not 4 and 1",
    ),
    "reshape elements": (records.with_tensor(RESHAPE, "y", shape=(5, 3)), "does not hold the elements"),
    "reshape quantization": (
        records.with_tensor(RESHAPE, "y", zero_points=(4,)),
        "output differs from input",
    ),
    "reshape input": (
        records.with_tensor(RESHAPE, "shape", data=np.array([3, 4], np.int32)),
        "the shape given is not the output's shape (4, 3)",
    ),
    "reshape inputs": (
        records.with_operator(RESHAPE, 0, inputs=RESHAPE.operators[0].inputs * 2),
        "has 4 inputs, not 1 or 2",
    ),
    "reshape option": (
        records.with_operator(RESHAPE, 0, options={"new_shape": (2, 6)}),
        "the shape given is not the output's shape (4, 3)",
    ),
    "reshape without shape": (
        records.with_operator(RESHAPE, 0, inputs=RESHAPE.inputs, options={"new_shape": ()}),
        "the shape given is not",
    ),
    "logistic scale": (records.elementwise("LOGISTIC", 1 / 255, -128), "must have the scale 0.00390625"),
    "tanh zero point": (records.elementwise("TANH", 1 / 128, 1), "scale 0.0078125 and the zero point 0"),
    "relu type": (records.with_tensor(RELU, "y", dtype="float32"), "output is float32, not int8"),
    "relu shape": (records.with_tensor(RELU, "y", shape=(2, 4)), "output has the shape (2, 4), not (1, 8)"),
    "quantize output": (
        records.with_tensor(records.elementwise("QUANTIZE", 0.1, 0), "y", dtype="float32"),
        "output is float32, not int8",
    ),
    "dequantize output": (records.elementwise("DEQUANTIZE", 0.1, 0), "output is int8, not float32"),
    "unknown operator": (records.elementwise("GELU", 0.1, 0), "no rules for the operator"),
}

GRAPH_FAULTS = {
    "order": (
        replace(MODEL, operators=MODEL.operators[::-1]),
        "operator 0 reads 'dense/output' before anything has written it",
    ),
    "graph input missing": (replace(MODEL, inputs=()), "operator 0 reads 'input' before"),
    "graph input constant": (
        tensor("input", data=np.zeros((1, 4, 3), np.int8)),
        "graph input 'input' is a constant",
    ),
    "graph output missing": (
        replace(MODEL, operators=MODEL.operators[:3]),
        "nothing writes the graph output 'softmax/output'",
    ),
    "written twice": (
        replace(RELU, operators=RELU.operators * 2),
        "operator 1 writes 'y', which already has a value",
    ),
    "variable with data": (
        tensor("lstm/hidden", data=np.zeros((1, 5), np.int8)),
        "variable 'lstm/hidden' has constant data",
    ),
}

FAULTS = {**LSTM_FAULTS, **OTHER_FAULTS, **GRAPH_FAULTS}


@pytest.mark.parametrize("name", FAULTS)
def test_planted_fault_is_named(name: str) -> None:
    model, expected = FAULTS[name]
    assert any(expected in fault for fault in faults(model)), faults(model)


ELEMENTWISE = {
    "DEQUANTIZE": records.with_tensor(records.elementwise("DEQUANTIZE", 0.1, 0), "y", dtype="float32"),
    "LOGISTIC": records.elementwise("LOGISTIC", 1 / 256, -128),
    "QUANTIZE": records.elementwise("QUANTIZE", 0.1, 0),
    "RELU": RELU,
    "SOFTMAX": records.with_operator(records.elementwise("SOFTMAX", 1 / 256, -128), 0, options={"beta": 1.0}),
    "TANH": records.elementwise("TANH", 1 / 128, 0),
}


@pytest.mark.parametrize("builtin", ELEMENTWISE)
def test_elementwise_operators(builtin: str) -> None:
    model = ELEMENTWISE[builtin]
    check_tflite(write_tflite(model))
    constant = records.with_tensor(model, "x", data=np.zeros((1, 8), np.int8))
    planted = {
        "input is int16, not int8": records.with_tensor(model, "x", dtype="int16"),
        "input has 0 scales": records.with_tensor(model, "x", scales=(), zero_points=()),
        "input is a constant": replace(constant, inputs=()),
        "output has the shape (8, 1), not (1, 8)": records.with_tensor(model, "y", shape=(8, 1)),
        "has 2 inputs and 1 outputs, not 1 and 1": records.with_operator(model, 0, inputs=model.inputs * 2),
        "has 1 inputs and 0 outputs, not 1 and 1": records.with_operator(model, 0, outputs=()),
    }
    if builtin != "DEQUANTIZE":
        planted["output is int16, not int8"] = records.with_tensor(model, "y", dtype="int16")
    for expected, faulty in planted.items():
        assert any(expected in fault for fault in faults(faulty)), expected


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_scale_must_be_positive_and_finite(scale: float) -> None:
    with pytest.raises(ModelFormatError, match="positive finite"):
        check_tflite(write_tflite(tensor("dense/output", scales=(scale,))))


def test_all_faults_are_reported_at_once() -> None:
    model = records.with_tensor(option(LSTM, time_major=True), "lstm/cell", zero_points=(1,))
    listed = faults(records.with_tensor(model, "softmax/output", zero_points=(0,)))
    assert len(listed) == 3
    assert [line.split("(")[0].strip(" -") for line in listed] == ["operator 0"] * 2 + ["operator 3"]


def test_a_long_list_is_cut() -> None:
    operators = tuple(
        replace(RELU.operators[0], builtin="GELU", outputs=(replace(RELU.outputs[0], name=f"y{index}"),))
        for index in range(80)
    )
    with pytest.raises(ModelFormatError) as raised:
        check_tflite(write_tflite(replace(RELU, operators=operators, outputs=())))
    assert raised.value.message.endswith("... and 30 more")


@pytest.mark.parametrize(
    "model",
    [
        *(records.with_tensor(MODEL, "lstm/cell", scales=(2.0**exponent,)) for exponent in (-15, -9)),
        records.without_input(MODEL, DENSE, 2),
        records.with_operator(MODEL, DENSE, inputs=MODEL.operators[DENSE].inputs[:2]),
        records.with_operator(MODEL, DENSE, options={"fused_activation_function": "RELU"}),
        records.with_operator(RESHAPE, 0, inputs=RESHAPE.inputs),
        records.with_operator(RESHAPE, 0, options={"new_shape": ()}),
        records.elementwise("QUANTIZE", 0.1, 0),
        records.with_tensor(records.elementwise("DEQUANTIZE", 0.1, 0), "y", dtype="float32"),
        records.with_tensor(
            records.elementwise("QUANTIZE", 0.1, 0), "x", dtype="float32", scales=(), zero_points=()
        ),
    ],
)
def test_allowed_variants_pass(model: TfliteModel) -> None:
    check_tflite(write_tflite(model))


def test_sequence_dense_with_kept_dimensions() -> None:
    rng = np.random.default_rng(1)
    source = records.activation("x", (1, 4, 5), 0.1, 0)
    dense = records.dense(source, 2, rng)
    model = TfliteModel((dense,), (source,), dense.outputs)
    kept = records.with_operator(model, 0, options={"keep_num_dims": True})
    assert any("not (4, 2)" in fault for fault in faults(model))
    assert any("overreads" in fault for fault in faults(kept))
    weights = dense.inputs[1]
    assert weights is not None
    one_scale = replace(weights, scales=weights.scales[:1], zero_points=(0,))
    bias_scale = records.bias("b", rng, source.scales[0], one_scale).scales
    per_tensor = records.with_tensor(kept, "dense/kernel", scales=one_scale.scales, zero_points=(0,))
    check_tflite(
        write_tflite(records.with_tensor(per_tensor, "dense/bias", scales=bias_scale, zero_points=(0,)))
    )


def test_a_file_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ModelFormatError, match="not a TFLite model"):
        check_tflite(b"nothing")
