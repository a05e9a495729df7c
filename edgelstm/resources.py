"""Where `templates/` and `targets/` are: beside the package in a checkout, inside it in a wheel."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def templates_dir() -> Path:
    """The folder of Jinja templates and C library headers."""
    return _folder("templates")


def targets_dir() -> Path:
    """The folder of target descriptions."""
    return _folder("targets")


def _folder(name: str) -> Path:
    packed = _PACKAGE / "_data" / name
    return packed if packed.is_dir() else _PACKAGE.parent / name
