"""Data from files and user code, and the check against a model."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from edgelstm.data import Dataset, check_dataset, load_dataset
from edgelstm.errors import DataError, ProjectError

SEQUENCES = np.random.default_rng(1).normal(size=(60, 5, 2)).astype(np.float32)


def write_npz(folder: Path, **arrays: npt.ArrayLike) -> Path:
    path = folder / "data.npz"
    np.savez(path, **arrays)
    return path


def problems_of(dataset: Dataset, input_size: int = 2, timesteps: int | None = 5) -> str:
    with pytest.raises(DataError) as caught:
        check_dataset(dataset, input_size, timesteps)
    return caught.value.message


def test_npz_with_all_arrays(tmp_path):
    write_npz(
        tmp_path,
        x=SEQUENCES.astype(np.float64),
        y=np.arange(60, dtype=np.uint8) % 3,
        x_calib=SEQUENCES[:50].astype(np.float16),
        x_test=np.arange(20, dtype=np.int32).reshape(2, 5, 2),
        y_test=np.array([0, 2]),
        labels=np.array(["up", "down", "none"]),
        lengths=np.full(60, 5),
        lengths_calib=np.full(50, 4),
        lengths_test=np.array([5, 1]),
    )
    dataset = load_dataset("data.npz", base=tmp_path)
    assert dataset.x.dtype == np.float32
    np.testing.assert_array_equal(dataset.x, SEQUENCES)
    assert dataset.y.dtype == np.int64
    assert dataset.x_test.dtype == np.float32
    assert dataset.x_test[1, 4, 1] == 19.0
    assert dataset.labels == ("up", "down", "none")
    assert dataset.calibration.lengths.tolist() == [4] * 50
    assert dataset.calibration.y is None
    assert dataset.test.y.tolist() == [0, 2]
    assert check_dataset(dataset, 2, 5) == ()


def test_calibration_and_test_fall_back_to_training_data(tmp_path):
    write_npz(tmp_path, x=SEQUENCES, y=np.zeros(60), lengths=np.full(60, 3))
    dataset = load_dataset("data.npz", base=tmp_path)
    for samples in (dataset.calibration, dataset.test):
        assert samples.x is dataset.x
        assert samples.y is dataset.y
        assert samples.lengths is dataset.lengths


def test_npy_holds_x_alone(tmp_path):
    np.save(tmp_path / "x.npy", np.asfortranarray(SEQUENCES))
    dataset = load_dataset("x.npy", base=tmp_path)
    np.testing.assert_array_equal(dataset.x, SEQUENCES)
    assert dataset.x.flags["C_CONTIGUOUS"]


@pytest.mark.parametrize(("returned", "y"), [("x, [0, 1]", [0, 1]), ("{'x': x, 'y': [1, 0], 'x_test': None}", [1, 0])])
def test_user_function(tmp_path, returned, y):
    (tmp_path / "shapes.py").write_text("x = [[[1.5]], [[2.5]]]\n")
    (tmp_path / "data.py").write_text(f"def load():\n    from shapes import x\n    return {returned}\n")
    dataset = load_dataset("data.py:load", base=tmp_path)
    assert dataset.x.tolist() == [[[1.5]], [[2.5]]]
    assert dataset.y.tolist() == y
    assert "shapes" not in sys.modules
    assert str(tmp_path) not in sys.path


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("    return 1 / 0", "data.py:load failed: ZeroDivisionError: division by zero (data.py, line 2)"),
        ("    raise SystemExit(3)", "SystemExit: 3 (data.py, line 2)"),
        ("  return (", "SyntaxError"),
    ],
)
def test_faults_in_user_code_are_reported_with_their_line(tmp_path, body, message):
    (tmp_path / "data.py").write_text(f"def load():\n{body}\n")
    with pytest.raises(ProjectError) as caught:
        load_dataset("data.py:load", base=tmp_path)
    assert message in caught.value.message


def test_missing_function_file_and_odd_results(tmp_path):
    (tmp_path / "data.py").write_text("def load():\n    return [1]\n")
    with pytest.raises(ProjectError, match="no function named lod"):
        load_dataset("data.py:lod", base=tmp_path)
    with pytest.raises(ProjectError, match="there is no file"):
        load_dataset("other.py:load", base=tmp_path)
    with pytest.raises(DataError, match="returned list"):
        load_dataset("data.py:load", base=tmp_path)
    for spec in ("none.npz", "data.csv", "", "data.npz\0", "/"):
        with pytest.raises(DataError):
            load_dataset(spec, base=tmp_path)


def test_unknown_arrays_and_wrong_types_are_all_reported(tmp_path):
    write_npz(tmp_path, X_train=SEQUENCES, y=SEQUENCES * 1j, y_tset=[1], labels=np.zeros((2, 2)), lengths=[1.5])
    with pytest.raises(DataError) as caught:
        load_dataset("data.npz", base=tmp_path)
    for part in (
        "unknown array 'X_train'; did you mean \"x\"?",
        "unknown array 'y_tset'; did you mean \"y_test\"?",
        '"x" (training or calibration sequences) is missing',
        '"y" holds complex64 values',
        '"labels" must be a list',
        '"lengths" holds float64 values, not whole numbers',
    ):
        assert part in caught.value.message


@pytest.mark.parametrize(
    ("arrays", "part"),
    [
        ({"x": [[[1.0]], [[1.0], [2.0]]]}, "pad sequences of unequal length"),
        ({"x": SEQUENCES, "y": ["up"] * 60}, "give class ids from 0, and their names as labels"),
        ({"x": SEQUENCES, "labels": ["a\nb"]}, "printable"),
        ({"x": SEQUENCES, "labels": ["a" * 65]}, "1 to 64 characters"),
        ({"x": np.array([object()])}, "object values"),
        ({"x": SEQUENCES, 3: 1}, "unknown array 3"),
    ],
)
def test_unusable_arrays(arrays, part):
    with pytest.raises(DataError) as caught:
        Dataset.from_arrays(arrays)
    assert part in caught.value.message


def test_check_lists_everything_that_is_wrong():
    x = SEQUENCES.copy()
    x[7, 3, 1] = np.nan
    x[9, 0, 0] = np.inf
    dataset = Dataset.from_arrays(
        {
            "x": x,
            "y": np.arange(59),
            "x_calib": np.zeros((2, 5)),
            "x_test": np.zeros((3, 4, 6)),
            "y_test": [0, 1, 2],
            "labels": ["a", "b"],
            "lengths_calib": [1],
            "lengths_test": [0, 4, 5],
        }
    )
    message = problems_of(dataset)
    for part in (
        '"x" has 2 values that are NaN, infinite or too large for float32, the first at sample 7, step 3, ch',
        '"y" has 59 targets for 60 samples',
        '"x_calib" has shape (2, 5); expected (samples, time steps, 2 channels)',
        '"x_test" has 6 channels; the model expects 2',
        '"x_test" has 4 time steps; the model expects 5',
        '"y_test" has 1 class ids outside 0..1 (there are 2 labels), the first at sample 2',
    ):
        assert part in message


@pytest.mark.parametrize(
    ("arrays", "part"),
    [
        ({"x": SEQUENCES[:0]}, "is empty"),
        ({"lengths": [6] * 60}, '"lengths" must lie in 1..5, but 60 do not, first 6 at sample 0'),
        ({"lengths": [5] * 59}, "expected (60,)"),
        ({"y": [np.nan] * 60}, '"y" has 60 NaN'),
        ({"y": 1}, '"y" has 0 targets for 60'),
        ({"y": np.zeros((60, 0))}, "is empty"),
        ({"y": np.zeros((60, 3)), "labels": ["a", "b"]}, "has 3 values a target, but there are 2 labels"),
        ({"y_test": [1]}, '"y_test" is there but "x_test" is not'),
        ({"lengths_test": [1]}, '"lengths_test" is there but "x_test" is not'),
        ({"lengths_calib": [1]}, '"lengths_calib" is there but "x_calib" is not'),
        ({"labels": ["a", "a"]}, "a name twice"),
        ({"x": SEQUENCES.astype(np.float64) * 1e300}, "too large for float32"),
    ],
)
def test_check_refuses(arrays, part):
    assert part in problems_of(Dataset.from_arrays({"x": SEQUENCES} | arrays))


def test_check_refuses_arrays_that_were_not_converted():
    assert "Dataset.from_arrays" in problems_of(Dataset(x=SEQUENCES.astype(complex)))
    assert "Dataset.from_arrays" in problems_of(Dataset(x=SEQUENCES, y=np.array(["a"] * 60)))


def test_one_hot_and_step_targets_fit_their_labels():
    for y in (np.eye(3)[np.arange(60) % 3], np.eye(3, dtype=int)[np.arange(60) % 3], np.full((60, 5), 2)):
        check_dataset(Dataset.from_arrays({"x": SEQUENCES, "y": y, "labels": ["a", "b", "c"]}), 2, None)


def test_warnings():
    x = SEQUENCES[:49].copy()
    x[:, :, 1] = 3.0
    warnings = check_dataset(Dataset(x=x), 2, None)
    assert len(warnings) == 2
    assert "only 49 sequences" in warnings[0]
    assert "never change in the calibration data: 1 " in warnings[1]
    without_targets = Dataset(x=SEQUENCES, y=np.zeros(60, int), x_test=SEQUENCES)
    assert "there is no y_test" in check_dataset(without_targets, 2, None)[0]


def test_padding_does_not_hide_a_constant_channel():
    x = SEQUENCES.copy()
    x[:, :4, 0] = 2.0
    dataset = Dataset(x=x, x_test=x, lengths=np.full(60, 4))
    assert "never change" in check_dataset(dataset, 2, 5)[0]


def test_import_needs_no_heavy_package():
    modules = "edgelstm.data, edgelstm.project, edgelstm.training, edgelstm.report.metrics"
    code = f"import {modules}, sys; sys.exit(any(m in sys.modules for m in ('keras', 'tensorflow', 'h5py')))"
    assert subprocess.run([sys.executable, "-c", code], timeout=60, check=False).returncode == 0


IDS = np.arange(60 * 5).reshape(60, 5) % 7


@pytest.mark.parametrize("ids", [IDS, IDS.astype(np.uint8), IDS.astype(np.float64)])
def test_ids_are_whole_numbers_of_any_type(ids):
    dataset = Dataset.from_arrays({"x": ids, "x_test": ids[:3], "x_calib": ids, "y": np.zeros(60)})
    assert "there is no y_test" in check_dataset(dataset, 1, 5, vocabulary=7)[0]
    for samples in (dataset.training, dataset.calibration, dataset.test):
        assert samples.x.shape[1:] == (5, 1)
    assert dataset.x.shape == (60, 5)


@pytest.mark.parametrize(
    ("place", "value", "shown"),
    [((2, 3), 7, "7"), ((0, 0), -1, "-1"), ((59, 4), 2.5, "2.5"), ((1, 1), np.nan, "nan"), ((4, 0), np.inf, "inf")],
)
def test_what_is_no_id_is_reported_with_its_place(place, value, shown):
    ids = IDS.astype(np.float64)
    ids[place] = value
    with pytest.raises(DataError) as caught:
        check_dataset(Dataset.from_arrays({"x_test": ids, "x": IDS}), 1, 5, vocabulary=7)
    assert (
        '"x_test" has 1 values that are not ids from 0 to 6, '
        f"the first at sample {place[0]}, step {place[1]}: {shown}" in caught.value.message
    )
    assert "5 ids from 0 to 6" in caught.value.hint


def test_ids_have_two_axes_and_values_three():
    with pytest.raises(DataError, match=r"has shape \(60, 5, 1\); expected \(samples, time steps\)"):
        check_dataset(Dataset.from_arrays({"x": IDS[..., None]}), 1, 5, vocabulary=7)
    with pytest.raises(DataError, match="has 5 time steps; the model expects 6"):
        check_dataset(Dataset.from_arrays({"x": IDS}), 1, 6, vocabulary=7)
    with pytest.raises(DataError, match=r"has shape \(60, 5\); expected \(samples, time steps, 1 channels\)"):
        check_dataset(Dataset.from_arrays({"x": IDS}), 1, 5)


def test_images_are_rows_of_values_side_by_side():
    images = np.random.default_rng(0).normal(size=(60, 5, 3, 2)).astype(np.float32)
    dataset = Dataset.from_arrays({"x": images, "y": np.arange(60) % 2, "x_test": images[:7]})
    check_dataset(dataset, 6, 5)
    assert np.array_equal(dataset.training.x, images.reshape(60, 5, 6))
    assert dataset.test.x.shape == (7, 5, 6)
    assert dataset.x.shape == images.shape
    with pytest.raises(DataError, match='"x" has 6 channels; the model expects 7'):
        check_dataset(dataset, 7, 5)
    for shape in ((0, 5, 3, 2), (4, 5, 0, 2)):
        with pytest.raises(DataError, match="is empty"):
            check_dataset(Dataset.from_arrays({"x": np.zeros(shape)}), 6, 5)
