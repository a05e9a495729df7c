import re

import numpy as np
import pytest

from edgelstm.data import check_dataset


@pytest.fixture
def example(load_example):
    return load_example("sea_temperature")


def test_the_temperatures_are_split_by_time(example):
    dataset = example.dataset
    assert check_dataset(dataset, 1, 36) == ()
    assert (dataset.x.shape, dataset.x_test.shape) == ((564, 36, 1), (132, 36, 1))
    celsius = example.data.read_months()
    assert len(celsius) == 61 * 12
    np.testing.assert_allclose(celsius[[0, 1, 12]], [23.11, 24.20, 24.19], rtol=1e-6)
    months = np.concatenate([dataset.x[0, :, 0], dataset.y, dataset.y_test])
    mean, deviation = example.data.normalisation(celsius)
    np.testing.assert_allclose(months * deviation + mean, celsius, rtol=1e-6)
    assert abs(months[:600].mean()) < 1e-5
    assert abs(months[:600].std() - 1) < 1e-5
    np.testing.assert_array_equal(dataset.x_test[0, :, 0], months[564:600])


def test_a_window_of_months_comes_with_the_month_after_it(example):
    x, y = example.data.windows(np.arange(38, dtype=np.float32))
    assert x[:, :, 0].tolist() == [list(range(36)), list(range(1, 37))]
    assert y.tolist() == [36, 37]


def test_the_readme_gives_the_constants_of_the_training_years(example):
    mean, deviation = example.data.normalisation(example.data.read_months())
    given = re.search(r"`\(degrees - (\S+)\) / (\S+)`", example.readme)
    np.testing.assert_allclose([float(number) for number in given.groups()], [mean, deviation], rtol=1e-5)


def test_the_readme_gives_the_errors_of_simple_forecasts(example):
    dataset = example.dataset
    past, following = dataset.x_test[:, :, 0], dataset.y_test
    training = np.concatenate([dataset.x[0, :, 0], dataset.y]).reshape(50, 12)
    usual = training.mean(axis=0)
    departures = (training - usual).ravel()
    fading = departures[1:] @ departures[:-1] / (departures[:-1] @ departures[:-1])
    departure = past[:, -1] - np.tile(np.roll(usual, 1), 11)
    forecasts = {
        "persistence": past[:, -1],
        "seasonal": past[:, -12],
        "calendar": np.tile(usual, 11) + departure,
        "damped": np.tile(usual, 11) + fading * departure,
    }
    _, deviation = example.data.normalisation(example.data.read_months())
    rows = re.findall(r"^\| .* \((\w+)\) \| (\d\S+) \| (\d\S+) \|$", example.readme, re.MULTILINE)
    assert [row[0] for row in rows] == list(forecasts)
    for name, in_deviations, in_degrees in rows:
        rmse = np.sqrt(np.mean(np.square(forecasts[name] - following)))
        assert f"{rmse:.4f}" == in_deviations
        assert f"{rmse * deviation:.3f}" == in_degrees
