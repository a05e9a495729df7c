"""What a firmware prints about itself: the line of its self-test, or the report of a fault."""

import re

from edgelstm.device.runners import EXIT_FAULT

SELFTEST_FAILED = 1
"""What the generated `app_main` returns then."""

REPORT = re.compile(r"selftest (?P<verdict>passed|failed)|^fault(?:: .*)?\n", re.MULTILINE)
"""A report to its end, wherever a program that shows it puts it in a line."""


def exit_code_shown(output: str) -> int | None:
    """The exit code that the first report in a firmware's output stands for, None if there is none."""
    report = REPORT.search(output)
    if report is None:
        return None
    return {"passed": 0, "failed": SELFTEST_FAILED}.get(report["verdict"] or "", EXIT_FAULT)
