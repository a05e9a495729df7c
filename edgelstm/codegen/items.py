"""What the templates know of one op: names, places, constants, and its weights in a layout."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import jinja2
import numpy as np

from edgelstm.codegen.arrays import Declaration, declare
from edgelstm.codegen.cell import CellUpdate, cell_update
from edgelstm.codegen.layouts import (
    NARROW_LAYOUTS,
    ROW_GROUP,
    VECTOR_KERNELS,
    Layout,
    flash_qualifier,
    layouts16,
    padded,
)
from edgelstm.codegen.options import Options
from edgelstm.codegen.plan import PlannedOp
from edgelstm.codegen.vector_native import VectorNative
from edgelstm.codegen.vector_values import VectorValues
from edgelstm.codegen.vectors import Vectors, vector_form
from edgelstm.codegen.weights import PackedWeights, pack
from edgelstm.codegen.weights16 import pack16
from edgelstm.ir import Matrix, Model, Op
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.weight_bits import NARROW


@dataclass(frozen=True, eq=False)
class Weights:
    """An op's weight stream.

    Attributes:
        symbol: of the C array.
        layout: as in the names of the functions that read it.
        header: see `Layout.header`.
        widen: see `Layout.widen`.
        is_narrow: whether weights have 4 bits.
        declaration: the array, its layout and its bound.
        grouped_rows: rows in groups of 4; the rest follow one by one.
        padded_columns: values that a row of the first matrix meets, with those that fill its last block.
        gate_scales: constants of `el_gates_<layout>` for each matrix; () where the template spells the steps out.
        gate_shifts: the shifts that belong to them.
        scales_symbol: of the array with the multipliers of all rows, in the order of the stream; "" without.
        scale_words: how many of its elements 4 rows use.
        row_shifts: of each matrix.
        is_fused: whether `el_gates_<layout>` takes these multipliers.
        sum_type: C type of a sum.
    """

    symbol: str
    layout: str
    declaration: str
    grouped_rows: int
    padded_columns: int
    gate_scales: tuple[Declaration, ...]
    gate_shifts: tuple[tuple[int, ...], ...]
    scales_symbol: str = ""
    scale_words: int = 0
    row_shifts: tuple[int, ...] = ()
    is_fused: bool = False
    sum_type: str = "int32_t"
    header: str = ""
    widen: str = "el_widen"
    is_narrow: bool = False

    @property
    def corrects(self) -> bool:
        """Whether the widening function returns a correction, which the functions that read its values take."""
        return self.widen != "el_copy16"

    @property
    def scale_type(self) -> str:
        """The C type of the elements of `scales_symbol`."""
        return "uint8_t" if self.is_narrow else "int32_t"


@dataclass(frozen=True, eq=False)
class Item:
    """One op, as its template sees it. `declared` are all its constant arrays, `constants` those beside the weights."""

    op: Op
    identifier: str
    symbol: str
    facts: object
    streams: tuple[Weights, ...]
    vector: Vectors | None
    cell: CellUpdate | None
    constants: tuple[Declaration, ...]
    declared: tuple[Declaration, ...]
    padded_input: int
    padded_output: int
    text: str = ""

    @property
    def weights(self) -> Weights | None:
        """The stream of an op that has one."""
        return self.streams[0] if self.streams else None

    @property
    def row_shifts(self) -> tuple[int, ...]:
        """The shift of each matrix of all streams."""
        return tuple(shift for stream in self.streams for shift in stream.row_shifts)


def make_item(
    environment: jinja2.Environment,
    model: Model,
    name: str,
    planned: PlannedOp,
    options: Options,
    layouts: tuple[Layout, ...],
) -> Item:
    """Pack an op's weights and render its C."""
    op, contract = planned.op, model.contract
    vector = vector_form(op, contract) if options.isa in VECTOR_KERNELS else None
    symbol, flash = f"{name}_{planned.identifier}", flash_qualifier(options.isa)
    constants = tuple(
        declare(f"{symbol}_{constant.name}", constant.values.ravel(), constant.role, constant.comment, qualifier=flash)
        for constant in op.constants(contract)
        if not (vector and constant.name in vector.replaced)
    )
    streams = _vector_streams(symbol, vector) if vector else _streams(op, symbol, contract, layouts, options.isa)
    packed = list(streams)
    scales = tuple(scale for one in packed for scale in one.scales)
    item = Item(
        op=op,
        identifier=planned.identifier,
        symbol=symbol,
        facts=op.facts(contract),
        streams=tuple(one.weights for one in packed),
        vector=vector,
        cell=cell_update(op, contract, options)
        if any(one.weights.gate_scales or one.weights.is_fused for one in packed)
        else None,
        constants=(*constants, *scales),
        declared=(*(one.declaration for one in packed), *constants, *scales),
        padded_input=padded(op.input.size),
        padded_output=padded(op.output.size),
    )
    template = environment.get_template(f"ops/{op.kind}{f'_{options.isa}' if vector else ''}.c.j2")
    text = template.render(model=name, item=item, op=op, contract=contract.value, flash=flash)
    return replace(item, text=text + _begin(environment, name, item))


def _begin(environment: jinja2.Environment, name: str, item: Item) -> str:
    """The function that fills the states with what the op starts from; "" where it starts from nothing."""
    loads = item.op.loads
    if not loads:
        return ""
    vectors = list(dict.fromkeys(load.source for load in loads))
    return "\n" + environment.get_template("ops/begin.c.j2").render(model=name, item=item, loads=loads, vectors=vectors)


@dataclass(frozen=True, eq=False)
class _Stream:
    """A stream with its array and the arrays of its multipliers."""

    weights: Weights
    declaration: Declaration
    scales: tuple[Declaration, ...] = ()


def _vector_streams(symbol: str, vector: Vectors) -> Iterator[_Stream]:
    if isinstance(vector, VectorValues):
        return
    stream = declare(f"{symbol}_weights", vector.words, "weights", vector.comment, " EL_ALIGNED")
    weights = Weights(stream.name, "vectors", stream.declaration, 0, 0, (), ())
    if isinstance(vector, VectorNative):
        scales = declare(f"{symbol}_row_scales", vector.scales, "weights", vector.scales_comment)
        yield _Stream(replace(weights, scales_symbol=scales.name), stream, (scales,))
    else:
        yield _Stream(weights, stream)


def _packed(matrices: tuple[Matrix, ...], layouts: tuple[Layout, ...], contract: Contract, isa: str) -> PackedWeights:
    if matrices[0].value_dtype == "int16":
        return pack16(matrices, layouts16(isa))
    chosen = NARROW_LAYOUTS[isa] if matrices[0].bits == NARROW else layouts
    return pack(matrices, chosen, fused=contract is not Contract.TFLM)


def _streams(op: Op, symbol: str, contract: Contract, layouts: tuple[Layout, ...], isa: str) -> Iterator[_Stream]:
    flash = flash_qualifier(isa)
    for prefix, matrices in (("", op.matrices(contract)), ("second_", op.second_matrices(contract))):
        if matrices:
            packed = _packed(matrices, layouts, contract, isa)
            stream = declare(f"{symbol}_{prefix}weights", packed.words, "weights", _comment(packed), "", flash)
            scales = _scales(f"{symbol}_{prefix}", packed, flash)
            groups = len(matrices) * (packed.grouped_rows // ROW_GROUP)
            yield _Stream(
                Weights(
                    symbol=stream.name,
                    layout=packed.layout.name,
                    sum_type=packed.layout.sum_type,
                    declaration=stream.declaration,
                    grouped_rows=packed.grouped_rows,
                    padded_columns=padded(matrices[0].weights.shape[1]),
                    gate_scales=scales if packed.gate_scales else (),
                    gate_shifts=packed.gate_shifts,
                    scales_symbol=scales[0].name if packed.row_scales else "",
                    scale_words=len(packed.row_scales) // groups if packed.row_scales else 0,
                    row_shifts=packed.row_shifts,
                    is_fused=packed.is_fused,
                    header=packed.layout.header,
                    widen=packed.layout.widen,
                    is_narrow=matrices[0].bits == NARROW,
                ),
                stream,
                scales,
            )


def _scales(prefix: str, packed: PackedWeights, flash: str) -> tuple[Declaration, ...]:
    """The arrays of multipliers: of the rows, or of the gates."""
    if packed.row_scales and packed.has_factors:
        comment = "Of each row, in the order of the weights: its sum is multiplied by this."
        values = np.array(packed.row_scales, np.uint8)
        return (declare(f"{prefix}row_scales", values, "weights", comment, " EL_ALIGNED", flash),)
    if packed.row_scales:
        words = packed.layout.scales_comment if packed.is_fused else "4 multipliers"
        comment = f"For each 4 rows of the weights in turn: {words}."
        return (declare(f"{prefix}row_scales", np.array(packed.row_scales, np.int32), "weights", comment, "", flash),)
    return tuple(
        declare(
            f"{prefix}{key}", np.array(values, np.int32), "other_constants", packed.layout.scales_comment, "", flash
        )
        for key, values in zip(("input_scales", "recurrent_scales"), packed.gate_scales, strict=False)
    )


def _comment(packed: PackedWeights) -> str:
    """The layout, and the bound that makes it exact with the figure that keeps it."""
    layout = packed.layout
    text = f"Layout {layout.name}: {layout.comment}."
    if layout.sum_limit < 2**31:
        text += f"\n * Exact while sums stay below {layout.sum_limit}; none exceeds {packed.largest_sum}."
    return text
