"""The stages that an output folder keeps, and which of their files belong to the user."""

from edgelstm.output import OutputFolder

MODEL, SOURCE, FIRMWARE, REPORT = "model", "source", "firmware", "report"

EDITABLE = frozenset({"src/main.c"})
"""The firmware's main is the user's starting point: what they change is kept and compiled."""


_GOES = {
    MODEL: (REPORT, FIRMWARE, SOURCE),
    SOURCE: (REPORT, FIRMWARE),
    FIRMWARE: (REPORT, FIRMWARE),
    REPORT: (REPORT,),
}
"""What no longer belongs to the rest when a stage is made again. It may fail or be interrupted: firmware that is left
would be that of other C. Model and C themselves are replaced at once."""


def begin(folder: OutputFolder, stage: str) -> None:
    """Before a stage is made again: it counts as not done, and nothing stays that was made of what it replaces."""
    folder.forget(stage)
    for gone in _GOES[stage]:
        folder.withdraw(gone)
