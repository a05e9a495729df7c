"""C identifiers from arbitrary text: no name of a model or project file reaches C unchanged.

A model's name starts every symbol of its C, names its files and its type `<name>_t`; a layer's name stands behind it.
"""

import re
import unicodedata

MAX_NAME_CHARACTERS = 40

_NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_OURS = re.compile(r"(el|port)(_.*)?|edgelstm.*")

_KEYWORDS = (
    "alignas alignof and asm auto bitand bitor bool break case catch char class compl concept const consteval "
    "constexpr constinit continue decltype default delete do double else enum explicit export extern false float "
    "for friend goto if inline int long mutable namespace new noexcept not nullptr operator or private protected "
    "public register requires restrict return short signed sizeof static struct switch template this throw true "
    "try typedef typeid typename typeof union unsigned using virtual void volatile while xor main linux unix arm"
)

# <name>_t is a type of C's library or of POSIX, whose headers the user's sources may include.
_TYPES = (
    "blkcnt blksize caddr char16 char32 char8 clock clockid daddr dev div fenv fexcept fpos fsid gid id imaxdiv "
    "ino int16 int32 int64 int8 intmax intptr key ldiv lldiv loff locale max_align mbstate mode mtx nlink off "
    "once pid pthread ptrdiff quad quadword regex register rsize sig_atomic sigset size socklen ssize stack "
    "suseconds thrd time timer tss u_int16 u_int32 u_int64 u_int8 uid uint uint16 uint32 uint64 uint8 uintmax "
    "uintptr useconds va_list wchar wctrans wctype wint"
)
_SIZED_INTEGER = re.compile(r"u?int(_fast|_least)?\d*")

# <name>.h or <name>.c would hide a header of the system, or a file of the generated firmware.
_FILES = (
    "assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal string tgmath threads "
    "time uchar wchar wctype fault measure replay runtime startup"
)
_STANDARD_HEADER = re.compile(r"std[a-z]*")

_TAKEN = frozenset(f"{_KEYWORDS} {_TYPES} {_FILES}".split())


def is_model_name(text: str) -> bool:
    """Whether `text` can name a model.

    That is a lower-case C identifier of at most 40 characters, with single underscores inside, that neither C, C++
    nor the generated firmware uses itself.
    """
    patterns = (_OURS, _SIZED_INTEGER, _STANDARD_HEADER)
    return (
        len(text) <= MAX_NAME_CHARACTERS
        and _NAME.fullmatch(text) is not None
        and text not in _TAKEN
        and not any(pattern.fullmatch(text) for pattern in patterns)
    )


def as_model_name(text: str, kind: str = "model") -> str:
    """Make a usable name of any text: "Spoken digits!" becomes "spoken_digits", and a usable name stays as it is.

    Where nothing usable is left, or C uses the word itself, `kind` stands in front.
    """
    plain = unicodedata.normalize("NFKD", text[: 4 * MAX_NAME_CHARACTERS]).encode("ascii", "ignore").decode()
    name = re.sub(r"[^a-z0-9]+", "_", plain.lower()).strip("_")[:MAX_NAME_CHARACTERS].rstrip("_")
    if is_model_name(name):
        return name
    return f"{kind}_{name}"[:MAX_NAME_CHARACTERS].rstrip("_")
