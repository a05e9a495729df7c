"""C identifiers from arbitrary text: no name of a model file reaches C unchanged."""

import re
import unicodedata
from collections.abc import Iterable

LONGEST = 40

_KEYWORDS = frozenset(
    "auto break case char const continue default do double else enum extern float for goto if inline int long "
    "register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while "
    "bool true false main asm alignas alignof nullptr typeof class new delete this template".split()
)

# A model's files must not hide a system header or one of ours.
_FILES = frozenset(
    "assert complex ctype errno fenv inttypes iso646 limits locale math setjmp signal stdarg stdbool stddef stdint "
    "stdio stdlib string tgmath time wchar wctype fault measure port replay runtime startup".split()
)

# <model>_<name> is part of the generated C beside the layers.
_API = frozenset("reset step output run selftest selftest_input hash t h".split())


def c_identifier(text: str, fallback: str = "model") -> str:
    """Turn text into a lower-case C identifier of at most LONGEST characters.

    Names that C reserves (keywords, leading underscores, our own `el_` prefix) get a letter in front.
    """
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")[:LONGEST].strip("_") or fallback
    if name[0].isdigit() or name in _KEYWORDS | _FILES or name.startswith(("el_", "port_", "edgelstm")):
        name = f"m_{name}"
    return name


def unique_identifiers(texts: Iterable[str], endings: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """One identifier for each layer name, all different from each other and from the functions of the C API.

    A name that ends like a symbol derived from a layer (`endings`, "kernel") gets "_layer" behind it, so that the
    layers "lstm" and "lstm_kernel" do not meet.
    """
    taken: list[str] = []
    for text in texts:
        base = c_identifier(text, "layer")
        if base in _API or base.endswith(tuple(f"_{ending}" for ending in endings)):
            base = f"{base}_layer"
        name, number = base, 2
        while name in taken:
            name = f"{base}_{number}"
            number += 1
        taken.append(name)
    return tuple(taken)
