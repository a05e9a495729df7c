"""The types of numpy arrays."""

from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.signedinteger[Any]]
AnyArray = npt.NDArray[Any]
BoolArray = npt.NDArray[np.bool_]
