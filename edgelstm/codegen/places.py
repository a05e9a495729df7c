"""Where a tensor lives in the C, and where its elements are."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Place:
    """Where a tensor lives: a C array and the offset of the tensor's first element in it."""

    array: str
    offset: int | str = 0

    @property
    def expression(self) -> str:
        """C expression of the first element's address."""
        return f"&{self.array}[{self.offset}]" if self.offset else self.array

    def element(self, index: str) -> str:
        """C expression of an element."""
        return f"{self.array}[{self.offset} + {index}]" if self.offset else f"{self.array}[{index}]"


def index_of(tick: str | None, count: int, is_reversed: bool) -> str | int:
    """The number of the element of a tick, or of the last."""
    if tick is None:
        return 0 if is_reversed else count - 1
    return f"({count - 1}u - {tick})" if is_reversed else tick


def piece(whole: Place, size: int, index: str | int) -> Place:
    """An element of a place that holds several, one behind the other."""
    if isinstance(index, int):
        assert isinstance(whole.offset, int)
        return Place(whole.array, whole.offset + size * index)
    found = numbered(whole.array, size, index)
    return replace(found, offset=f"{whole.offset} + {found.offset}") if whole.offset else found


def numbered(array: str, size: int, index: str) -> Place:
    """The element of a C expression's number in an array of elements of that size."""
    return Place(array, f"{size}u * {index}" if size > 1 else index.strip("()"))
