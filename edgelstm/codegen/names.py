"""The symbols of a model's layers."""

from collections.abc import Iterable

from edgelstm.identifiers import as_model_name

# <model>_<name> is part of the generated C beside the layers.
_API = frozenset(
    ["reset", "step", "input", "output", "output_slice", "run", "selftest", "selftest_input", "hash", "t", "h", "state"]
)


def layer_identifiers(texts: Iterable[str], endings: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """One identifier for each layer name, all different from each other and from the functions of the C API.

    A name that ends like a symbol derived from a layer (`endings`, "kernel") gets "_layer" behind it, so that the
    layers "lstm" and "lstm_kernel" do not meet.
    """
    taken: dict[str, None] = {}
    for text in texts:
        base = as_model_name(text, "layer")
        if base in _API or base.endswith(tuple(f"_{ending}" for ending in endings)):
            base = f"{base}_layer"
        name, number = base, 2
        while name in taken:
            name = f"{base}_{number}"
            number += 1
        taken[name] = None
    return tuple(taken)
