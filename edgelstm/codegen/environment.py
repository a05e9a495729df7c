"""The one Jinja environment."""

from functools import lru_cache

import jinja2

from edgelstm.resources import templates_dir


@lru_cache(maxsize=1)
def template_environment() -> jinja2.Environment:
    """Templates of `templates/c`: an undefined name is an error, blocks leave no blank lines."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_dir() / "c"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["real"] = lambda value: f"{value:.9g}"
    environment.filters["c_float"] = _c_float
    environment.filters["member"] = lambda expression: expression.removeprefix("self->")
    environment.filters["plus"] = lambda value: f"+ {value}" if value >= 0 else f"- {-value}"
    return environment


def _c_float(value: float) -> str:
    text = f"{value:.9g}"
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"
