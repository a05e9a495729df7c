"""model_step.tflite: the graph of one step that `--tflite-recurrent step` asks for."""

from dataclasses import dataclass, replace

from edgelstm.data import Dataset
from edgelstm.ir import FloatModel, Model
from edgelstm.report.progress import Progress
from edgelstm.step_graph import to_step_graph
from edgelstm.tflite import write_tflite
from edgelstm.tflite.step_rules import check_step_graph
from edgelstm.verification.step_graph import StepGraphAccuracy, measure_step_graph

LAYER, STEP = "layer", "step"
RECURRENT_CHOICES = (LAYER, STEP)
"""Of `--tflite-recurrent`: recurrent layers as operators of model.tflite alone, or as a graph of one step beside it."""


@dataclass(frozen=True, eq=False)
class StepFile:
    """The file, and how far it lies from the float model and from the C, where that was measured."""

    tflite: bytes
    accuracy: tuple[StepGraphAccuracy, ...] = ()


LEAST_DB = 20.0
"""What an approximation should have of a model that is good in itself."""


def step_file(model: Model) -> StepFile:
    """Write the file; UnsupportedModelError where builtin operators cannot describe the model."""
    data = write_tflite(to_step_graph(model))
    check_step_graph(data)
    return StepFile(data)


def measured(file: StepFile, float_model: FloatModel, model: Model, dataset: Dataset, progress: Progress) -> StepFile:
    """Run the file in the interpreters that are installed, and say how far it is off."""
    accuracy = measure_step_graph(float_model, model, file.tflite, dataset.test)
    for one in accuracy:
        progress.note(
            f"the graph of one step in {one.interpreter}: SQNR {one.sqnr_db:.1f} dB to the float model (the C: "
            f"{one.c_sqnr_db:.1f} dB), {one.difference_db:.1f} dB to the C, which it approximates"
        )
        if one.sqnr_db < LEAST_DB <= one.c_sqnr_db:
            progress.warn(
                f"the graph of one step is far from the float model ({one.sqnr_db:.1f} dB), and the C is not: int16 "
                "operators clip large sums; put a Normalization layer in front of raw readings, or use the C"
            )
    if not accuracy:
        progress.warn("no interpreter is installed that could run the graph of one step; it was not compared")
    return replace(file, accuracy=accuracy)
