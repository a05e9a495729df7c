"""The processor cores that tests go through: those whose firmware differs."""

from edgelstm.device.targets import list_cores, load_target

TWINS = ("cortex-m0plus", "rv32imac")
"""The same instructions as cortex-m0 and rv32imc, of all that edgelstm writes; `test_every_target` builds them."""
AVR = tuple(name for name in list_cores() if load_target(name).arch == "avr")
"""What has no semihosting, one compiler and one emulator: `test_avr`, `test_simavr` and `test_every_target` run them."""
CORES = tuple(name for name in list_cores() if name not in (*TWINS, *AVR))
