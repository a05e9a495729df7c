"""The RESHAPE of a .tflite file: the same bytes under another shape, around operators that want one."""

import numpy as np

from edgelstm.ir import TfliteOperator, TfliteTensor


def reshape(source: TfliteTensor, result: TfliteTensor) -> TfliteOperator:
    """Write one, between tensors of equally many elements."""
    numbers = np.array(result.shape, np.int32)
    wanted = TfliteTensor(f"{result.name}/shape", numbers.shape, "int32", data=numbers)
    return TfliteOperator("RESHAPE", (source, wanted), (result,), {"new_shape": list(result.shape)})
