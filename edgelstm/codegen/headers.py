"""Which library headers a model's C includes, in the order of their inclusion.

Their texts do not depend on the model, except that edgelstm_tables.h holds what `--optimize` asks for.
"""

from collections.abc import Sequence

import jinja2

from edgelstm.codegen.activations import Headers, activation_headers
from edgelstm.codegen.items import Item
from edgelstm.codegen.layouts import PORTABLE, VECTOR_KERNELS
from edgelstm.codegen.options import Options
from edgelstm.ir import Model
from edgelstm.resources import templates_dir

VECTOR_LIBRARIES = (
    "rows", "activations", "requantize", "lstm", "recurrent", "hard_sigmoid",
    "depthwise", "normalization", "softmax", "attention", "rows16", "squash16", "lstm16",
)  # fmt: skip
"""Headers of the vector kernels, `templates/c/lib/<isa>_<part>.h` and its form without assembler,
`<isa>_<part>_intrinsics.h`, in the order of their inclusion."""


def library_headers(environment: jinja2.Environment, model: Model, options: Options, items: Sequence[Item]) -> Headers:
    """The headers that the items need, and the tables in them.

    A layout that few models use has a header of its own, `templates/c/isa/<isa>_<layout>.h`, or the portable one.
    """
    isa = PORTABLE if options.isa in VECTOR_KERNELS else options.isa
    parts = {part for item in items if item.vector for part in item.vector.parts}
    needed = {library for item in items for library in item.op.library if not (item.vector and library == "gates")}
    files = {"edgelstm_fixedpoint.h": _text("lib", "fixedpoint"), "edgelstm_isa.h": _text("isa", isa)}
    for layout in sorted({stream.header or stream.layout for item in items for stream in item.streams}):
        for owner in dict.fromkeys((PORTABLE, isa)):
            if (templates_dir() / "c" / "isa" / f"{owner}_{layout}.h").is_file():
                files[f"edgelstm_isa_{layout}.h"] = _text("isa", f"{owner}_{layout}")
    activations = Headers({}, ())
    if "activations" in needed:
        # Vectors compute the closed form; the portable one defines it, and stands in where there is no assembler.
        optimize = "size" if parts else options.optimize
        wide = [item for item in items if "squash16" in item.op.library]
        activations = activation_headers(
            environment,
            model.contract,
            optimize,
            options.constant_time,
            isa,
            is_wide=bool(wide),
            is_vector=all(item.vector for item in wide),
        )
    cell = {"edgelstm_isa_cell.h": _text("isa", f"{isa}_cell")} if any(item.cell for item in items) else {}
    vectors = [
        f"{options.isa}_{part}{form}" for part in VECTOR_LIBRARIES if part in parts for form in ("", "_intrinsics")
    ]
    libraries = {f"edgelstm_{name}.h": _text("lib", name) for name in (*vectors, *sorted(needed - {"activations"}))}
    return Headers({**files, **activations.files, **cell, **libraries}, activations.tables)


def _text(folder: str, name: str) -> str:
    return (templates_dir() / "c" / folder / f"{name}.h").read_text()
