"""What compilers and linkers say of a firmware that is too large."""

import re

from edgelstm.device.targets import Target
from edgelstm.errors import DoesNotFitError

_FAR_CONSTANTS = "the constants in flash end behind the first 64 KB"  # as targets/arch/avr/link.ld.j2 says it
_LARGE_ARRAY = re.compile(r"size of (?:array|variable) [`'](\w+)' is too large")
_OVERFLOW = re.compile(r"region [`']?(\w+)'?:? overflowed by (\d+) bytes")


def raise_if_too_large(target: Target, output: str) -> None:
    """Raise DoesNotFitError where the output of a build that failed says so, with by how much if that is known."""
    says = f"the firmware does not fit into {target.name}: "
    if _FAR_CONSTANTS in output:
        raise DoesNotFitError(
            says + _FAR_CONSTANTS, "constants further up cannot be read; choose --optimize size, or fewer units"
        )
    large = dict.fromkeys(_LARGE_ARRAY.findall(output))
    if target.arch == "avr" and large:
        raise DoesNotFitError(
            f"{says}{', '.join(large)} would be larger than 32767 bytes, more than its compiler takes for one array",
            "the weights of a layer are one array; take fewer units, or several smaller layers",
        )
    overflows: dict[str, int] = {}
    for name, size in _OVERFLOW.findall(output):
        region = name.lower().removesuffix("_data")
        overflows[region] = max(overflows.get(region, 0), int(size))
    if overflows:
        listed = " and ".join(f"{region} by {size} bytes" for region, size in overflows.items())
        raise DoesNotFitError(f"{says}it exceeds {listed}", "choose --optimize size, fewer units, or a larger target")
