"""From a float model and data to integers: scales that the data ask for, the widths of layers, rounded weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

from edgelstm.data import Dataset
from edgelstm.data.check import MIN_CALIBRATION_SAMPLES
from edgelstm.data.dataset import Samples
from edgelstm.errors import DataError, ProjectError, UnsupportedModelError
from edgelstm.ir import FloatModel, Model, Ranges
from edgelstm.pipeline import narrow
from edgelstm.pipeline.affordable import excess_of
from edgelstm.pipeline.observed import observed
from edgelstm.pipeline.quantization_notes import note_int8, note_native
from edgelstm.pipeline.request import BuildRequest
from edgelstm.pipeline.widths_chosen import Choice, choose_widths
from edgelstm.project.settings import AUTO, INT16
from edgelstm.quantization import int16_layers, observe_moments, quantize, round_to_data, widen, with_cell_bits
from edgelstm.quantization.rounding import Moments
from edgelstm.report.progress import Progress
from edgelstm.schedule import make_schedule


@dataclass(frozen=True, eq=False)
class Calibrated:
    """A quantized model, and how it came to be.

    Attributes:
        model: the model.
        ranges: that it was quantized with.
        sequences: how many they were observed on.
        with_ranges: the model with other ranges, the same in all else.
    """

    model: Model
    ranges: Ranges
    sequences: int
    with_ranges: Callable[[Ranges], Model]


@dataclass(frozen=True, eq=False)
class _Integers:
    """How a float model is rounded: on these calibration data, as a request wants it."""

    model: FloatModel
    timesteps: int
    request: BuildRequest
    calibration: Samples

    @cached_property
    def _moments(self) -> Mapping[str, Moments]:
        return observe_moments(self.model, self.calibration.x, self.calibration.lengths)

    def with_widths(self, ranges: Ranges, wide: frozenset[str]) -> Model:
        """With these layers on int16 values."""
        contract = self.request.contract
        nearest = quantize(self.model, ranges, self.timesteps, contract, wide)
        if not self.request.rounds_to_data(is_wide=bool(wide)):
            return nearest
        rounded = round_to_data(self.model, nearest, self._moments)
        return quantize(rounded, ranges, self.timesteps, contract, wide)


def calibrated(
    float_model: FloatModel,
    dataset: Dataset,
    request: BuildRequest,
    progress: Progress,
    expected: Callable[[FloatModel, Ranges], Ranges] = lambda _, ranges: ranges,
) -> Calibrated:
    """Choose scales on data that fit the model, and round its weights.

    `expected` may put other ranges in the place of those that the data show.
    """
    calibration = dataset.calibration
    timesteps = float_model.timesteps or request.timesteps or float_model.layout.timesteps(calibration.x)
    check_window(timesteps, request)
    count = _calibration_count(len(calibration.x), request.calibration_samples, progress)
    lengths = None if calibration.lengths is None else calibration.lengths[:count]
    samples = Samples(calibration.x[:count], None, lengths)
    found = observed(float_model, samples, request, progress)
    ranges = widen(found.model, expected(found.model, found.ranges), request.margin)
    ranges = with_cell_bits(found.model, ranges, request.cell_bits)
    asked = narrow.as_asked(found.model, request)
    integers = _Integers(asked, timesteps, request, samples)
    wide = int16_layers(asked) if request.activations == INT16 else frozenset()
    if request.activations == AUTO:
        choice = Choice(asked, request.contract, partial(integers.with_widths, ranges), excess_of(dataset, request))
        wide = choose_widths(choice, dataset, progress)
    model = integers.with_widths(ranges, wide)
    if problems := model.problems():
        raise UnsupportedModelError(problems, "where raw readings come in, put a Normalization layer in front of them")
    narrow.note_weights(model, request, progress)
    if request.activations == INT16:
        note_int8(float_model, progress)
    _check_lengths(model, dataset)
    note_native(model, progress)
    return Calibrated(model, ranges, count, partial(integers.with_widths, wide=wide))


def check_window(timesteps: int, request: BuildRequest) -> None:
    """Raise ProjectError where another window is asked for than the model has."""
    if request.timesteps not in (None, timesteps):
        raise ProjectError(
            f"--timesteps {request.timesteps} is asked for, but the model's own window is {timesteps} steps",
            "leave --timesteps out, or save the Keras model with an input of any length: Input((None, channels))",
        )


def _check_lengths(model: Model, dataset: Dataset) -> None:
    has_lengths = any(samples.lengths is not None for samples in (dataset.calibration, dataset.test))
    if has_lengths and not make_schedule(model, model.timesteps).is_streaming:
        raise DataError(
            "the data has sequences of several lengths, but the model needs its whole window before it answers",
            "leave `lengths` out and pad the sequences as for training",
        )
    if has_lengths and len({tensor.is_sequence for tensor in model.outputs}) > 1:
        raise DataError(
            "the data has sequences of several lengths, and of the outputs some are sequences and some single vectors",
            "leave `lengths` out, or build a model for each output",
        )


def _calibration_count(available: int, asked: int | None, progress: Progress) -> int:
    count = min(asked or available, available)
    if count < MIN_CALIBRATION_SAMPLES <= available:
        progress.warn(
            f"only {count} sequences to calibrate on, though there are {available}; "
            "the observed ranges may be too narrow"
        )
    return count
