"""A model's name: it starts every C symbol and names the generated files."""

import re
import unicodedata

MAX_NAME_CHARACTERS = 40

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")

# <name>_t, <name>.h and <name>.c must not meet a type, header or file of C or of the generated firmware.
_TAKEN = re.compile(
    r"u?int(_fast|_least)?\d*|u?int(ptr|max)|s?size|ptrdiff|max_align|sig_atomic|w?char\d*|wint|wctrans|va_list"
    r"|auto|break|case|const|continue|default|do|double|else|enum|extern|for|goto|if|inline|long|register|restrict"
    r"|return|short|signed|sizeof|static|struct|switch|typedef|union|unsigned|void|volatile|while|bool|true|false"
    r"|asm|alignas|alignof|nullptr|typeof|class|new|delete|this|template"
    r"|assert|complex|ctype|errno|fenv|float|inttypes|iso646|limits|locale|math|setjmp|signal|std[a-z]+|string"
    r"|tgmath|threads|time|clock|uchar|wctype"
    r"|main|fault|measure|replay|runtime|startup|(el|port)(_.*)?|edgelstm.*"
)


def is_model_name(text: str) -> bool:
    """Whether `text` can name a model.

    That is a lower-case C identifier of at most 40 characters, with single underscores inside, that neither C
    nor the generated firmware uses itself.
    """
    return bool(
        len(text) <= MAX_NAME_CHARACTERS
        and _NAME.fullmatch(text) is not None
        and _TAKEN.fullmatch(text) is None
    )


def as_model_name(text: str) -> str:
    """Make a usable name of any text: "Spoken digits!" becomes "spoken_digits"."""
    plain = unicodedata.normalize("NFKD", text[: 4 * MAX_NAME_CHARACTERS]).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")
    if not name[:1].isalpha() or _TAKEN.fullmatch(name):
        name = f"model_{name}"
    return name[:MAX_NAME_CHARACTERS].rstrip("_")
