"""The tables [flash.<runner>] of a target's file: which values they may have."""

from dataclasses import replace
from pathlib import Path

import pytest

from edgelstm.device.flash.options import read_options
from edgelstm.device.flash.registry import FLASH_RUNNERS, choose_flash_runner
from edgelstm.device.targets import list_targets, load_target, read_target
from edgelstm.errors import TargetError
from edgelstm.resources import targets_dir

INTEGERS = [(name, key) for name, runner in FLASH_RUNNERS.items() for key in runner.keys if not key.is_text]


def _options(runner: str, key: str, value: int) -> int:
    target = replace(load_target("cortex-m4"), flash={runner: {key: value}})
    keys = [one for one in FLASH_RUNNERS[runner].keys if one.name == key]
    return read_options(target, runner, keys).integer(key)


@pytest.mark.parametrize(("runner", "key"), INTEGERS, ids=lambda one: one if isinstance(one, str) else one.name)
def test_integers_have_limits(runner, key):
    assert _options(runner, key.name, key.least) == key.least
    assert _options(runner, key.name, key.most) == key.most
    for wrong in (key.least - 1, key.most + 1):
        with pytest.raises(TargetError, match=rf"flash\.{runner}\.{key.name}: needs an integer from"):
            _options(runner, key.name, wrong)


def test_speeds_are_none_of_zero():
    assert {(runner, key.name) for runner, key in INTEGERS if key.name in ("baud", "speed")} == {
        ("avrdude", "baud"),
        ("esptool", "baud"),
        ("jlink", "speed"),
    }
    assert all(key.least > 0 for _, key in INTEGERS if key.name in ("baud", "speed"))


def test_no_integer_of_a_file_is_too_large_for_32_bits(tmp_path: Path):
    text = (targets_dir() / "rpi-pico.toml").read_text()
    path = tmp_path / "board.toml"
    for value, problem in (("0x1_0000_0000", "flash.uf2.family: needs an integer"), ("0xFFFF_FFFF", "")):
        path.write_text(text.replace("0xE48B_FF56", value))
        assert value in path.read_text()
        if problem:
            with pytest.raises(TargetError, match=problem):
                read_target(path)
        else:
            assert read_target(path).flash["uf2"]["family"] == 0xFFFF_FFFF


@pytest.mark.parametrize("name", [name for name in list_targets() if load_target(name).flash_runner])
def test_every_shipped_table_is_taken(name):
    target = load_target(name)
    for runner in target.flash:
        assert choose_flash_runner(target, runner).options.values
