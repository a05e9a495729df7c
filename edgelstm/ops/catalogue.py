"""What is supported, as the table of the README shows it."""

from edgelstm.ops.registry import ENTRIES, VANISHING, Entry

_CUSTOM = "CUSTOM:"
_HEAD = ("layer in Keras", "in a `.tflite`, read and written", "streams", "contract")
_NOWHERE = "-"


def layer_table() -> str:
    """Markdown, a row for each entry of the registry, and one for what vanishes."""
    rows = [_row(entry) for entry in ENTRIES]
    rows.append((", ".join(sorted(VANISHING - {"InputLayer"})), _NOWHERE, "yes", "nothing to compute"))
    lines = [_HEAD, ("---",) * len(_HEAD), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _row(entry: Entry) -> tuple[str, ...]:
    names = ", ".join((*entry.layers, *([entry.label] if entry.label else ())))
    operators = ", ".join(f"`{name.removeprefix(_CUSTOM)}`" for name in entry.operators) or _NOWHERE
    operators += "".join(f"; `{name}` is read" for name in entry.foreign)
    return names, operators, entry.streams, _contracts(entry)


def _contracts(entry: Entry) -> str:
    if entry.contract:
        return entry.contract
    own = any(name.startswith(_CUSTOM) for name in entry.operators)
    official = any(not name.startswith(_CUSTOM) for name in entry.operators)
    return ", ".join((["litert", "tflm"] if official else []) + (["native"] if own else []))
