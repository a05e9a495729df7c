"""Amounts with units, as people write them."""

import re

_BYTES = re.compile(r"(\d{1,9})(K|M)?B?", re.IGNORECASE)
_FACTORS = {"": 1, "k": 1 << 10, "m": 1 << 20}


def bytes_of(text: str) -> int | None:
    """The bytes of "65536" or "64K"; K stands for 1024, M for 1024 K. None of what is no such text."""
    found = _BYTES.fullmatch(text.strip())
    return None if found is None else int(found.group(1)) * _FACTORS[(found.group(2) or "").lower()]
