"""Jobs that mostly wait for programs, on all cores of this computer."""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from edgelstm.device.process import programs_stopped

Result = TypeVar("Result")


def side_by_side(jobs: Sequence[Callable[[], Result]]) -> list[Result]:
    """Do all jobs and return their results in order.

    If one fails, or on Ctrl-C, the programs of all others are ended and awaited before the error goes on.
    """
    # One more than cores: there is always one that computes nothing, but reads or writes files.
    with ThreadPoolExecutor(max_workers=1 + (os.cpu_count() or 1)) as pool:
        futures = [pool.submit(job) for job in jobs]
        try:
            return [future.result() for future in futures]
        except BaseException:
            with programs_stopped():
                pool.shutdown(wait=True, cancel_futures=True)
            raise
