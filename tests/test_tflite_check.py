"""Faults of the graph and of the operators around the LSTM, planted: the check must name them all at once."""

from dataclasses import replace

import numpy as np
import pytest
import tflite_records as records
from tflite_faults import DENSE, LSTM, MODEL, SLICE, SOFTMAX, faults, kernel_with, option, tensor

from edgelstm.errors import ModelFormatError
from edgelstm.ir import TfliteModel
from edgelstm.tflite import check_tflite, write_tflite

RESHAPE = records.reshape()
RELU = records.elementwise("RELU", 0.07, -128)
LEAKY = records.with_operator(records.elementwise("LEAKY_RELU", 0.07, -128), 0, options={"alpha": 0.25})

OPERATOR_FAULTS = {
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
    "dense input type": (tensor("last/output", dtype="int16"), "output is int8, not int16"),
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
    "dense output type": (tensor("dense/output", dtype="int16"), "input is int8, not int16"),
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
    "leaky relu slope": (
        records.with_operator(LEAKY, 0, options={"alpha": -0.25}),
        "option alpha is -0.25, not a number from 0 to 1024",
    ),
    "leaky relu no slope": (records.with_operator(LEAKY, 0, options={"alpha": float("nan")}), "option alpha is nan"),
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

FAULTS = {**OPERATOR_FAULTS, **GRAPH_FAULTS}


@pytest.mark.parametrize("name", FAULTS)
def test_planted_fault_is_named(name: str) -> None:
    model, expected = FAULTS[name]
    assert any(expected in fault for fault in faults(model)), faults(model)


ELEMENTWISE = {
    "DEQUANTIZE": records.with_tensor(records.elementwise("DEQUANTIZE", 0.1, 0), "y", dtype="float32"),
    "LEAKY_RELU": LEAKY,
    "LOGISTIC": records.elementwise("LOGISTIC", 1 / 256, -128),
    "QUANTIZE": records.elementwise("QUANTIZE", 0.1, 0),
    "RELU": RELU,
    "RELU6": records.elementwise("RELU6", 0.07, -128),
    "SOFTMAX": records.with_operator(records.elementwise("SOFTMAX", 1 / 256, -128), 0, options={"beta": 1.0}),
    "TANH": records.elementwise("TANH", 1 / 128, 0),
}


HAVE_INT16 = ("LOGISTIC", "QUANTIZE", "SOFTMAX", "TANH")
"""With one side of 16 bits these are operators on int16, of which the rest is wrong."""


@pytest.mark.parametrize("builtin", ELEMENTWISE)
def test_elementwise_operators(builtin: str) -> None:
    model = ELEMENTWISE[builtin]
    check_tflite(write_tflite(model))
    constant = records.with_tensor(model, "x", data=np.zeros((1, 8), np.int8))
    planted = {
        "input has 0 scales": records.with_tensor(model, "x", scales=(), zero_points=()),
        "input is a constant": replace(constant, inputs=()),
        "output has the shape (8, 1), not (1, 8)": records.with_tensor(model, "y", shape=(8, 1)),
        "has 2 inputs and 1 outputs, not 1 and 1": records.with_operator(model, 0, inputs=model.inputs * 2),
        "has 1 inputs and 0 outputs, not 1 and 1": records.with_operator(model, 0, outputs=()),
    }
    wide_input, wide_output = (records.with_tensor(model, name, dtype="int16") for name in "xy")
    if builtin in HAVE_INT16:
        planted["input has a zero point other than 0"] = wide_input
    else:
        planted["input is int16, not int8"] = wide_input
    if builtin not in ("DEQUANTIZE", "QUANTIZE"):
        of_output = "input is int8, not int16" if builtin in HAVE_INT16 else "output is int16, not int8"
        planted[of_output] = wide_output
    for expected, faulty in planted.items():
        assert any(expected in fault for fault in faults(faulty)), expected


@pytest.mark.parametrize("scale", [0.0, -1.0, float("nan"), float("inf")])
def test_scale_must_be_positive_and_finite(scale: float) -> None:
    with pytest.raises(ModelFormatError, match="positive finite"):
        check_tflite(write_tflite(tensor("dense/output", scales=(scale,))))


def test_all_faults_are_reported_at_once() -> None:
    model = records.with_tensor(option(LSTM, cell_clip=-1.0), "lstm/cell", zero_points=(1,))
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
        records.with_tensor(records.elementwise("QUANTIZE", 0.1, 0), "x", dtype="float32", scales=(), zero_points=()),
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
    check_tflite(write_tflite(records.with_tensor(per_tensor, "dense/bias", scales=bias_scale, zero_points=(0,))))


def test_a_file_that_cannot_be_read_is_refused() -> None:
    with pytest.raises(ModelFormatError, match="not a TFLite model"):
        check_tflite(b"nothing")
