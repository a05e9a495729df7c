"""Whether a model answers sample by sample, and if not, because of which layers."""

from dataclasses import dataclass, replace

from edgelstm.errors import DataError, UnsupportedModelError
from edgelstm.ir import FloatModel, Model
from edgelstm.pipeline.assumed import TIMESTEPS, assumed_data, on_assumed_data
from edgelstm.pipeline.request import BuildRequest
from edgelstm.project.settings import AUTO, INT8
from edgelstm.schedule import Waiting, make_schedule, waiting_layers


@dataclass(frozen=True)
class Streaming:
    """How a model answers.

    Attributes:
        timesteps: of the window that was asked about, assumed where the model takes any.
        is_streaming: whether nothing waits for the end of the window; None of a model that cannot be built.
        answers_steps: whether samples have answers of their own.
        is_paced: whether only some of them have.
        waiting: the layers that wait.
        problems: why it cannot be built.
    """

    timesteps: int
    is_streaming: bool | None
    answers_steps: bool = False
    is_paced: bool = False
    waiting: tuple[Waiting, ...] = ()
    problems: tuple[str, ...] = ()


def streaming_of(model: Model | FloatModel, request: BuildRequest) -> Streaming:
    """Ask the schedule; that of a float model is made on assumed data, on which it does not depend."""
    timesteps = model.timesteps or request.timesteps or TIMESTEPS
    try:
        integers = model if isinstance(model, Model) else _in_integers(model, request)
        schedule = make_schedule(integers, integers.timesteps)
    except (UnsupportedModelError, DataError) as error:
        problems = error.problems if isinstance(error, UnsupportedModelError) else (error.message,)
        return Streaming(timesteps, None, problems=problems)
    clocks = [schedule.clocks[one.name] for one in integers.outputs if one.is_sequence]
    return Streaming(
        timesteps,
        schedule.is_streaming,
        answers_steps=bool(clocks),
        is_paced=any(clock.paces for clock in clocks),
        waiting=waiting_layers(schedule),
    )


def _in_integers(model: FloatModel, request: BuildRequest) -> Model:
    """In int8 where widths are to be chosen: that is done by costs on the user's data, and changes no order."""
    chosen = replace(request, activations=INT8) if request.activations == AUTO else request
    return on_assumed_data(model, assumed_data(model, request.timesteps), chosen)
