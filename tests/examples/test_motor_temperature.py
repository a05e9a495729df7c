import re

import numpy as np
import pytest

from edgelstm.data import check_dataset


@pytest.fixture
def example(load_example):
    return load_example("motor_temperature")


def test_runs_are_in_sensor_units(example):
    dataset = example.dataset
    assert check_dataset(dataset, 3, 120) == ()
    assert (dataset.x.shape, dataset.y.shape) == ((1200, 120, 3), (1200, 120, 1))
    assert dataset.x_test.shape == (300, 120, 3)
    current, speed, housing = (dataset.x[..., channel] for channel in range(3))
    assert -1.0 < current.min() < 0 < current.max() < 21.0
    assert -100.0 < speed.min() < 0 < speed.max() < 6100.0
    assert 0.0 < housing.min() < housing.max() < 90.0
    assert 0.0 < dataset.y.max() * example.data.RISE_UNIT < 120.0


def test_heat_is_neither_made_nor_lost(example):
    data = example.data
    winding, housing, room, current, speed = (np.array([value]) for value in (90.0, 50.0, 20.0, 10.0, 3000.0))
    warmer, later = data._later(winding, housing, room, current, speed)
    stored = data.WINDING_J_PER_K * (warmer - winding) + data.HOUSING_J_PER_K * (later - housing)
    power = data.copper_loss(current, winding) + data.iron_loss(speed) - data.cooling(speed) * (housing - room)
    assert stored == pytest.approx(data.STEP_S * power)


def test_a_step_is_short_beside_what_it_simulates(example):
    data = example.data
    fastest = data.conductance(np.array(data.LARGEST_RPM)) / data.WINDING_J_PER_K
    assert data.STEP_S * fastest < 0.1


def test_a_run_begins_with_a_winding_as_warm_as_its_housing(example):
    assert np.abs(example.dataset.y[:, 0]).max() * example.data.RISE_UNIT < 8.0


def test_counts_of_the_sensors_fit_int16(example):
    lsb = np.array(example.project.build.raw_lsb)
    assert np.abs(example.dataset.x / lsb).max() < 2**15


def filtered(values, tau_s, step_s):
    share, kept, found = 1.0 - np.exp(-step_s / tau_s), np.zeros(len(values)), []
    for column in values.T:
        kept = kept + share * (column - kept)
        found.append(kept)
    return np.stack(found, axis=1)


def error_of(features, truth, test_features, test_truth):
    """Of the best linear function of the features, in the data's unit."""
    table, test_table = (
        np.stack([np.ones_like(one[0]), *one], axis=-1).astype(np.float64) for one in (features, test_features)
    )
    weights = np.linalg.lstsq(table.reshape(-1, table.shape[-1]), truth.ravel(), rcond=None)[0]
    return np.sqrt(np.mean((test_table @ weights - test_truth) ** 2))


def test_the_readme_says_what_is_reached_without_a_network(example):
    dataset, data = example.dataset, example.data
    truth, test_truth = dataset.y[..., 0], dataset.y_test[..., 0]
    constant = np.sqrt(np.mean((truth.mean() - test_truth) ** 2))

    def now(x):
        return [x[..., 0], x[..., 0] ** 2, x[..., 1], x[..., 2]]

    def thermal(x):
        return [filtered(x[..., 0] ** 2, 250.0, data.STEP_S)]

    def both(x):
        return [*thermal(x), filtered(x[..., 1], 250.0, data.STEP_S), *now(x)]

    found = [
        constant,
        *(error_of(f(dataset.x), truth, f(dataset.x_test), test_truth) for f in (now, thermal, both)),
    ]
    rows = re.findall(r"^\| (?:mean|linear|I²t|both)[^|]*\| +(\S+) \|$", example.readme, re.MULTILINE)
    assert [float(row) for row in rows] == [pytest.approx(data.RISE_UNIT * one, abs=0.006) for one in found]
