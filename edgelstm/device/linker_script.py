"""The linker script of a microcontroller, rendered from its target's memory table."""

import jinja2

from edgelstm.device.targets import Target
from edgelstm.resources import targets_dir


def render_linker_script(target: Target) -> str:
    """The text of `targets/arch/<arch>/link.ld.j2` for a target."""
    template = (targets_dir() / "arch" / target.arch / "link.ld.j2").read_text(encoding="utf-8")
    environment = jinja2.Environment(
        undefined=jinja2.StrictUndefined,
        line_statement_prefix="%%",
        keep_trailing_newline=True,
    )
    return environment.from_string(template).render(
        target=target.name, memory=target.memory, flash=target.region("flash"), stack_bytes=target.stack_bytes
    )
