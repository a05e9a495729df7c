import re

import numpy as np
import pytest

from edgelstm.data import check_dataset


@pytest.fixture
def example(load_example):
    return load_example("battery_charge")


def test_drives_are_in_sensor_units_and_the_charge_is_a_share(example):
    dataset = example.dataset
    assert check_dataset(dataset, 3, 160) == ()
    assert (dataset.x.shape, dataset.y.shape) == ((1600, 160, 3), (1600, 160, 1))
    assert dataset.x_test.shape == (400, 160, 3)
    current, voltage, temperature = (dataset.x[..., channel] for channel in range(3))
    assert -1.1 < current.min() < 0 < current.max() < 4.1
    assert 2.0 < voltage.min() < voltage.max() < 4.4
    assert -6.0 < temperature.min() < temperature.max() < 70.0
    assert 0.0 < dataset.y.min() < dataset.y.max() <= 1.0


def test_the_charge_follows_the_current(example):
    dataset = example.dataset
    lost = -np.diff(dataset.y[:, :, 0], axis=1)
    expected = dataset.x[:, 1:, 0] * example.data.STEP_S / 3600.0 / example.data.CAPACITY_AH
    inside = (dataset.y[:, 1:, 0] > 0.03) & (dataset.y[:, 1:, 0] < 0.99)
    assert np.abs(lost - expected)[inside].max() < 1e-4


def test_a_warm_cell_resists_less(example):
    ohms = example.data.resistance(np.array([-5.0, 25.0, 40.0]))
    assert ohms[1] == pytest.approx(0.035)
    assert (np.diff(ohms) < 0).all()


def test_counts_of_the_sensors_fit_int16(example):
    lsb = np.array(example.project.build.raw_lsb)
    assert np.abs(example.dataset.x / lsb).max() < 2**15


def test_the_readme_says_how_channels_vary(example):
    found = re.search(r"standard deviation of (\S+) volts; that of the temperature is (\S+) degrees", example.readme)
    assert [float(number) for number in found.groups()] == [
        round(float(example.dataset.x[..., channel].std()), digits) for channel, digits in ((1, 2), (2, 1))
    ]
    span = np.ptp(example.dataset.x[..., 1:]) / 255
    assert 0.2 < span < 0.3
