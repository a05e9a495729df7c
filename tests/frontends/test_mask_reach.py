"""Behind a mask a model computes what Keras computes, or is refused by the mask's name."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from keras_writer import IMPLEMENTATIONS

from edgelstm.device.process import run
from edgelstm.errors import UnsupportedModelError
from edgelstm.frontends.keras import load_keras

SAVE_MASKED = Path(__file__).with_name("save_masked.py")

EQUAL = frozenset(
    {
        *(
            "nothing",
            "dense",
            "classes",
            "batch_normalization",
            "layer_normalization",
            "activations",
            "linear",
            "noise",
        ),
        *("dense_by_step", "recurrent", "both_ways", "backwards", "backwards_state", "mean"),
        *("repeat", "nested", "layer_add", "layer_multiply", "layer_concatenate", "normalized_padding"),
    }
)
"""What both write, and compiles."""

EQUAL_IN_KERAS_3 = frozenset(
    {"normalization", "rescaling", "flatten_by_step", "normalization_by_step", "plus_of_vectors", "in_a_model_by_step"}
)

NOT_SAVED = {
    "keras": {"softmax"},
    "tf_keras": {"softmax", "concatenated", "softmax_operation", "flatten_by_step", "normalization_by_step"},
}
"""What raises an error in Keras, or is not in it."""


@pytest.fixture(scope="module", params=IMPLEMENTATIONS)
def masked(
    request: pytest.FixtureRequest, require_tool: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path]:
    """An implementation, and the folder that save_masked.py fills."""
    require_tool(request.param)
    require_tool("tensorflow")
    folder = tmp_path_factory.mktemp("masked")
    completed = run(
        [sys.executable, str(SAVE_MASKED), request.param, str(folder)],
        timeout_s=600,
        environment={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "KERAS_BACKEND": "tensorflow"},
    )
    assert completed.exit_code == 0, completed.output[-3000:]
    return request.param, folder


def _error(folder: Path, name: str) -> float:
    """How far ours is from Keras, infinite where the shapes differ."""
    model = load_keras(folder / f"{name}.keras")
    inputs, outputs = np.load(folder / "inputs.npy"), np.load(folder / f"{name}.npy")
    found = model.forward(inputs[:, : model.timesteps])
    return float(np.abs(found - outputs).max()) if found.shape == outputs.shape else np.inf


def test_is_equal_to_keras_or_refused_by_the_name_of_the_mask(masked: tuple[str, Path]) -> None:
    implementation, folder = masked
    equal: set[str] = set()
    for path in sorted(folder.glob("*.keras")):
        try:
            error = _error(folder, path.stem)
        except UnsupportedModelError as refusal:
            is_named = any('"mask"' in problem for problem in refusal.problems)
            assert is_named or "TFOpLambda" in str(refusal), f"{path.stem}: {refusal}"
            continue
        assert error < 2e-5, path.stem
        equal.add(path.stem)
    assert equal == EQUAL | (EQUAL_IN_KERAS_3 if implementation == "keras" else set())


def test_every_pair_is_there(masked: tuple[str, Path]) -> None:
    implementation, folder = masked
    found = {path.stem for path in folder.glob("*.npy")}
    assert not NOT_SAVED[implementation] & found
    assert found >= EQUAL


def test_a_mask_of_a_query_alone_is_named(masked: tuple[str, Path]) -> None:
    implementation, folder = masked
    with pytest.raises(UnsupportedModelError) as caught:
        load_keras(folder / "query_alone.keras")
    assert [problem for problem in caught.value.problems if "is not supported" in problem] == []
    if implementation == "keras":
        (problem,) = caught.value.problems
        assert problem.endswith(
            '(SimpleRNN): takes the mask of "mask", which no layer hands on to there that could be compiled'
        )
