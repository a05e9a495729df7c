"""A code of int8 for the value of a mask alone, where no value of the data is that."""

from collections.abc import Set

import numpy as np

from edgelstm.errors import DataError
from edgelstm.ir import FloatModel, Ranges
from edgelstm.ops.masking import MaskingLayer
from edgelstm.ops.scales import SMALLEST_RANGE

_CODE = 1.001
"""Of a code: a little more, so that no rounding brings the end of the range to it."""


def with_mask_codes(model: FloatModel, ranges: Ranges) -> Ranges:
    """Widen the range of what a Masking reads by a code on the side on which the value of its mask lies outside.

    Clamped to the end of the range, the value would be the same as real steps there, which would be left out with it.

    Raises:
        DataError: the values of two masks lie outside on one side, where they would share the code.
    """
    values: dict[str, set[float]] = {}
    for layer in model.layers:
        if isinstance(layer, MaskingLayer):
            values.setdefault(layer.input.name, set()).add(float(np.float32(layer.value)))
    return {**ranges, **{name: _widened(name, found, *ranges[name]) for name, found in values.items()}}


def _widened(name: str, values: Set[float], low: float, high: float) -> tuple[float, float]:
    least, most = min(low, 0.0), max(high, 0.0)
    below = sorted(value for value in values if value < least)
    above = sorted(value for value in values if value > most)
    for outside in (below, above):
        if len(outside) > 1:
            found = " and ".join(f"{value:g}" for value in outside)
            raise DataError(
                f'masks of "{name}" have the values {found}, on one side of what the calibration data hold, {low:g} to '
                f"{high:g}: int8 cannot tell them apart",
                "use one mask, or a value within the data",
            )
    if not below and not above:
        return low, high
    step = max(most - least, SMALLEST_RANGE) / (255.0 - _CODE * (len(below) + len(above)))
    return least - _CODE * step * len(below), most + _CODE * step * len(above)
