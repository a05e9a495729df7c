"""Constant arrays as C text."""

from dataclasses import dataclass

from edgelstm.ir import AnyArray

_LINE_WIDTH = 110


@dataclass(frozen=True, eq=False)
class Declaration:
    """A constant array, the memory role it counts for ("weights", "tables"), and its C text."""

    name: str
    values: AnyArray
    role: str
    declaration: str


def declare(
    name: str, values: AnyArray, role: str, comment: str = "", attributes: str = "", qualifier: str = ""
) -> Declaration:
    """An array with the text that defines it; see `array_text`."""
    return Declaration(name, values, role, array_text(name, values, comment, attributes, qualifier))


def array_text(name: str, values: AnyArray, comment: str = "", attributes: str = "", qualifier: str = "") -> str:
    """A C array definition in row-major order, wrapped.

    Args:
        name: of the array.
        values: int8 to int32, signed or not.
        comment: in front of it.
        attributes: follow the brackets, and start with a blank.
        qualifier: in front of the type, and ends with a blank; see `layouts.flash_qualifier`.
    """
    dtype = str(values.dtype)
    lines: list[str] = []
    line = "   "
    for value in values.ravel():
        text = _literal(int(value), dtype)
        if len(line) + len(text) + 2 > _LINE_WIDTH:
            lines.append(line)
            line = "   "
        line += f" {text},"
    lines.append(line)
    head = f"/* {comment} */\n" if comment else ""
    body = "\n".join(lines)
    return f"{head}static const {qualifier}{dtype}_t {name}[{values.size}]{attributes} = {{\n{body}\n}};"


def _literal(value: int, dtype: str) -> str:
    if dtype == "uint32":
        return f"0x{value:08x}u"
    if dtype.startswith("uint"):
        return f"{value}u"
    return "INT32_MIN" if value == -(2**31) else str(value)
