"""A model's name: it starts every C symbol and names the generated files."""

import re

MAX_NAME_CHARACTERS = 48

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")

# <name>_t, <name>.h and <name>.c must not meet a type, header or file that C code already has.
_TAKEN = re.compile(
    r"u?int(_fast|_least)?\d*|u?int(ptr|max)|s?size|ptrdiff|wchar|wint|time|clock|el|main|startup"
    r"|assert|complex|ctype|errno|fenv|float|iso646|limits|locale|math|setjmp|signal|std[a-z]+|string|tgmath"
    r"|threads|uchar|wctype",
    re.IGNORECASE,
)


def is_model_name(text: str) -> bool:
    """Whether `text` can name a model: a C identifier of at most 48 characters that C does not use itself."""
    return bool(
        len(text) <= MAX_NAME_CHARACTERS
        and _NAME.fullmatch(text) is not None
        and _TAKEN.fullmatch(text) is None
    )


def as_model_name(text: str) -> str:
    """Make a usable name of any text: "Spoken digits!" becomes "spoken_digits"."""
    name = re.sub(r"[^a-z0-9]+", "_", text.lower()[: 4 * MAX_NAME_CHARACTERS]).strip("_")
    if not name[:1].isalpha() or _TAKEN.fullmatch(name):
        name = f"model_{name}".rstrip("_")
    return name[:MAX_NAME_CHARACTERS].rstrip("_")
