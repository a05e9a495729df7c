"""Windows over time in a .tflite: ours come back as they were, converters' spellings mean the same, no others pass."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from random_models import random_inputs
from random_windows import random_convolution, random_windows

from edgelstm.errors import ModelError
from edgelstm.frontends.tflite import model_from_tflite
from edgelstm.ir import Model, Op, Quantization, QuantizedTensor, TfliteModel, TfliteOperator, TfliteTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.conv1d import Conv1D
from edgelstm.ops.flatten import Flatten
from edgelstm.ops.global_pooling import GlobalMax
from edgelstm.ops.pooling import MaxPool
from edgelstm.ops.window import Window, same_window
from edgelstm.simulate import simulate
from edgelstm.tflite import write_tflite
from edgelstm.tflite.export import to_tflite_model

TIMESTEPS = 9
SOURCE = QuantizedTensor("input", 3, True, Quantization(2.0**-4, 4))


def read(records: TfliteModel) -> Model:
    return model_from_tflite(write_tflite(records), "it", Contract.LITERT)


def model(*ops: Op) -> Model:
    return Model("it", SOURCE, ops, TIMESTEPS, Contract.LITERT)


def convolution(window: Window, name: str = "conv") -> Conv1D:
    return random_convolution(np.random.default_rng(1), name, SOURCE, 4, window)


def changed(records: TfliteModel, builtin: str, change: Callable[[TfliteOperator], TfliteOperator]) -> TfliteModel:
    operators = tuple(change(one) if one.builtin == builtin else one for one in records.operators)
    return replace(records, operators=operators)


def with_options(**options: Any) -> Callable[[TfliteOperator], TfliteOperator]:
    return lambda operator: replace(operator, options={**operator.options, **options})


@pytest.mark.parametrize("seed", range(30))
def test_what_we_write_comes_back(seed: int) -> None:
    first = random_windows(seed, Contract.LITERT)
    data = write_tflite(to_tflite_model(first))
    again = model_from_tflite(data, "it", Contract.LITERT)
    assert write_tflite(to_tflite_model(again)) == data
    inputs = random_inputs(first, seed, 2)
    assert np.array_equal(simulate(first, inputs), simulate(again, inputs))


def as_column(operator: TfliteOperator) -> TfliteOperator:
    """Images of one column, as the converter writes pools."""

    def turned(tensor: TfliteTensor) -> TfliteTensor:
        batch, height, width, size = tensor.shape
        return replace(tensor, shape=(batch, width, height, size))

    source, output = operator.inputs[0], operator.outputs[0]
    assert source is not None
    swapped = {"stride_h": "stride_w", "filter_height": "filter_width"}
    swapped |= {value: key for key, value in swapped.items()}
    options = {swapped.get(name, name): value for name, value in operator.options.items()}
    return replace(operator, inputs=(turned(source),), outputs=(turned(output),), options=options)


def test_columns_are_read_as_rows() -> None:
    pool = MaxPool("pool", SOURCE, replace(SOURCE, name="pool"), Window(3, 2))
    plain = to_tflite_model(model(pool))
    wide, image, back = plain.operators
    column = as_column(image)
    (seen,) = column.inputs
    assert seen is not None
    shaped = replace(wide, inputs=wide.inputs[:1], outputs=(seen,), options={"new_shape": [1, TIMESTEPS, 1, 3]})
    returned = replace(back, inputs=(column.outputs[0], *back.inputs[1:]))
    (found,) = read(replace(plain, operators=(shaped, column, returned))).ops
    assert isinstance(found, MaxPool)
    assert found.window == pool.window


def test_padding_of_the_sequence_itself_is_read() -> None:
    """A causal Conv1D as the converter writes it: PAD, RESHAPE, CONV_2D."""
    conv = convolution(Window(3, 1, 2, before=4))
    plain = to_tflite_model(model(conv))
    wide, pad, image, back = plain.operators
    seen = image.inputs[0]
    assert pad.builtin == "PAD" and seen is not None
    source, padded = plain.inputs[0], replace(plain.inputs[0], name="more", shape=(1, TIMESTEPS + 4, 3))
    widths = np.array([(0, 0), (4, 0), (0, 0)], np.int32)
    front = replace(pad, inputs=(source, TfliteTensor("widths", (3, 2), "int32", data=widths)), outputs=(padded,))
    shaped = replace(wide, inputs=(padded,), outputs=(seen,), options={"new_shape": [1, 1, TIMESTEPS + 4, 3]})
    found = read(replace(plain, operators=(front, shaped, image, back)))
    inputs = random_inputs(found, 3, 2)
    assert np.array_equal(simulate(found, inputs), simulate(model(conv), inputs))


def test_a_relu6_whose_scale_ends_there_is_a_relu() -> None:
    conv = convolution(Window(2))
    ends = replace(conv, output=replace(conv.output, quantization=Quantization(float(np.float32(6 / 255)), -128)))
    records = changed(to_tflite_model(model(ends)), "CONV_2D", with_options(fused_activation_function="RELU6"))
    (found,) = read(records).ops
    assert isinstance(found, Conv1D)
    assert found.relu
    wide = replace(ends, output=replace(ends.output, quantization=Quantization(0.5, -128)))
    records = changed(to_tflite_model(model(wide)), "CONV_2D", with_options(fused_activation_function="RELU6"))
    with pytest.raises(ModelError, match="only constant weights with no activation or RELU"):
        read(records)


HOSTILE: list[tuple[str, dict[str, Any]]] = [
    *(
        ("CONV_2D", {name: value})
        for name in ("stride_w", "stride_h", "dilation_w_factor")
        for value in (0, -1, 2**31 - 1)
    ),
    *(("CONV_2D", {"padding": value}) for value in (-1, 1, 2)),
    ("CONV_2D", {"fused_activation_function": "TANH"}),
    *(
        ("MAX_POOL_2D", {name: value})
        for name in ("stride_w", "filter_width", "filter_height")
        for value in (0, -5, 2**31 - 1)
    ),
    ("MAX_POOL_2D", {"fused_activation_function": "RELU"}),
    ("REDUCE_MAX", {"keep_dims": True}),
]


@pytest.mark.parametrize(("builtin", "options"), HOSTILE)
def test_options_that_contradict_the_shapes_are_refused(builtin: str, options: dict[str, Any]) -> None:
    conv = convolution(same_window(3, 1, 1, TIMESTEPS))
    pool = MaxPool("pool", conv.output, replace(conv.output, name="pool"), Window(2, 2))
    largest = GlobalMax("largest", pool.output, replace(pool.output, name="largest", is_sequence=False))
    records = to_tflite_model(model(conv, pool, largest))
    is_free = builtin != "REDUCE_MAX" and options in ({"stride_h": 2**31 - 1},)
    if is_free:  # strides of the other side mean nothing in an image of one row
        read(changed(records, builtin, with_options(**options)))
        return
    with pytest.raises(ModelError):
        read(changed(records, builtin, with_options(**options)))


@pytest.mark.parametrize(
    "widths",
    [[(0, 0), (0, 0), (-1, 5), (0, 0)], [(0, 0), (0, 0), (4, 0), (1, 0)], [(0, 0), (1, 0), (4, 0), (0, 0)], [(4, 0)],
     [(0, 0), (0, 0), (2**31 - 1, 2**31 - 1), (0, 0)], [(0, 0), (0, 0), (0, 4), (0, 0)]],
)  # fmt: skip
def test_padding_that_no_window_has_is_refused(widths: list[tuple[int, int]]) -> None:
    records = to_tflite_model(model(convolution(Window(3, 1, 2, before=4))))
    array = np.array(widths, np.int32)

    def change(operator: TfliteOperator) -> TfliteOperator:
        tensor = TfliteTensor("widths", array.shape, "int32", data=array)
        return replace(operator, inputs=(operator.inputs[0], tensor))

    if widths[-2:] == [(0, 4), (0, 0)]:  # behind instead of in front: another window of the same shape
        (found,) = read(changed(records, "PAD", change)).ops
        assert isinstance(found, Conv1D)
        assert (found.window.before, found.window.behind) == (0, 4)
        return
    with pytest.raises(ModelError):
        read(changed(records, "PAD", change))


def test_more_padding_than_a_window_is_long_is_refused() -> None:
    conv = convolution(Window(3, before=3))
    with pytest.raises(ModelError, match="3 steps of padding come before a window of 3"):
        read(to_tflite_model(model(conv)))


def test_only_a_window_may_read_what_was_padded() -> None:
    plain = to_tflite_model(model(convolution(Window(3, 1, 1, before=2))))
    wide, pad, image, _ = plain.operators
    moved = replace(pad.outputs[0], name="moved")
    relu = TfliteOperator("RELU", (pad.outputs[0],), (moved,), {}, version=2)
    shown = replace(plain, operators=(wide, pad, relu), outputs=(moved,))
    with pytest.raises(ModelError, match="reads what was padded with stored 4"):
        read(shown)
    value = TfliteTensor(
        "value", (1,), "int8", pad.outputs[0].scales, pad.outputs[0].zero_points, data=np.array([9], np.int8)
    )
    other = replace(pad, builtin="PADV2", inputs=(*pad.inputs, value))
    with pytest.raises(ModelError, match="reads what was padded with stored 9"):
        read(replace(plain, operators=(wide, other, image, plain.operators[3])))


def test_weights_must_fit_the_image() -> None:
    records = to_tflite_model(model(convolution(Window(2))))
    for shape in ((4, 2, 1, 3), (4, 1, 3, 2), (3, 1, 2, 4), (4, 6, 1, 1)):

        def change(operator: TfliteOperator, shape: tuple[int, ...] = shape) -> TfliteOperator:
            source, kernel, bias = operator.inputs
            assert kernel is not None and kernel.data is not None
            return replace(
                operator, inputs=(source, replace(kernel, shape=shape, data=kernel.data.reshape(shape)), bias)
            )

        with pytest.raises(ModelError):
            read(changed(records, "CONV_2D", change))


def test_a_flattened_sequence_may_leave_its_size_to_the_runtime() -> None:
    flat = Flatten.of("flat", SOURCE, TIMESTEPS)
    records = to_tflite_model(model(flat))

    def change(operator: TfliteOperator) -> TfliteOperator:
        shape = TfliteTensor("shape", (2,), "int32", data=np.array([-1, 3 * TIMESTEPS], np.int32))
        return replace(operator, inputs=(operator.inputs[0], shape), options={"new_shape": [1, -1]})

    (found,) = read(changed(records, "RESHAPE", change)).ops
    assert isinstance(found, Flatten)
    assert found.timesteps == TIMESTEPS
    for wrong in ([-1, -1], [-1, 3], [-1], [-2, 3 * TIMESTEPS]):
        with pytest.raises(ModelError):
            read(changed(records, "RESHAPE", with_options(new_shape=wrong)))
