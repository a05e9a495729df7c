"""Random models: simulator = official interpreters = host C with sanitizers = the ELF for a Cortex-M4, and for every
third model that of another core.

`make ladders` climbs with all that a release is judged by: 300 of the first kind, 50 of each other.
"""

from collections.abc import Callable

import pytest
from random_ladder import CLIMBS, LAYER_CLIMBS, climb

MODELS = 70
FURTHER_MODELS = 10
ALONE = 6
GROUP = 10
OTHERS = ("cortex-m3", "cortex-m55", "cortex-m0", "rv32imc", "cortex-m33", "cortex-m7", "atmega2560")
EIGHT_BITS = ("atmega2560",)


@pytest.mark.parametrize("first", range(0, MODELS, GROUP))
def test_every_output_and_state_is_equal_on_every_rung(first: int) -> None:
    for seed in range(first, first + GROUP):
        # Each core meets each way to write the C, which follows from seed % 3.
        others = (OTHERS[seed // 9 % len(OTHERS)],) if seed % 3 == seed // 3 % 3 else ()
        for rung in climb(seed, ("cortex-m4", *others)):
            assert rung.values > 0
            assert rung.mismatches == 0, f"seed {seed}, {rung.against}: {rung.first}"


@pytest.mark.parametrize("kind", CLIMBS)
@pytest.mark.parametrize("first", range(0, FURTHER_MODELS, GROUP))
def test_further_kinds_of_models(kind: str, first: int) -> None:
    for seed in range(first, first + GROUP):
        others = (OTHERS[seed // 9 % len(OTHERS)],) if seed % 3 == seed // 3 % 3 else ()
        for rung in CLIMBS[kind](seed, ("cortex-m4", *others)):
            assert rung.values > 0
            assert rung.mismatches == 0, f"seed {seed}, {rung.against}: {rung.first}"


@pytest.mark.parametrize("kind", LAYER_CLIMBS)
def test_every_window_layer_alone(kind: str) -> None:
    for seed in range(ALONE):
        for rung in LAYER_CLIMBS[kind](seed):
            assert rung.values > 0
            assert rung.mismatches == 0, f"seed {seed}, {rung.against}: {rung.first}"


@pytest.mark.parametrize("kind", CLIMBS)
def test_a_model_of_every_kind_on_eight_bits(kind: str, require_tool: Callable[[str], None]) -> None:
    for tool in ("avr-gcc", "simavr"):
        require_tool(tool)
    for rung in CLIMBS[kind](3, EIGHT_BITS):
        assert rung.values > 0
        assert rung.mismatches == 0, f"{rung.against}: {rung.first}"
