"""Plain rows for int16 values: the stream of `Rows`, summed in 32 bits where these hold every sum, else in 64."""

from typing import ClassVar

from edgelstm.codegen.layouts.rows import Rows


class Rows16(Rows):
    """4 biases, then for each 4 columns a word of each row."""

    name: ClassVar[str] = "rows16"
    widen: ClassVar[str] = "el_copy16"


class LongRows16(Rows):
    """The same stream."""

    name: ClassVar[str] = "long16"
    widen: ClassVar[str] = "el_copy16"
    sum_limit: ClassVar[int] = 2**47
    sum_type: ClassVar[str] = "int64_t"
