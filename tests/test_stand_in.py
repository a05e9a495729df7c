"""Stand-ins for trained models and for data, and for targets with too little memory."""

from dataclasses import replace

import numpy as np
import pytest

from edgelstm.data import Dataset
from edgelstm.device.targets import load_target
from edgelstm.ir import FloatModel, Tensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.lstm import LstmLayer
from edgelstm.pipeline.assumed import (
    LONGEST,
    TIMESTEPS,
    TRAINED_CELL,
    TRAINED_INPUT,
    assumed_data,
    trained_ranges,
    trained_weights,
)
from edgelstm.pipeline.costs import MACS, core_of, counted_inputs, with_room
from edgelstm.pipeline.estimated import chips
from edgelstm.pipeline.stand_in import KINDS, RECURRENT_GAIN, Sizes, recurrent_layer, signals, stand_in
from edgelstm.quantization import calibrate, quantize
from edgelstm.report.estimate import Estimate, Load, Memory
from edgelstm.report.limits import Limits, Pace, exceeded
from edgelstm.report.result import FlashBytes


@pytest.mark.parametrize("kind", KINDS)
def test_stand_ins_are_the_same_every_time_and_have_their_sizes(kind: str) -> None:
    sizes = Sizes(kind, 8, 3, outputs=4)
    first, again = stand_in(sizes), stand_in(sizes)
    inputs = signals(np.random.default_rng(0), 2, TIMESTEPS, 3)
    np.testing.assert_array_equal(first.forward(inputs), again.forward(inputs))
    assert first.output.size == 4
    assert stand_in(replace(sizes, outputs=0)).output.size == 8
    layer = first.layers[0]
    assert layer.parameters >= sizes.weights == layer.kernel.size + layer.recurrent_kernel.size  # type: ignore[attr-defined]


def test_signals_have_mean_0_and_variance_1_and_remember() -> None:
    values = signals(np.random.default_rng(0), 400, 40, 3)
    assert abs(values.mean()) < 0.05
    assert values.var() == pytest.approx(1.0, abs=0.05)
    assert (values[:, 1:] * values[:, :-1]).mean() == pytest.approx(0.9, abs=0.05)


def test_assumed_data_fit_any_inputs() -> None:
    sequence, ids = Tensor("s", 3, is_sequence=True), Tensor("ids", 1, is_sequence=True, vocabulary=5)
    vector = Tensor("v", 7, is_sequence=False)
    model = FloatModel("many", sequence, (), None, further_inputs=(ids, vector))
    x = assumed_data(model, 11).x
    assert model.layout.timesteps(x) == 11
    found = model.layout.split(x)
    assert found["s"].shape[1:] == (11, 3)
    assert found["v"].shape[1:] == (7,)
    assert set(np.unique(found["ids"])) == set(range(5))
    assert model.layout.timesteps(assumed_data(model, None).x) == TIMESTEPS
    assert model.layout.timesteps(assumed_data(model, 1 << 20).x) == LONGEST
    assert len(assumed_data(replace(model, timesteps=1 << 20), None).x) == 1


def test_cells_of_fresh_weights_reach_what_trained_ones_do() -> None:
    model = stand_in(Sizes("lstm", 4, 3))
    layer = model.layers[0]
    assert isinstance(layer, LstmLayer)
    found = trained_ranges(model, {layer.cell_range_name: (-0.5, 0.7), "other": (0.0, 1.0)})
    assert found == {layer.cell_range_name: (-TRAINED_CELL, 0.7), "other": (0.0, 1.0)}
    assert trained_ranges(model, {layer.cell_range_name: (-20.0, 0.7)})[layer.cell_range_name] == (-20.0, 0.7)


@pytest.mark.parametrize("kind", KINDS)
def test_fresh_weights_are_scaled_as_training_does_each_layer_on_what_the_one_before_yields_then(kind: str) -> None:
    rng = np.random.default_rng(3)
    source = Tensor("x", 3, is_sequence=True)
    first = recurrent_layer(kind, rng, "first", source, 8)
    second = recurrent_layer(kind, rng, "second", first.output, 6)
    fresh = FloatModel("stack", source, (first, second), 20)
    x = 7.0 * signals(rng, 12, 20, 3)
    scaled = trained_weights(fresh, Dataset(x))
    values = scaled.tensors(x)
    for before, after in zip(fresh.layers, scaled.layers, strict=True):
        assert (values[after.input.name] @ after.kernel).std() == pytest.approx(TRAINED_INPUT, rel=1e-4)  # type: ignore[attr-defined]
        gain = 1.0 if kind == "simple_rnn" else RECURRENT_GAIN
        np.testing.assert_array_equal(after.recurrent_kernel, np.float32(gain) * before.recurrent_kernel)  # type: ignore[attr-defined]
    np.testing.assert_array_equal(trained_weights(fresh, Dataset(0 * x)).layers[0].kernel, first.kernel)  # type: ignore[attr-defined]


@pytest.mark.parametrize(("units", "fewest"), [(4, 5 * 32), (200, 5 * 16)])
def test_what_is_counted_is_four_sequences_of_data_and_one_of_stress_within_a_budget(units: int, fewest: int) -> None:
    floating = stand_in(Sizes("lstm", units, 3))
    dataset = assumed_data(floating, None)
    model = quantize(floating, calibrate(floating, dataset.x), 32, Contract.LITERT)
    inputs = counted_inputs(model, dataset)
    steps = len(inputs) * model.layout.timesteps(inputs)
    assert len(inputs) == 5
    assert set(np.unique(inputs[-1])) == {-128, 127}
    assert steps >= fewest
    assert steps * model.macs_per_step <= max(MACS, fewest * model.macs_per_step)
    assert set(np.unique(counted_inputs(model, None)[-1])) == {-128, 127}


def test_more_room_keeps_addresses_apart() -> None:
    for name in chips():
        target = load_target(name)
        roomy = with_room(target)
        assert core_of(roomy) == core_of(target)
        for before, after in zip(target.memory, roomy.memory, strict=True):
            assert (after.name, after.origin) == (before.name, before.origin)
            assert after.size_bytes >= before.size_bytes
            assert not any(after.holds(other.origin) for other in roomy.memory if other.name != after.name)


LOAD = Load("QEMU", 1000.0, 500.0, 1800, 200, (1.5, 2.0))
ESTIMATE = Estimate(
    "m", "t", "gcc", FlashBytes(1000, 100, 3000, 20), 40, 60, 6000, 1000, Memory(6000, 1000, 200), LOAD, 10,
    is_streaming=True,
)  # fmt: skip


def test_the_clock_that_is_needed_follows_from_the_slower_figure() -> None:
    pace = Pace(100.0, 1e6)
    assert pace.needed_hz(ESTIMATE) == pytest.approx(1500 * 2.0 * 100)
    assert pace.real_time_factor(ESTIMATE) == pytest.approx(1e6 / 300_000)
    window = replace(ESTIMATE, is_streaming=False)
    assert pace.needed_hz(window) == pytest.approx(1050 * 2.0 * 100)
    unknown = replace(ESTIMATE, load=replace(LOAD, cycles_per_instruction=None))
    assert pace.needed_hz(unknown) == pytest.approx(1500 * 100)
    assert pace.needed_hz(replace(ESTIMATE, load=None)) is None
    assert Pace().needed_hz(ESTIMATE) is None


def test_what_fits_is_decided_by_the_firmware_and_the_stack() -> None:
    assert ESTIMATE.fits is True
    assert replace(ESTIMATE, firmware_flash_bytes=6001).excess == {"flash": 1}
    assert replace(ESTIMATE, firmware_ram_bytes=1002).excess == {"RAM": 2}
    assert replace(ESTIMATE, load=replace(LOAD, stack_bytes=203)).excess == {"stack": 3}
    lone = replace(ESTIMATE, firmware_flash_bytes=None, firmware_ram_bytes=None, load=None)
    assert lone.fits is None
    assert replace(lone, memory=Memory(4000, 1000, 200)).fits is False
    refused = replace(lone, refusal="no compiler takes it")
    assert refused.fits is False
    assert exceeded([refused], Limits(deadline=1), Pace()) == [
        "m on t: the slowest sample cannot be checked: no compiler takes it"
    ]


def test_limits_hold_to_the_last_byte_and_instruction() -> None:
    pace = Pace(None, 1e6)
    assert exceeded([ESTIMATE], Limits(4120, 300, 1800, 1800 * 2.0 / 1e6), pace) == []
    assert len(exceeded([ESTIMATE], Limits(4119, 299, 1799, 1799 * 2.0 / 1e6), pace)) == 4
