"""The linker script of a microcontroller, rendered from its target's memory table."""

from functools import cache

import jinja2

from edgelstm.device.targets import Target
from edgelstm.resources import targets_dir


def render_linker_script(target: Target) -> str:
    """The text of `targets/arch/<arch>/link.ld.j2` for a target."""
    return _template(target.arch).render(
        target=target.name, memory=target.memory, flash=target.region("flash"), stack_bytes=target.stack_bytes
    )


@cache
def _template(arch: str) -> jinja2.Template:
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        line_statement_prefix="%%",
        keep_trailing_newline=True,
    )
    return environment.from_string((targets_dir() / "arch" / arch / "link.ld.j2").read_text(encoding="utf-8"))
