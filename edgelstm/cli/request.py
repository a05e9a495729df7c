"""Options that several commands share, and how they and edgelstm.toml become a BuildRequest."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from edgelstm.cli.quantities import Bytes
from edgelstm.codegen.emit import OPTIMIZE
from edgelstm.device.targets import list_targets
from edgelstm.errors import ProjectError
from edgelstm.identifiers import as_model_name, is_model_name
from edgelstm.numerics.contracts import CHOICES, Contract
from edgelstm.pipeline.request import BuildRequest
from edgelstm.pipeline.step_file import RECURRENT_CHOICES
from edgelstm.project import PROJECT_FILE, load_project
from edgelstm.project.settings import (
    ACTIVATION_CHOICES,
    AUTO,
    CALIBRATION_CHOICES,
    CLIP_CHOICES,
    LARGEST_LSB,
    LARGEST_MARGIN,
    LEAST_MARGIN,
    MOST_CELL_BITS,
    ROUNDING_CHOICES,
    SMALLEST_LSB,
    WEIGHTS_CHOICES,
)
from edgelstm.report.limits import Limits

ALL = "all"
"""In place of targets: each that there is."""

Decorator = Callable[[Callable[..., None]], Callable[..., None]]


def model_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options that decide what the integers are."""
    options = (
        click.option("--data", help="data.npz, data.npy or data.py:function; see the README for the arrays."),
        click.option("--name", help="The C name of the model [the file's]."),
        click.option("--timesteps", type=click.IntRange(1, 1 << 20), help="The window of run() [the data's]."),
        click.option(
            "--contract",
            type=click.Choice([contract.value for contract in CHOICES]),
            help="Whose roundings to follow [litert; tflm for int16 activations].",
        ),
        click.option(
            "--activations",
            type=click.Choice(ACTIVATION_CHOICES),
            help="int16: more accuracy, in layers that have both, for wider states and a little time; auto: where "
            "that pays [int8].",
        ),
        click.option("--calibration-samples", type=click.IntRange(1), help="How many sequences to calibrate on [all]."),
        click.option(
            "--margin",
            type=click.FloatRange(LEAST_MARGIN, LARGEST_MARGIN),
            help="Widen all ranges that calibration saw, for data that go beyond: their ends times this [1].",
        ),
        click.option(
            "--clip",
            type=click.Choice(CLIP_CHOICES),
            help="mse: narrow ranges to where the mean squared error is least [none].",
        ),
        click.option(
            "--cell-bits",
            type=click.IntRange(0, MOST_CELL_BITS),
            help="Integer bits that every cell state has at least, as `edgelstm drift` advises [those of its range].",
        ),
        click.option(
            "--rounding",
            type=click.Choice(ROUNDING_CHOICES),
            help="data: round weights so that errors cancel on the calibration data [nearest; data for int16].",
        ),
        click.option(
            "--weights",
            type=click.Choice(WEIGHTS_CHOICES),
            help="int4: weights of recurrent layers and large Dense in 4 bits, in half the flash; native arithmetic "
            "[int8].",
        ),
        click.option(
            "--calibration",
            type=click.Choice(CALIBRATION_CHOICES),
            help="tf: choose the scales that TensorFlow's converter would, to match a file of its [reset].",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def limit_options(command: Callable[..., None]) -> Callable[..., None]:
    """Options that limit what `--activations auto` may cost."""
    options = (
        click.option("--max-flash", type=Bytes(), help="With --activations auto: of the model, bytes or like 64K."),
        click.option("--max-ram", type=Bytes(), help="With --activations auto: of state, buffers and stack."),
        click.option(
            "--max-instructions",
            type=click.IntRange(1, 10**12),
            help="With --activations auto: of the slowest sample.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def step_graph_option(command: Callable[..., None]) -> Callable[..., None]:
    """The option that asks for a second .tflite."""
    return click.option(
        "--tflite-recurrent",
        type=click.Choice(RECURRENT_CHOICES),
        help="step: beside the .tflite, whose GRU and SimpleRNN no interpreter runs, write <name>_step.tflite: one "
        "time step in int16 builtin operators, states in and out. It approximates the C; nothing is checked by it. "
        "[layer]",
    )(command)


def target_options(*, several: bool, default: str = "cortex-m4") -> Decorator:
    """Options that decide what the C is written, compiled and run for; `default` is what help says of no target."""
    more = "; several separated by commas, or all" if several else ""
    names = f"A target of `edgelstm targets`, or a .toml file of yours{more}."
    options = [
        click.option("-t", "--target", help=f"{names} [{default}]"),
        click.option("--optimize", type=click.Choice(OPTIMIZE), help="What activations may cost in tables [balanced]."),
        click.option("--constant-time", is_flag=True, default=None, help="Execute as many instructions for all data."),
        click.option("--wide-weights", is_flag=True, default=None, help="Half as much weight flash again, for speed."),
        click.option(
            "--raw-lsb",
            help="Real units of a count of the sensor, one or one a channel: 0.001,0.5. Writes C for counts.",
        ),
        click.option("--no-asm", is_flag=True, default=None, help="Leave assembler out of the C."),
    ]
    if several:
        options += [
            click.option("--compiler", help="gcc, clang, zig, or a path [the first found]."),
            click.option("--runner", help="qemu, unicorn, rp2040js or host [the first found]."),
            click.option(
                "--sequences",
                type=click.IntRange(1, 1_000_000),
                help="Test sequences to verify on, 8192 steps at most [16].",
            ),
        ]

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def request_for(model: Path | None, output: Path | None, options: Mapping[str, Any]) -> BuildRequest:
    """Combine options with the project in the current folder, if no model was named."""
    request = _outside_project(model) if model is not None else _from_project()
    if options.get("target"):
        request = replace(request, targets=_target_names(options["target"]))
    if options.get("data"):
        request = replace(request, data=options["data"], base=Path(), may_train=False)
    if options.get("raw_lsb"):
        request = replace(request, raw_lsb=_raw_lsb(options["raw_lsb"]))
    if options.get("contract"):
        request = replace(request, contract=Contract(options["contract"]))
    if options.get("name"):
        _check_name(options["name"])
    direct = (
        "name",
        "timesteps",
        "calibration_samples",
        "margin",
        "clip",
        "cell_bits",
        "weights",
        "rounding",
        "activations",
        "calibration",
        "tflite_recurrent",
        "optimize",
        "constant_time",
        "wide_weights",
        "no_asm",
        "compiler",
        "runner",
        "sequences",
    )
    given = {key: options[key] for key in direct if options.get(key) is not None}
    request = _limited(replace(request, **given), options)
    return request if output is None else replace(request, output=output)


def _limited(request: BuildRequest, options: Mapping[str, Any]) -> BuildRequest:
    """With limits in the place of the project's, each by itself."""
    given = Limits(*(options.get(name) for name in ("max_flash", "max_ram", "max_instructions")))
    if not given.are_set:
        return request
    if request.activations != AUTO:
        raise ProjectError(
            "the limits are for --activations auto, which chooses what they leave room for",
            "add --activations auto; `edgelstm estimate` checks limits of a model as it is",
        )
    return replace(request, limits=given.over(request.limits))


def _target_names(text: str) -> tuple[str, ...]:
    names = dict.fromkeys(name.strip() for name in text.split(","))
    if names == {ALL: None}:
        return list_targets()
    if "" in names:
        raise ProjectError(f"--target {text!a:.60} leaves a name out", "write it like cortex-m4 or cortex-m4,host")
    return tuple(names)


def _raw_lsb(text: str) -> tuple[float, ...]:
    try:
        found = tuple(float(number) for number in text.split(","))
    except ValueError:
        found = ()
    if not found or not all(SMALLEST_LSB <= number <= LARGEST_LSB for number in found):
        raise ProjectError(f"--raw-lsb {text!a:.60} is no list of numbers", "write it like 0.001 or 0.001,0.5")
    return found


def _check_name(name: str) -> None:
    if not is_model_name(name):
        raise ProjectError(f"--name {name!a:.60} cannot name a model", f"use a C identifier: {as_model_name(name)}")


def _outside_project(model: Path) -> BuildRequest:
    return BuildRequest(model=model, output=Path("out"))


def _from_project() -> BuildRequest:
    folder = Path()
    if not (folder / PROJECT_FILE).is_file():
        raise ProjectError(
            f"no model is named, and there is no {PROJECT_FILE} here that names one",
            "name a model file (.keras, .h5 or .tflite), or go to a project's folder; `edgelstm new` makes one",
        )
    return BuildRequest.of(load_project(folder))
