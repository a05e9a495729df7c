"""Embedding: each id of the model's input becomes a row of a table."""

from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np
import numpy.typing as npt

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import (
    MOST_IDS,
    AnyArray,
    BoolArray,
    Constant,
    FloatArray,
    IntArray,
    KerasLayer,
    Layer,
    Observe,
    Pace,
    QuantizedTensor,
    Ranges,
    SourceLayer,
    Tensor,
    TfliteOperator,
    TfliteTensor,
    UnaryOp,
)
from edgelstm.numerics.contracts import Contract
from edgelstm.ops import scales
from edgelstm.ops.sources import array, flag, integer, shape_problems

MOST_ELEMENTS = 1 << 22
"""Elements of a table: more bytes fit no microcontroller."""

_NOT_THE_INPUT = "reads what another layer computes; ids are read from the model's input alone"


def known_ids(values: AnyArray, vocabulary: int) -> npt.NDArray[np.int64]:
    """Ids of any numeric type as int64; one outside 0..vocabulary-1 counts as 0, so that no table is left."""
    return np.where((values >= 0) & (values < vocabulary), values, 0).astype(np.int64)


@dataclass(frozen=True, eq=False)
class EmbeddingLayer(KerasLayer):
    """Looks ids up.

    Attributes:
        table: (ids, output size) float32.
        mask_zero: whether the id 0 stands for a step that does not count.
    """

    reads_ids: ClassVar[bool] = True

    table: FloatArray
    mask_zero: bool = False

    @property
    def parameters(self) -> int:
        """The table."""
        return self.table.size

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """An input that another layer computes, or a table that is too large or of another shape."""
        problems = [] if input_tensor.vocabulary else [_NOT_THE_INPUT]
        ids, size = source.config.get("input_dim"), integer(source, "output_dim")
        if isinstance(ids, int) and (ids > MOST_IDS or ids * size > MOST_ELEMENTS):
            return [*problems, _too_large(ids, size)]
        return problems + shape_problems(source, [(integer(source, "input_dim"), size)])

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build the layer from Keras' Embedding."""
        output = Tensor(source.name, integer(source, "output_dim"), is_sequence=True)
        return (cls(source.name, input_tensor, output, array(source, 0), flag(source, "mask_zero", default=False)),)

    def mask(self, inputs: tuple[FloatArray, ...]) -> BoolArray | None:
        """See `Layer.mask`."""
        return known_ids(inputs[0][..., 0], self.input.vocabulary) != 0 if self.mask_zero else None

    def forward(self, inputs: FloatArray, observe: Observe) -> FloatArray:
        """(batch, time, 1) whole numbers -> (batch, time, size)."""
        rows: FloatArray = self.table[known_ids(inputs[..., 0], self.input.vocabulary)]
        return rows

    def quantize(self, ranges: Ranges, input_tensor: QuantizedTensor) -> "Embedding":
        """The scale spans the whole table, whatever words calibration saw."""
        table = self.table[: input_tensor.vocabulary].astype(np.float64)
        result = scales.asymmetric_int8(float(table.min()), float(table.max()))
        stored = np.clip(np.rint(table / result.scale) + result.zero_point, -128, 127).astype(np.int8)
        output = QuantizedTensor(self.output.name, self.output.size, is_sequence=True, quantization=result)
        return Embedding(self.name, input_tensor, output, stored, self.mask_zero)


@dataclass(frozen=True, eq=False)
class Embedding(UnaryOp):
    """GATHER of TensorFlow Lite along the first axis.

    Attributes:
        table: int8 (ids, output size), at the output's scale and zero point.
        mask_zero: whether a step with the id 0 leaves all behind it as it is; no official file can say that, so that
            the op is then `native`.
    """

    kind: ClassVar[str] = "embedding"
    reads_ids: ClassVar[bool] = True

    table: IntArray
    mask_zero: bool = False

    @property
    def is_native(self) -> bool:
        """See the class."""
        return self.mask_zero

    @property
    def pace(self) -> Pace | None:
        """Where 0 is a mask, it yields where values say so."""
        return Pace(name=self.name) if self.mask_zero else None

    def yields(self, values: tuple[IntArray, ...], state: tuple[IntArray, ...]) -> BoolArray:
        """See `Op.yields`."""
        counts: BoolArray = known_ids(values[0][:, 0], len(self.table)) != 0
        return counts | (not self.mask_zero)

    @property
    def parameters(self) -> int:
        """The table."""
        return self.table.size

    def simulate(
        self, contract: Contract, values: IntArray, state: tuple[IntArray, ...]
    ) -> tuple[IntArray, tuple[IntArray, ...]]:
        """Compute one evaluation; see `Op.simulate`."""
        return self.table[known_ids(values[:, 0], len(self.table))], ()

    def constants(self, contract: Contract) -> tuple[Constant, ...]:
        """The table."""
        ids, size = self.table.shape
        return (Constant("table", self.table, "weights", f"{ids} rows of {size} values, int8"),)

    def to_tflite(self, batch: int, timesteps: int) -> tuple[TfliteOperator, ...]:
        """Write one GATHER, or a custom operator like it where 0 is a mask."""
        ids, rows = (tensor.to_tflite(batch, timesteps) for tensor in (self.input, self.output))
        table = TfliteTensor(
            f"{self.name}/table", self.table.shape, "int8", rows.scales, rows.zero_points, data=self.table
        )
        if self.mask_zero:
            return (TfliteOperator("CUSTOM:edgelstm.embedding", (table, ids), (rows,), {"mask_zero": True}),)
        return (TfliteOperator("GATHER", (table, ids), (rows,), {"axis": 0, "batch_dims": 0}, version=2),)

    @classmethod
    def from_tflite(cls, operator: TfliteOperator, input_tensor: QuantizedTensor) -> Self:
        """Rebuild the op from a GATHER, an EMBEDDING_LOOKUP or the custom operator."""
        output = QuantizedTensor.from_tflite(operator.outputs[0], is_sequence=True)
        label = f"{operator.builtin} {output.name!r}"
        table = next((one.data for one in operator.inputs if one is not None and one.data is not None), None)
        if table is None or not input_tensor.vocabulary:
            raise UnsupportedModelError([f"{label} {_NOT_THE_INPUT}"])
        if table.size > MOST_ELEMENTS:
            raise UnsupportedModelError([f"{label} {_too_large(*table.shape)}"])
        mask_zero = bool(operator.options.get("mask_zero", False))
        return cls(output.name, input_tensor, output, table[: input_tensor.vocabulary], mask_zero)


def _too_large(ids: int, size: int) -> str:
    return f"has a table of {ids} x {size}; at most {MOST_IDS} ids and {MOST_ELEMENTS >> 20} MiB are supported"
