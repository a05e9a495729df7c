"""The stages that an output folder keeps, and which of their files belong to the user."""

from edgelstm.output import OutputFolder

MODEL, SOURCE, FIRMWARE, REPORT = "model", "source", "firmware", "report"

EDITABLE = frozenset({"src/main.c"})
"""The firmware's main is the user's starting point: what they change is kept and compiled."""


def begin(folder: OutputFolder, stage: str) -> None:
    """Before a stage is made again: it counts as not done, and no report speaks of firmware that it does not know."""
    folder.forget(stage)
    folder.withdraw(REPORT)
