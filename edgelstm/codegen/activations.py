"""The C of sigmoid and tanh: which tables a choice of cost needs, and the headers that hold them and the functions.

Order of inclusion: edgelstm_isa.h, edgelstm_fixedpoint.h, edgelstm_tables.h, edgelstm_isa_activations.h where the
instruction set has one (`templates/c/isa/<isa>_activations.h`), and then the portable edgelstm_activations.h, which
leaves out each function el_<name> for which EL_OWN_<NAME> is defined.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import jinja2

from edgelstm.codegen.arrays import Declaration, declare
from edgelstm.codegen.layouts import flash_qualifier
from edgelstm.numerics import activations
from edgelstm.numerics.activation_tables import (
    EXPONENTIAL_OF_EIGHT,
    EXPONENTIAL_OF_ZERO,
    SigmoidTable,
    exponential_table,
    sigmoid_table,
)
from edgelstm.numerics.contracts import Contract
from edgelstm.numerics.squash16 import squash_table
from edgelstm.resources import templates_dir


@dataclass(frozen=True)
class Headers:
    """Header files by name in the order of their inclusion, and the constant arrays in them."""

    files: Mapping[str, str]
    tables: tuple[Declaration, ...]


def activation_headers(
    environment: jinja2.Environment,
    contract: Contract,
    optimize: str,
    constant_time: bool,
    isa: str,
    *,
    is_wide: bool = False,
    is_vector: bool = False,
) -> Headers:
    """Render the headers of the activations.

    Args:
        environment: loads from templates/c.
        contract: `tflm` has one form, to which the other choices do not apply.
        optimize: "size" (closed form), "balanced" (1 KB of tables) or "speed" (13 KB).
        constant_time: no branch or table miss depends on data; "speed" then has the tables of "balanced".
        isa: its own functions replace portable ones, where it has any.
        is_wide: for int16 values too, which have a table for "speed" and for constant time.
        is_vector: whether vectors alone meet these, which read the contract's own table.
    """
    tables = _tables(contract, optimize, constant_time, flash_qualifier(isa))
    squash = is_wide and not is_vector and (optimize == "speed" or constant_time)
    tables += _squash_table(flash_qualifier(isa)) if squash else ()
    own = _own(contract, isa)
    names = {table.name for table in tables}
    choices = {
        "EL_SMALL": f"{int(optimize == 'size')} /* call rather than inline */",
        "EL_EXPONENTIAL_TABLE": f"{int('el_exponential_table' in names)} /* the table is there */",
        "EL_SIGMOID_TABLE": f"{SigmoidTable.SIZE if 'el_sigmoid_base' in names else 0}u /* for z < 3.1875 */",
    }
    context = {
        "small": optimize == "size",
        "constant_time": constant_time,
        "tables": tables,
        "names": names,
        "table_bytes": sum(table.values.nbytes for table in tables),
        "choices": _wide_choices(is_wide, squash) if contract is Contract.TFLM else choices,
        "exponential_of_zero": EXPONENTIAL_OF_ZERO,
        "exponential_of_eight": EXPONENTIAL_OF_EIGHT,
        "own": own is not None,
    }
    files = {"edgelstm_tables.h": environment.get_template("lib/tables.h.j2").render(context)}
    if own is not None:
        files["edgelstm_isa_activations.h"] = own
    template = environment.get_template(f"lib/{'tflm' if contract is Contract.TFLM else 'litert'}_activations.h.j2")
    files["edgelstm_activations.h"] = template.render(context)
    return Headers(files, tables)


def _wide_choices(is_wide: bool, squash: bool) -> Mapping[str, str]:
    return {"EL_SQUASH_TABLE": f"{int(squash)} /* the table is there */"} if is_wide else {}


def _squash_table(flash: str) -> tuple[Declaration, ...]:
    comment = "Sigmoid, Q0.25 and what rounds it, in pieces of 512 steps of 1 / (3 * 2^12): start, slope."
    return (declare("el_squash_table", squash_table().ravel(), "tables", comment, " EL_ALIGNED", flash),)


def _own(contract: Contract, isa: str) -> str | None:
    """The instruction set's functions; `isa` names a header of ours."""
    path = templates_dir() / "c" / "isa" / f"{isa}_activations.h"
    return path.read_text() if contract is not Contract.TFLM and path.is_file() else None


def _tables(contract: Contract, optimize: str, constant_time: bool, flash: str) -> tuple[Declaration, ...]:
    if contract is Contract.TFLM:
        return (declare("el_sigmoid_table", activations.tflm_table(), "tables", "sigmoid(k / 24), Q0.16.", "", flash),)
    if optimize == "size":
        return ()
    if optimize == "balanced" or constant_time:
        return _exponential_tables(flash)
    return _sigmoid_tables(flash)


def _exponential_tables(flash: str) -> tuple[Declaration, ...]:
    comment = (
        "exp(-(j + 1) / 4096), Q0.15, j < 4096, in pieces of 32, two words each. With k = j & 31 and the lower\n"
        " * half of the first word as slope: (first + slope * (32 k + 8)) >> 17, plus the bit that the second,\n"
        " * rotated right by k, has on top."
    )
    return (declare("el_exponential_table", exponential_table().words, "tables", comment, " EL_ALIGNED", flash),)


def _sigmoid_tables(flash: str) -> tuple[Declaration, ...]:
    table = sigmoid_table()
    base = "sigmoid(i / 4096), Q0.15, is this at i >> 7 plus twice the residual at i."
    tanh_base = "tanh(i / 8192) / 2, Q0.15, is this at i >> 7 plus twice the residual at i."
    return (
        declare("el_sigmoid_base", table.base, "tables", base, "", flash),
        declare("el_tanh_base", table.tanh_base, "tables", tanh_base, "", flash),
        declare("el_sigmoid_residuals", table.residuals, "tables", f"For i < {SigmoidTable.SIZE}.", "", flash),
    )
