"""What an op remembers."""

from dataclasses import dataclass

from edgelstm.ir.records import TfliteTensor
from edgelstm.ir.tensors import Quantization


@dataclass(frozen=True)
class StateArray:
    """Recurrent state that an op keeps from one step to the next. The C struct, reset, simulator and verifier all
    read this one declaration.

    Attributes:
        name: "hidden" or "cell"; unique within the op.
        dtype: "int8", "int16" or "int32".
        size: number of elements.
        initial: the stored value of every element after a reset.
        quantization: scale and zero point, for readers and oracles.
        is_in_tflite: whether a .tflite keeps it in a variable too.
    """

    name: str
    dtype: str
    size: int
    initial: int
    quantization: Quantization
    is_in_tflite: bool = True

    def to_tflite(self, name: str, batch: int) -> TfliteTensor:
        """The variable that keeps it in a .tflite file."""
        quantization = self.quantization
        scale, zero_point = (quantization.scale,), (quantization.zero_point,)
        return TfliteTensor(name, (batch, self.size), self.dtype, scale, zero_point, is_variable=True)
