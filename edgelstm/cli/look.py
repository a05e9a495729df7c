"""run, inspect: look at what a model is and does."""

import io
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import click
import numpy as np
from rich.console import Console

from edgelstm.cli.console import Terminal, output_options
from edgelstm.cli.explain import require_error, show_errors
from edgelstm.cli.request import model_options, request_for
from edgelstm.errors import DataError, ProjectError
from edgelstm.frontends.keras import load_keras
from edgelstm.frontends.tflite import load_tflite
from edgelstm.ir import FloatArray, FloatModel, Layer, Model, QuantizedTensor, Tensor
from edgelstm.output import write_atomically
from edgelstm.pipeline.quantized import TFLITE, is_tflite, quantize_file
from edgelstm.pipeline.quantized_model import fitted
from edgelstm.pipeline.request import BuildRequest, read_data
from edgelstm.pipeline.streaming import Streaming, streaming_of
from edgelstm.project.settings import INT8
from edgelstm.report.table import plain_table
from edgelstm.verification.accuracy import run_simulator

SHOWN = 10


@click.command
@click.argument("model", required=False, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write the outputs to this .npy file.")
@model_options
@output_options
def run(model: Path | None, output: Path | None, terminal: Terminal, **options: object) -> None:
    """Run the integer simulator on the test sequences: what the firmware will answer.

    The outputs are real numbers, of shape (N, C), or (N, T, C) for a model that answers every step.
    """
    request = replace(request_for(model, None, options), may_train=False)
    if request.project is not None:
        # What was decided when it was built cannot be asked of it again.
        request = replace(request, model=_built(request), max_drift=None, weights=INT8, activations=INT8)
    data = read_data(request.data, request.base)
    if data.dataset is None:
        raise DataError("there is nothing to run on", "give --data data.npz with an array x")
    if output is not None and (output.suffix != ".npy" or output.exists()):
        raise ProjectError(f"cannot write {output}", "name a file that ends in .npy and is not there yet")
    quantized = quantize_file(request.model, request, data, terminal).model
    outputs = run_simulator(quantized, fitted(data.dataset, quantized).test)
    if output is not None:
        buffer = io.BytesIO()
        np.save(buffer, outputs.astype(np.float32))
        write_atomically(output, buffer.getvalue())
        terminal.note(f"wrote {output}, shape {outputs.shape}")
    labels = data.dataset.labels
    values = {"shape": list(outputs.shape), "outputs": outputs.tolist(), "labels": list(labels)}
    terminal.result(values, lambda console: _print_outputs(outputs, labels, console))


def _built(request: BuildRequest) -> Path:
    """The project's model as its firmware has it, whatever data it runs on now."""
    folders = (request.output, *(request.output / target for target in request.targets))
    for folder in folders:
        if (folder / TFLITE).is_file():
            return folder / TFLITE
    raise ProjectError(f"there is no {TFLITE} in {request.output}", "run `edgelstm build` first")


def _print_outputs(outputs: FloatArray, labels: tuple[str, ...], console: Console) -> None:
    for index, values in enumerate(outputs[:SHOWN]):
        last = values if values.ndim == 1 else values[-1]
        text = " ".join(f"{value:.4f}" for value in last[:16])
        name = f"  {labels[int(last.argmax())]}" if len(labels) == len(last) else ""
        console.print(f"sequence {index}: {text}{name}")
    if len(outputs) > SHOWN:
        console.print(f"... {len(outputs) - SHOWN} more; -o outputs.npy writes them all")


@click.command
@click.argument("model", required=False, type=click.Path(path_type=Path))
@click.option("--error", "of_error", is_flag=True, help="Quantize it and show where its error comes from.")
@model_options
@output_options
def inspect(model: Path | None, of_error: bool, terminal: Terminal, **options: object) -> None:
    """Show what a .keras, .h5 or .tflite file holds, and whether it streams, without running anything in it.

    With --error, quantize a float model and run it on some test sequences of --data: signal to noise of every layer and
    gate, what each contributes to the output's error, the worst sequence, and what to do. Other options go with it.
    """
    if of_error:
        show_errors(model, options, terminal)
        return
    require_error(options)
    request = request_for(model, None, {})
    path = request.model
    if not path.is_file():
        hint = "run `edgelstm train` first" if request.project else "give a .keras, .h5 or .tflite file"
        raise ProjectError(f"there is no model file {path}", hint)
    loaded = load_tflite(path, None) if is_tflite(path) else load_keras(path)
    streaming = streaming_of(loaded, request)
    if isinstance(loaded, Model):
        found, show = _quantized_mapping(loaded), partial(_print_quantized, loaded)
    else:
        found, show = _float_mapping(loaded), partial(_print_float, loaded)
    terminal.result({**asdict(streaming), **found}, lambda console: show(_answers(loaded, streaming), console))


def _answers(model: FloatModel | Model, streaming: Streaming) -> str:
    """How a model answers, and what it waits for, a line each."""
    if streaming.is_streaming is None:
        head = f"cannot be built for windows of {streaming.timesteps} steps:"
        return "\n".join((head, *(f"  {problem}" for problem in streaming.problems)))
    if streaming.is_streaming:
        each = "some of them" if streaming.is_paced else "each" if streaming.answers_steps else "any of them"
        return f"streams sample by sample: answers after {each}"
    steps = f"{model.timesteps} steps" if model.timesteps else "all steps"
    listed = (f'  layer "{one.name}" {one.reason}' for one in streaming.waiting)
    return "\n".join((f"needs the whole window of {steps} before it answers, because", *listed))


def _float_mapping(model: FloatModel) -> dict[str, object]:
    return {
        "name": model.name,
        "timesteps": model.timesteps,
        "input_size": model.input.size,
        "further_inputs": [_input_mapping(tensor) for tensor in model.further_inputs],
        "parameters": model.parameters,
        "layers": [
            {
                "name": layer.name,
                "kind": _kind(layer),
                "output_size": layer.output.size,
                "yields_sequence": layer.output.is_sequence,
                "parameters": layer.parameters,
            }
            for layer in model.layers
        ],
    }


def _input_mapping(tensor: Tensor) -> dict[str, object]:
    return {
        "name": tensor.name,
        "size": tensor.size,
        "is_sequence": tensor.is_sequence,
        "vocabulary": tensor.vocabulary,
    }


def _kind(layer: Layer) -> str:
    """The name that the quantized op will have: LastStepLayer becomes last_step."""
    return re.sub(r"(?<=.)(?=[A-Z])", "_", type(layer).__name__.removesuffix("Layer")).lower()


def _print_float(model: FloatModel, answers: str, console: Console) -> None:
    steps = model.timesteps or "any number of"
    console.print(f"{model.name}: {_takes(steps, model.inputs)}, {model.parameters} parameters, float")
    console.print(f"{answers}\n")
    table = plain_table("layer", "kind", "output", "parameters", left=3)
    for layer in model.layers:
        shape = f"{layer.output.size} a step" if layer.output.is_sequence else str(layer.output.size)
        table.add_row(layer.name, _kind(layer), shape, str(layer.parameters))
    console.print(table)


def _quantized_mapping(model: Model) -> dict[str, object]:
    return {
        "name": model.name,
        "timesteps": model.timesteps,
        "input_size": model.input.size,
        "input_scale": model.input.quantization.scale,
        "input_zero_point": model.input.quantization.zero_point,
        "input_scaling": None if model.input.scaling is None else asdict(model.input.scaling),
        "further_inputs": [
            {**_input_mapping(tensor), "scale": tensor.quantization.scale, "zero_point": tensor.quantization.zero_point}
            for tensor in model.further_inputs
        ],
        "parameters": model.parameters,
        "macs_per_step": model.macs_per_step,
        "operations": [
            {
                "name": op.name,
                "kind": op.kind,
                "output_size": op.output.size,
                "yields_sequence": op.output.is_sequence,
                "scale": op.output.quantization.scale,
                "zero_point": op.output.quantization.zero_point,
                "macs": op.macs,
                "state": {array.name: array.size for array in op.state},
            }
            for op in model.ops
        ],
    }


def _takes(steps: int | str, inputs: Sequence[Tensor]) -> str:
    """What a model is given, "40 steps of 13 values"."""
    samples = " and ".join(_values(one) for one in inputs if one.is_sequence)
    vectors = "".join(f", {_values(one)} at the start" for one in inputs if not one.is_sequence)
    return f"{steps} steps of {samples}{vectors}"


def _values(source: Tensor) -> str:
    return f"an id of {source.vocabulary}" if source.vocabulary else f"{source.size} values"


def _scaling(source: QuantizedTensor) -> str:
    if source.vocabulary:
        return "has no scale"
    first = ", each channel scaled first" if source.scaling else ""
    return f"scale {source.quantization.scale:.6g}, zero point {source.quantization.zero_point}{first}"


def _widths(model: Model) -> str:
    """The types of what flows between the layers."""
    found = {op.output.quantization.dtype for op in model.ops if not op.output.vocabulary}
    return " and ".join(sorted(found, reverse=True))


def _print_quantized(model: Model, answers: str, console: Console) -> None:
    takes = _takes(model.timesteps, model.inputs)
    console.print(f"{model.name}: {takes}, {model.parameters} parameters, {_widths(model)}")
    console.print(answers)
    for tensor in model.inputs:
        console.print(f"{'input' if len(model.inputs) == 1 else tensor.name} {_scaling(tensor)}")
    console.print()
    table = plain_table("operation", "kind", "output", "scale", "zero point", "MACs", "state", left=3)
    for op in model.ops:
        shape = f"{op.output.size} a step" if op.output.is_sequence else str(op.output.size)
        quantization = op.output.quantization
        state = f"{sum(array.size * np.dtype(array.dtype).itemsize for array in op.state)} B" if op.state else ""
        scale, zero_point = f"{quantization.scale:.6g}", str(quantization.zero_point)
        table.add_row(op.name, op.kind, shape, scale, zero_point, str(op.macs), state)
    console.print(table)
