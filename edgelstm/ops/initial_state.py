"""Vectors that states start from: which of them fill which state."""

from collections.abc import Sequence


def by_state(sizes: Sequence[int], units: int, states: int) -> tuple[tuple[int, ...], ...] | None:
    """Share vectors out among states, in order, each state being one or several vectors one behind the other.

    Returns:
        The indices of the vectors of each state; None where they do not fill exactly `states` states of `units`.
    """
    found: list[tuple[int, ...]] = []
    current: list[int] = []
    filled = 0
    for index, size in enumerate(sizes):
        current.append(index)
        filled += size
        if filled >= units:
            if filled > units:
                return None
            found.append(tuple(current))
            current, filled = [], 0
    return tuple(found) if len(found) == states and not current else None
