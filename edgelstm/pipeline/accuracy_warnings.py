"""What to tell a user whose integer model does worse than it could, and what to do about it."""

import math

from edgelstm.pipeline.request import Data
from edgelstm.project.settings import LARGEST_MARGIN
from edgelstm.report.metrics import Accuracy
from edgelstm.report.progress import Progress

WORTH_A_WARNING_PERCENT, MOST_LISTED = 1.0, 6
"""Of an array's values, and arrays in a warning."""

LARGE_MARGIN = 2.0
"""Beyond this a bit or more is lost for all values that do not need it."""

NEAR_DB = 10.0
"""Below this signal to noise ratio a third of what the output does, or more, is noise."""

MOST_LOST = 1.1
"""How many times float's error integers may make without a warning."""

FEW_STEPS = 16.0
"""Values that span fewer are told apart by less than 4 bits."""


def warn_of_accuracy(accuracy: Accuracy, sequences: int, margin: float, progress: Progress) -> None:
    """Warn of data beyond the ranges, of noise, and of values that the output's integers cannot tell apart.

    Args:
        accuracy: of the quantized model on test data.
        sequences: how many those are.
        margin: with which the ranges were widened.
        progress: is told.
    """
    _warn_saturation(accuracy, sequences, margin, progress)
    _warn_distance(accuracy, progress)
    _warn_metric(accuracy, progress)
    _warn_coarse(accuracy, progress)


def warn_untested(accuracy: Accuracy | None, data: Data, progress: Progress) -> None:
    """Say where the accuracy is to be shown, and is not what the model does on data that it has not seen."""
    if accuracy is not None and data.dataset is not None and data.dataset.x_test is None:
        progress.warn("there is no x_test, so accuracy is measured on the training data")


def _warn_saturation(accuracy: Accuracy, sequences: int, margin_so_far: float, progress: Progress) -> None:
    """What a single sequence of many does is no reason to choose other ranges."""
    common = [one for one in accuracy.saturations if one.samples >= min(2, sequences)]
    clipped = [one for one in common if one.percent >= WORTH_A_WARNING_PERCENT]
    if not clipped:
        return
    listed = "; ".join(f"{one.where} ({one.percent:.1f} %, {one.samples} sequences)" for one in clipped[:MOST_LISTED])
    more = f" and {len(clipped) - MOST_LISTED} more" if len(clipped) > MOST_LISTED else ""
    advice = "calibrate on data that cover it"
    margins = [one.margin for one in clipped if one.margin is not None]
    if margins and (margin := math.ceil(10 * margin_so_far * max(margins)) / 10) <= LARGEST_MARGIN:
        advice += f", or --margin {margin:.1f}, which holds {'it' if len(margins) == len(clipped) else 'most of it'}"
        if margin > LARGE_MARGIN:
            advice += ", though in coarser steps: `edgelstm inspect --error` measures which serves best"
    progress.warn(f"test data leave the calibrated range: {listed}{more}; {advice}")


def _warn_distance(accuracy: Accuracy, progress: Progress) -> None:
    if accuracy.sqnr_db < NEAR_DB:
        progress.warn(
            f"the integer model is far from the float model: SQNR {accuracy.sqnr_db:.1f} dB, agreement "
            f"{100 * accuracy.agreement:.1f} %; calibrate on data like those that it will see, and more of them"
        )


def _warn_metric(accuracy: Accuracy, progress: Progress) -> None:
    """Of regressions; a class more or less is within what data say."""
    for name, one in (accuracy.outputs_apart or {"": accuracy}).items():
        trained, found = one.float_value, one.quantized_value
        if one.metric == "rmse" and trained and found is not None and found > trained * MOST_LOST:
            progress.warn(
                f"integers cost {100 * (found / trained - 1):.0f} % of rmse{f' of {name}' if name else ''}: "
                f"{found:.4g} where float has {trained:.4g}; `edgelstm inspect --error` tells where it is lost, and "
                "--activations int16, --rounding data or `edgelstm finetune` may bring it back"
            )


def _warn_coarse(accuracy: Accuracy, progress: Progress) -> None:
    """A large offset takes the range that the values themselves need, and counts as signal."""
    for name, one in (accuracy.outputs_apart or {"": accuracy}).items():
        coarse = [(index, span) for index, span in enumerate(one.spans) if 0 < span < FEW_STEPS]
        if coarse:
            listed = ", ".join(f"{index} ({span:.1f} steps)" for index, span in coarse[:MOST_LISTED])
            progress.warn(
                f"integers hardly tell the values{f' of {name}' if name else ''} apart: the float model's outputs span "
                f"few steps of their scale in channel {listed}; train on (y - mean) / deviation"
            )
