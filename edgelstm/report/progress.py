"""What a long operation tells whoever watches it."""

from typing import Protocol


class Progress(Protocol):
    """Receives news of a run; the command line shows them, a program may ignore them."""

    def note(self, text: str) -> None:
        """Something was done or found, in one line."""

    def detail(self, text: str) -> None:
        """The same, for those who asked for more."""

    def warn(self, text: str) -> None:
        """Something the user should know but that stops nothing."""

    def advance(self, what: str, done: int, total: int) -> None:
        """`what` has come as far as `done` of `total`."""


class Silent:
    """A Progress that keeps everything to itself."""

    def note(self, text: str) -> None:
        """Ignore."""

    def detail(self, text: str) -> None:
        """Ignore."""

    def warn(self, text: str) -> None:
        """Ignore."""

    def advance(self, what: str, done: int, total: int) -> None:
        """Ignore."""
