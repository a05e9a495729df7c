"""At least 300 random models: simulator = official interpreters = host C with sanitizers = the Cortex-M4 ELF."""

import pytest
from random_ladder import climb

MODELS = 300
GROUP = 10


@pytest.mark.parametrize("first", range(0, MODELS, GROUP))
def test_every_output_and_state_is_equal_on_every_rung(first: int) -> None:
    for seed in range(first, first + GROUP):
        for rung in climb(seed):
            assert rung.values > 0
            assert rung.mismatches == 0, f"seed {seed}, {rung.against}: {rung.first}"
