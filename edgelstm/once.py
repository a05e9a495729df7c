"""A value that several threads want and one of them computes."""

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from threading import Lock
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Once(Generic[Value]):
    """Values by key: the first who asks computes, the others wait; an error is everybody's."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._values: dict[Hashable, Future[Value]] = {}

    def get(self, key: Hashable, compute: Callable[[], Value]) -> Value:
        """The value of a key; raises what `compute` raised when it was called for it."""
        with self._lock:
            is_first = key not in self._values
            future = self._values.setdefault(key, Future())
        if is_first:
            try:
                future.set_result(compute())
            except BaseException as error:
                future.set_exception(error)
        return future.result()
