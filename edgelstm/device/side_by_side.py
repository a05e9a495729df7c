"""Jobs that mostly wait for programs, on all cores of this computer."""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

from edgelstm.device.process import stopped_by

Result = TypeVar("Result")


def side_by_side(
    jobs: Sequence[Callable[[], Result]], finished: Callable[[Result], None] | None = None
) -> list[Result]:
    """Do all jobs and return their results in order.

    If one fails, or on Ctrl-C, the programs of all others are ended and awaited before the error goes on; those of
    other calls go on, except where this one is itself a job of theirs that ends. Jobs may do jobs side by side.

    Args:
        jobs: called without arguments, in several threads.
        finished: told each result as it comes, one at a time, in the thread of its job.
    """
    stop, lock = threading.Event(), threading.Lock()

    def announced(job: Callable[[], Result]) -> Result:
        result = job()
        if finished is not None:
            with lock:
                finished(result)
        return result

    # One more than cores: there is always one that computes nothing, but reads or writes files.
    with ThreadPoolExecutor(max_workers=1 + (os.cpu_count() or 1)) as pool:
        futures = [pool.submit(stopped_by(stop, partial(announced, job))) for job in jobs]
        try:
            return [future.result() for future in futures]
        except BaseException:
            stop.set()
            pool.shutdown(wait=True, cancel_futures=True)
            raise
