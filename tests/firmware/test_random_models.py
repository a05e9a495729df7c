"""At least 300 random models: simulator = official interpreters = host C with sanitizers = the ELF for a Cortex-M4, and
for every third model that of another core."""

from collections.abc import Callable

import pytest
from random_ladder import (
    climb,
    climb_elementwise,
    climb_embedding,
    climb_graph,
    climb_masked,
    climb_native,
    climb_whole,
)

from edgelstm.report.result import Rung

MODELS = 300
FURTHER_MODELS = 60
GROUP = 10
OTHERS = ("cortex-m3", "cortex-m55", "cortex-m0", "rv32imc", "cortex-m33", "cortex-m7")


@pytest.mark.parametrize("first", range(0, MODELS, GROUP))
def test_every_output_and_state_is_equal_on_every_rung(first: int) -> None:
    for seed in range(first, first + GROUP):
        # Each core meets each way to write the C, which follows from seed % 3.
        others = (OTHERS[seed // 9 % len(OTHERS)],) if seed % 3 == seed // 3 % 3 else ()
        for rung in climb(seed, ("cortex-m4", *others)):
            assert rung.values > 0
            assert rung.mismatches == 0, f"seed {seed}, {rung.against}: {rung.first}"


@pytest.mark.parametrize(
    "climb_one", [climb_native, climb_graph, climb_elementwise, climb_whole, climb_masked, climb_embedding]
)
@pytest.mark.parametrize("first", range(0, FURTHER_MODELS, GROUP))
def test_further_kinds_of_models(climb_one: Callable[..., list[Rung]], first: int) -> None:
    for seed in range(first, first + GROUP):
        others = (OTHERS[seed // 9 % len(OTHERS)],) if seed % 3 == seed // 3 % 3 else ()
        for rung in climb_one(seed, ("cortex-m4", *others)):
            assert rung.values > 0
            assert rung.mismatches == 0, f"seed {seed}, {rung.against}: {rung.first}"
