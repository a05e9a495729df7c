"""What the command line makes of a firmware's own report."""

from edgelstm.device.flash.selftest import SELFTEST_FAILED
from edgelstm.device.runners import EXIT_FAULT
from edgelstm.errors import FlashError, MismatchError


def require_passed(exit_code: int | None, output: str) -> None:
    """Raise MismatchError if the self-test failed, FlashError if the firmware faulted or ended otherwise badly.

    Args:
        exit_code: how it ended, None if nobody knows.
        output: what it said, to be told with the error.
    """
    if exit_code in (0, None):
        return
    said = f"; it said:\n{output.rstrip()}" if output else ""
    if exit_code == SELFTEST_FAILED:
        raise MismatchError(
            f"the program is loaded, but its self-test failed: this chip computes other values{said}",
            "check that it was built for this chip, and that nothing else changes its memory or its clock",
        )
    cause = "it faulted" if exit_code == EXIT_FAULT else f"it ended with exit code {exit_code}"
    raise FlashError(
        f"the program is loaded, but {cause}{said}", "check that it was built for the chip that is connected"
    )
