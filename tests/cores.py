"""The processor cores that tests go through: those whose firmware differs."""

from edgelstm.device.targets import list_cores

TWINS = ("cortex-m0plus", "rv32imac")
"""The same instructions as cortex-m0 and rv32imc, of all that edgelstm writes; `test_every_target` builds them."""
CORES = tuple(name for name in list_cores() if name not in TWINS)
