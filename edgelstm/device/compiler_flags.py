"""Which options of a target's file a compiler is given."""

import re
from collections.abc import Sequence

_FLAG = re.compile(r"-(m|D|fno-|ffixed-)[\w.+=-]*|-l(gcc|compiler_rt)")
"""What chooses a core. No option that names a file or a program: a target's file may come from anywhere."""
_TRIPLE = re.compile(r"[a-z0-9][\w.+-]*")
_TARGET = "-target"


def forbidden_flags(flags: Sequence[str]) -> list[str]:
    """Those that do more than choose a core. A bare word is an input file, except right behind `-target`."""
    behind = ["", *flags]
    return [
        flag
        for before, flag in zip(behind, flags, strict=False)
        if (_TRIPLE if before == _TARGET else _FLAG).fullmatch(flag) is None and flag != _TARGET
    ]
