"""How a .tflite says what its inputs were scaled by: metadata, which interpreters leave alone.

The file's input takes what is scaled already; `factor * real value + offset` of each channel leads there.
"""

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from edgelstm.errors import ModelFormatError
from edgelstm.ir import QuantizedTensor, Scaling

NAME = "edgelstm_input_scaling"
_LARGEST_BYTES = 1 << 22


def scaling_metadata(inputs: Sequence[QuantizedTensor]) -> Mapping[str, bytes]:
    """The metadata of a file with these inputs; none where none is scaled."""
    scaled = {
        tensor.name: {"factors": tensor.scaling.factors, "offsets": tensor.scaling.offsets}
        for tensor in inputs
        if tensor.scaling is not None
    }
    return {NAME: json.dumps(scaled).encode()} if scaled else {}


def read_scaling(metadata: Mapping[str, bytes], sizes: Mapping[str, int]) -> Mapping[str, Scaling]:
    """The scaling of inputs by name.

    Args:
        metadata: of a file.
        sizes: how many channels each of its inputs has.

    Raises:
        ModelFormatError: it says something else than a number for each channel.
    """
    content = metadata.get(NAME)
    if content is None:
        return {}
    try:
        if len(content) > _LARGEST_BYTES:
            raise ValueError("too long")
        listed = json.loads(content)
        return {name: _scaling(one, sizes[name]) for name, one in listed.items()}
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ModelFormatError(
            f"the file's metadata {NAME} make no sense: {error!s:.80}", "export the model again"
        ) from error


def _scaling(values: Any, size: int) -> Scaling:
    factors, offsets = (tuple(float(number) for number in values[key]) for key in ("factors", "offsets"))
    if len(factors) != size or len(offsets) != size or not all(map(math.isfinite, (*factors, *offsets))):
        raise ValueError(f"an input of {size} channels needs as many finite factors and offsets")
    return Scaling(factors, offsets)
