"""Which limits a model would exceed, where the widths of its layers are chosen within limits."""

from collections.abc import Callable, Sequence
from functools import partial

from edgelstm.data import Dataset
from edgelstm.device.targets import load_target
from edgelstm.errors import ProjectError, TargetError
from edgelstm.ir import Model
from edgelstm.pipeline.costs import Costed, costs_on
from edgelstm.pipeline.quantized_model import Quantized
from edgelstm.pipeline.request import BuildRequest
from edgelstm.report.limits import UNKNOWN, Pace, exceeded
from edgelstm.report.progress import Silent
from edgelstm.tflite import write_tflite
from edgelstm.tflite.export import to_tflite_model

Excess = Callable[[Model], Sequence[str]]
"""A line for each limit that a model exceeds."""


def excess_of(dataset: Dataset, request: BuildRequest) -> Excess | None:
    """How to find out, by what `estimate` counts on each of the request's microcontrollers; None without limits.

    Raises:
        ProjectError: no target is a microcontroller. From the result, TargetError where what is missing here hides
            a figure.
    """
    if not request.limits.are_set:
        return None
    if not any(load_target(name).memory for name in request.targets):
        raise ProjectError(
            f"there are limits, but {', '.join(request.targets)} has no memory or instructions to count",
            "name a microcontroller with --target, or leave the limits out",
        )
    return partial(_excess, dataset=dataset, request=request)


def _excess(model: Model, dataset: Dataset, request: BuildRequest) -> list[str]:
    targets = [target for target in map(load_target, request.targets) if target.memory]
    costed = Costed(Quantized(model, write_tflite(to_tflite_model(model)), None), dataset)
    problems = exceeded(costs_on(targets, costed, request, Silent()), request.limits, Pace())
    unknown = [problem for problem in problems if UNKNOWN in problem]
    if unknown:
        listed = "\n".join(f"  - {problem}" for problem in unknown)
        raise TargetError(f"the limits cannot be kept:\n{listed}", "`edgelstm doctor` tells what to install")
    return problems
