"""What cannot be compiled is named, all of it, and nothing that is merely a consequence."""

import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from keras_writer import (
    IMPLEMENTATIONS,
    dense_layer,
    input_layer,
    keras_members,
    lstm_layer,
    lstm_model,
    lstm_weights,
    sequential,
    time_distributed,
    weights_h5,
    write_keras,
    zipped,
)

from edgelstm.errors import UnsupportedModelError
from edgelstm.frontends.keras import load_keras
from edgelstm.frontends.keras_source import read_keras
from edgelstm.ops import registry
from edgelstm.ops.masking import MaskingLayer
from edgelstm.ops.time_distributed import PER_STEP

TRAINED = 'layer "drop" (Dropout): is called with training=True, which acts at inference too; call it without'

REFUSED: Mapping[str, tuple[str, ...]] = {
    "two_ends": (
        'the input "second" has any number of time steps, and "first" has 5; state it for both',
        'the input "long" has 40000 time steps, "first" 5, so that it is given whole, but its 80000 values are more '
        "than 65536",
        'the output "first" is an input of the model',
    ),
    "two_masks": (
        'layer "both" joins sequences of which "ones" and "zeros" leave out steps, each its own; use one mask',
    ),
    "mask_and_none": ('layer "both" joins what the mask of "mask" leaves out with steps that count',),
    "masked_from_states": (
        'layer "first" reads a sequence that "mask" masks, and starts from given states: Keras 3 drops the mask then, '
        "other versions do not; take away one of the two",
    ),
    "shared": ('layer "twice" (LSTM): is used 2 times; a layer must be used once',),
    "wrapped": (
        'layer "wrap" (LSTM): needs another axis than a model\'s time and features, because it is in a '
        f"TimeDistributed; take it out: in one, only {', '.join(sorted(PER_STEP))}, Dropout and noise layers "
        "are supported",
    ),
    "vector_input": ("the input has the shape (?, 3); expected (batch, time steps, features)",),
    "training": (TRAINED,),
    "scores": (
        'layer "look" (Attention): is called with return_attention_scores=True, which acts at inference too; call it '
        "without",
    ),
    "half_precision": (
        "layer \"half\" (LSTM): has the dtype policy 'mixed_float16'; give the float32 model, quantizing is done here",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_says_why(saved_models: Mapping[str, Path], implementation: str, suffix: str, name: str) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        load_keras(saved_models[implementation] / f"{name}{suffix}")
    assert caught.value.problems == REFUSED[name]
    assert caught.value.hint.startswith("a mask leaves" if "mask" in name else "change the model in Keras")


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_training_by_position_in_tf_keras(saved_models: Mapping[str, Path], suffix: str) -> None:
    assert problems_of(saved_models["tf_keras"] / f"training_by_position{suffix}") == (TRAINED,)


def called(path: Path, layer: str, change: Callable[[dict[str, Any]], None]) -> dict[str, bytes]:
    """The members of a `.keras` file in which a layer is called otherwise."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    model = json.loads(members["config.json"])
    (found,) = (one for one in model["config"]["layers"] if one["name"] == layer)
    (call,) = found["inbound_nodes"]
    change(call)
    return {**members, "config.json": json.dumps(model).encode()}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, (TRAINED.replace("training", "argument 2"),)),
        (1, (TRAINED.replace("training=True", "argument 2=1"),)),
        (0.5, (TRAINED.replace("training=True", "argument 2=0.5"),)),
        ([True], (TRAINED.replace("training=True", "argument 2=[True]"),)),
        ("yes", (TRAINED.replace("training=True", "argument 2='yes'"),)),
        (False, ()),
        (0, ()),
        (None, ()),
    ],
    ids=str,
)
def test_training_by_position_in_keras(
    saved_models: Mapping[str, Path], tmp_path: Path, value: Any, expected: tuple[str, ...]
) -> None:
    path = tmp_path / "m.keras"

    def by_position(call: dict[str, Any]) -> None:
        assert call["kwargs"].pop("training") is True
        call["args"].append(value)

    path.write_bytes(zipped(called(saved_models["keras"] / "training.keras", "drop", by_position)))
    assert read_keras(path).problems == expected

    def by_name(call: dict[str, Any]) -> None:
        call["kwargs"]["training"] = value

    path.write_bytes(zipped(called(saved_models["keras"] / "training.keras", "drop", by_name)))
    assert read_keras(path).problems == tuple(one.replace("argument 2", "training") for one in expected)


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_all_problems_at_once(saved_models: Mapping[str, Path], implementation: str, suffix: str) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        load_keras(saved_models[implementation] / f"many_problems{suffix}")
    text = "\n".join(caught.value.problems)
    for expected in (
        'layer "first" (LSTM): activation=',
        'layer "norm" (GroupNormalization): is not supported',
        'layer "both" (Bidirectional): forward layer: activation=',
        'layer "both" (Bidirectional): backward layer: activation=',
        "layer \"head\" (Dense): activation is the Python code 'MyPackage>custom_activation'",
        'layer "mine" (MyPackage>Custom): is a custom class',
        'layer "code" (Lambda): holds Python code, which is never run',
    ):
        assert expected in text
    assert "weight array" not in text
    supported = sorted({*registry.KERAS_LAYERS, *registry.VANISHING} - {"InputLayer"})
    assert caught.value.hint == (
        f"supported layers: {', '.join(supported)}, and TimeDistributed of those that see one step"
    )
    assert "return_sequences=False on the layer before it" in text


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_states_and_masks_are_read(saved_models: Mapping[str, Path], implementation: str) -> None:
    with_states = load_keras(saved_models[implementation] / "with_states.keras")
    assert [tensor.name for tensor in with_states.layers[-2].inputs] == ["a", "a/last_step", "a/cell/last_step"]
    masked = load_keras(saved_models[implementation] / "masked.keras")
    assert isinstance(masked.layers[0], MaskingLayer)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_channels_first_is_named_before_its_consequences(saved_models: Mapping[str, Path], implementation: str) -> None:
    with pytest.raises(UnsupportedModelError) as caught:
        load_keras(saved_models[implementation] / "channels_first.keras")
    assert caught.value.problems == (
        "layer \"first\" (Conv2D): data_format='channels_first' is not supported",
        "layer \"second\" (MaxPooling2D): data_format='channels_first' is not supported",
        'layer "unknown" (GroupNormalization): is not supported',
    )
    assert "channels_last" in caught.value.hint


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_subclassed_model(saved_models: Mapping[str, Path], implementation: str) -> None:
    with pytest.raises(UnsupportedModelError, match="only Sequential and Functional models can be read"):
        load_keras(saved_models[implementation] / "subclassed.keras")


def problems_of(path: Path) -> tuple[str, ...]:
    with pytest.raises(UnsupportedModelError) as caught:
        load_keras(path)
    return caught.value.problems


@pytest.mark.parametrize(
    ("model", "expected"),
    [
        (
            sequential(input_layer(ragged=True), lstm_layer()),
            'layer "samples" (InputLayer): ragged inputs are not supported',
        ),
        (
            sequential(input_layer(batch_shape=[None, 5, 3, 1]), lstm_layer()),
            'layer "lstm" (LSTM): reads an image; put a TimeDistributed(Flatten()) or a Reshape((-1, features)) '
            "in front",
        ),
        (
            sequential(input_layer(batch_shape=[None, 5, None, 1]), lstm_layer()),
            "the input is an image whose features and channels are not both stated",
        ),
        (
            sequential(input_layer(batch_shape=[None, 5, 3, 1, 1]), lstm_layer()),
            "the input has the shape (?, 5, 3, 1, 1); expected (batch, time steps, features)",
        ),
        (
            sequential(input_layer(batch_shape=[None, 0, 3]), lstm_layer()),
            "the input has 0 time steps; expected 1..1048576, or any number",
        ),
        (sequential(input_layer()), "the model has no layers"),
        (
            sequential(input_layer(), {**lstm_layer(), "registered_name": "Evil>LSTM"}),
            'layer "lstm" (Evil>LSTM): is a custom class; its code is not in the file and would not be run',
        ),
        (
            sequential(input_layer(), {**lstm_layer(), "module": "os"}),
            'layer "lstm" (os>LSTM): is a custom class; its code is not in the file and would not be run',
        ),
        (
            sequential(
                input_layer(),
                lstm_layer(activation={"module": "builtins", "class_name": "function", "config": "tanh"}),
            ),
            "layer \"lstm\" (LSTM): activation is the Python code 'tanh', which is not in the file and never run",
        ),
        (
            sequential(input_layer(), lstm_layer(dtype={"class_name": "X", "config": {"mode": "int8"}})),
            "layer \"lstm\" (LSTM): has the dtype policy 'int8'; give the float32 model, quantizing is done here",
        ),
        (
            sequential(
                input_layer(), time_distributed(sequential(time_distributed(dense_layer(), "in"))), lstm_layer()
            ),
            'layer "wrap/in" (Dense): is in a TimeDistributed in a TimeDistributed: an axis more than a model\'s time '
            "and features",
        ),
        (
            sequential(input_layer(), lstm_layer(), time_distributed(dense_layer())),
            'layer "wrap" (Dense): is in a TimeDistributed, which needs a sequence; set return_sequences=True on the '
            "layer before it",
        ),
        (
            sequential(
                input_layer(), time_distributed({**dense_layer(), "registered_name": "Evil>Dense"}), lstm_layer()
            ),
            'layer "wrap" (Evil>Dense): is a custom class; its code is not in the file and would not be run',
        ),
        (
            sequential(input_layer(), time_distributed(sequential(dense_layer(dtype="mixed_float16"))), lstm_layer()),
            "layer \"wrap/dense\" (Dense): has the dtype policy 'mixed_float16'; give the float32 model, quantizing is "
            "done here",
        ),
    ],
)
def test_odd_models(tmp_path: Path, model: dict[str, Any], expected: str) -> None:
    assert expected in problems_of(write_keras(tmp_path / "m.keras", model=model))


def test_code_that_only_training_uses_is_no_problem(tmp_path: Path) -> None:
    regularizer = {"module": "mine", "class_name": "Mine", "config": {}, "registered_name": "mine>Mine"}
    model = sequential(input_layer(), lstm_layer(kernel_regularizer=regularizer))
    assert read_keras(write_keras(tmp_path / "m.keras", model=model)).problems == ()


def test_pickles_in_the_archive_are_named(tmp_path: Path) -> None:
    path = tmp_path / "m.keras"
    path.write_bytes(zipped({**keras_members(), "assets/tokens.PKL": b"cos\nsystem\n(S'false'\ntR."}))
    assert problems_of(path) == ("the archive holds 'assets/tokens.PKL', which could run code; it is never loaded",)


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        (np.full((3, 8), np.nan, np.float32), "holds NaN or infinity; the training diverged"),
        (np.full((3, 8), 1e300), "holds NaN or infinity; the training diverged"),
        (np.ones((3, 8), np.int8), "is stored as int8, not as float"),
        (np.ones((3, 8), "V2"), "is stored as |V2, not as float"),
    ],
)
def test_weights_that_are_no_finite_floats(tmp_path: Path, kernel: Any, expected: str) -> None:
    arrays = {f"layers/lstm/cell/vars/{n}": array for n, array in enumerate(lstm_weights())}
    arrays["layers/lstm/cell/vars/0"] = kernel
    path = write_keras(tmp_path / "m.keras", model=lstm_model(), weights=weights_h5(arrays))
    assert f'layer "lstm" (LSTM): weight array 0 {expected}' in problems_of(path)
