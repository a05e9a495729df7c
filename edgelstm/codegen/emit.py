"""Model + Options -> {file name: C text}. Templates choose text, Python computes."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jinja2
import numpy as np

from edgelstm import __version__
from edgelstm.codegen.activations import Headers
from edgelstm.codegen.api import Api
from edgelstm.codegen.arrays import Declaration, array_text, declare
from edgelstm.codegen.environment import template_environment
from edgelstm.codegen.headers import library_headers
from edgelstm.codegen.items import Item, make_item
from edgelstm.codegen.layouts import LAYOUTS, WIDE_LAYOUTS, Layout, flash_qualifier
from edgelstm.codegen.options import OPTIMIZE, Options
from edgelstm.codegen.plan import Plan
from edgelstm.codegen.planning import make_plan
from edgelstm.codegen.raw_input import RawInput
from edgelstm.errors import ProjectError
from edgelstm.identifiers import as_model_name
from edgelstm.ir import IntArray, Model, QuantizedTensor
from edgelstm.resources import templates_dir
from edgelstm.schedule import Schedule, waiting_layers
from edgelstm.simulate import simulate_steps

__all__ = ["APP_FILES", "OPTIMIZE", "Generated", "Options", "emit", "selftest_inputs"]

SELFTEST_STEPS = 16
ROLES = ("weights", "tables", "other_constants")


@dataclass(frozen=True)
class Selftest:
    """Known-answer vectors.

    Attributes:
        timesteps: of the known sequence.
        declarations: of the inputs' arrays.
        step: the C expression of the known step that comes at step `t`.
        hash: of all that follows from them.
    """

    timesteps: int
    declarations: tuple[str, ...]
    step: str
    hash: str


@dataclass(frozen=True)
class Generated:
    """C files by name, and what is known of the constant arrays in them.

    Attributes:
        files: texts by name.
        roles: the memory role of each array by symbol, one of ROLES.
        constant_bytes: of all arrays of a role.
    """

    files: Mapping[str, str]
    roles: Mapping[str, str]
    constant_bytes: Mapping[str, int]


APP_FILES = ("main.c", "port.h", "replay.c", "replay.h")
"""The firmware around the model, of which port.h is the same for every model."""


def emit(model: Model, options: Options) -> Generated:
    """Render the model's C files, <model>.h, <model>.c and the library headers they include, and the firmware's.

    Every symbol starts with the model's name; identical arguments give identical text.
    """
    layouts = _layouts(options)
    environment = template_environment()
    plan = make_plan(model)
    name = as_model_name(model.name)
    items = {item.identifier: make_item(environment, model, name, item, options, layouts) for item in plan.items}
    library = library_headers(environment, model, options, tuple(items.values()))
    context = _context(model, options, plan, items, library)
    files = {
        f"{name}.h": environment.get_template("model.h.j2").render(context),
        f"{name}.c": environment.get_template("model.c.j2").render(context),
        **library.files,
        **{file: _app_file(environment, file, context) for file in APP_FILES},
    }
    constants = (*_constants(list(items.values()), library.tables), *context["raw"])
    return Generated(files, {constant.name: constant.role for constant in constants}, _constant_bytes(constants))


def _layouts(options: Options) -> tuple[Layout, ...]:
    """The weight layouts to choose from; ProjectError where a choice is none of ours."""
    if options.optimize not in OPTIMIZE or options.isa not in LAYOUTS:
        raise ProjectError(
            f"optimize={options.optimize!r}, isa={options.isa!r} is not a choice we know",
            f"optimize is one of {', '.join(OPTIMIZE)}; isa one of {', '.join(LAYOUTS)}",
        )
    layouts = (WIDE_LAYOUTS if options.wide_weights else LAYOUTS).get(options.isa)
    if layouts is None:
        raise ProjectError(
            f"there are no wide weights for the instruction set {options.isa}",
            f"leave --wide-weights out; they are for {', '.join(WIDE_LAYOUTS)}",
        )
    return layouts


def _context(
    model: Model, options: Options, plan: Plan, items: Mapping[str, Item], library: Headers
) -> Mapping[str, Any]:
    """What the templates of model and firmware know."""
    name, schedule = as_model_name(model.name), plan.schedule
    api = Api.of(plan.inputs, plan.outputs, name.upper())
    return {
        "model": name,
        "macro": name.upper(),
        "version": __version__,
        "sha256": options.sha256,
        "contract": model.contract.value,
        "isa": options.isa,
        "optimize": options.optimize,
        "choices": "".join(f", {choice}" for choice in options.chosen),
        "flash": flash_qualifier(options.isa),
        "no_asm": options.no_asm,
        "constant_time": options.constant_time,
        "generation": _generation(model, options),
        "raw": _raw_arrays(model, name, options) if options.raw_lsb else (),
        "raw_lsb": ", ".join(f"{lsb:g}" for lsb in options.raw_lsb),
        "api": api,
        "window": _window(model),
        "results": " and ".join(
            f"{schedule.output_count if one.is_sequence else 1} x {one.size} values" for one in model.outputs
        ),
        "output": next((one for one in model.outputs if one.is_sequence), model.output),
        "timesteps": model.timesteps,
        "plan": plan,
        "items": items,
        "streams": schedule.is_streaming,
        "schedule": schedule,
        "output_count": schedule.output_count,
        "rooms": tuple((one, _room(schedule, one.macro)) for one in api.outputs),
        "widths": " and ".join(_widths(model)),
        "needs_window": _needs_window(schedule),
        "reset_uses_self": bool(plan.state or plan.cleared or plan.given or not schedule.is_streaming),
        "uses_self": bool(plan.state or plan.arena_bytes or plan.given or not schedule.is_streaming),
        "includes": library.files,
        "costs": _costs(plan, list(items.values()), library.tables),
        "selftest": _selftest(schedule, api, name, options),
    }


def _raw_arrays(model: Model, name: str, options: Options) -> tuple[Declaration, ...]:
    """What `<model>_quantize_input` computes with."""
    raw, qualifier = RawInput.of(model, options.raw_lsb), flash_qualifier(options.isa)
    arrays = {"multipliers": raw.multipliers, "addends": raw.addends, "shifts": raw.shifts}
    return tuple(
        declare(f"{name}_raw_{key}", values, "other_constants", qualifier=qualifier) for key, values in arrays.items()
    )


def _app_file(environment: jinja2.Environment, file: str, context: Mapping[str, object]) -> str:
    plain = templates_dir() / "c" / "app" / file
    return plain.read_text() if plain.is_file() else environment.get_template(f"app/{file}.j2").render(context)


def _generation(model: Model, options: Options) -> str:
    """A short hash of everything the C depends on, so that header and source of different runs do not mix."""
    choices = (options.isa, options.optimize, f"{options.constant_time} {options.no_asm} {options.wide_weights}")
    parts = (__version__, options.sha256, *choices, model.contract.value, model.name, *map(repr, options.raw_lsb))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]


def _constants(items: Sequence[Item], tables: Sequence[Declaration]) -> tuple[Declaration, ...]:
    return (*(constant for item in items for constant in item.declared), *tables)


def _constant_bytes(constants: Sequence[Declaration]) -> dict[str, int]:
    sizes = dict.fromkeys(ROLES, 0)
    for constant in constants:
        sizes[constant.role] += constant.values.nbytes
    return sizes


def _costs(plan: Plan, items: list[Item], tables: tuple[Declaration, ...]) -> list[str]:
    sizes = _constant_bytes(_constants(items, tables))
    rows = [
        ("flash, weights", sizes["weights"], "bytes"),
        ("flash, tables", sizes["tables"], "bytes"),
        ("RAM, state", plan.state_bytes, "bytes"),
        ("RAM, buffers", plan.arena_bytes, "bytes"),
        *([("RAM, sequences", plan.stored_bytes, "bytes")] if plan.stored else []),
        ("work, each step", plan.macs[0], "multiply-accumulates"),
        ("work, each output", plan.macs[1], "multiply-accumulates"),
    ]
    return [f"{label:<17}{number:>9} {unit}" for label, number, unit in rows]


def _room(schedule: Schedule, macro: str) -> str:
    """C expression of the size of all that an output is."""
    size = f"{macro}_SIZE"
    return size if schedule.is_streaming or not schedule.model.output.is_sequence else f"{macro}_STEPS * {size}"


def _widths(model: Model) -> list[str]:
    """The types of what flows between its layers; the cell states that some start from do not count."""
    found = {op.output.quantization.dtype for op in model.ops}
    return sorted(found, reverse=True) if any(op.needs_tflm for op in model.ops) else ["int8"]


def _needs_window(schedule: Schedule) -> str:
    """The first layer for which a model waits for the end of its window; "" if it does not."""
    return next((as_model_name(one.name, "layer") for one in waiting_layers(schedule)), "")


def _window(model: Model) -> str:
    """What `run` takes of the sequences."""
    return " and ".join(
        f"{model.timesteps} x {one.size} {'ids' if one.vocabulary else 'values'}" for one in model.layout.sequences
    )


def _selftest(schedule: Schedule, api: Api, name: str, options: Options) -> Selftest:
    model = schedule.model
    known = selftest_inputs(model, options.sha256)
    steps = model.layout.timesteps(known[None])
    wanted = steps if schedule.is_streaming else model.timesteps
    leading = len(known) - steps
    inputs = np.concatenate([known[:leading], np.resize(known[leading:], (wanted, known.shape[1]))])
    digest = 2166136261
    for step in simulate_steps(model, inputs[None]):
        for array in (*(array for state in step.state for array in state), step.output):
            for value in array[0].astype(np.int64):
                for byte in (int(value) & 0xFF, int(value) >> 8 & 0xFF):
                    digest = (digest ^ byte) * 16777619 & 0xFFFFFFFF
    arrays = model.layout.split(known[None])
    declarations = tuple(
        array_text(
            api.selftest_array(one, name),
            arrays[one.tensor.name][0].astype(one.tensor.quantization.dtype),
            qualifier=flash_qualifier(options.isa),
        )
        for one in api.inputs
    )
    return Selftest(steps, declarations, "t" if steps == wanted else f"(t % {steps}u)", f"{digest:08x}")


def selftest_inputs(model: Model, sha256: str) -> IntArray:
    """Stored inputs (rows, width) that follow from the model's hash alone.

    Steps alternate between the whole range, which saturates gates, and a quarter of it around the zero point. Ids are
    any, and now and then one that does not exist.
    """
    steps = min(SELFTEST_STEPS, model.timesteps)
    arrays = {}
    for index, tensor in enumerate(model.inputs):
        seed = sha256.encode() + (str(index).encode() if index else b"")
        found = _known_values(tensor, steps if tensor.is_sequence else 1, seed)
        arrays[tensor.name] = found[None] if tensor.is_sequence else found
    known: IntArray = model.layout.join(arrays)[0]
    return known


def _known_values(tensor: QuantizedTensor, steps: int, seed: bytes) -> IntArray:
    if tensor.vocabulary:
        ids = np.frombuffer(hashlib.shake_256(seed).digest(2 * steps * tensor.size), "<u2")
        return (ids % (tensor.vocabulary + 1)).astype(np.int16).reshape(steps, tensor.size)
    limits = np.iinfo(tensor.quantization.dtype)
    digest = hashlib.shake_256(seed).digest(steps * tensor.size * limits.bits // 8)
    wide = np.frombuffer(digest, limits.dtype.newbyteorder("<")).reshape(steps, tensor.size).astype(np.int64)
    calm = np.clip(wide // 4 + tensor.quantization.zero_point, limits.min, limits.max)
    return np.where(np.arange(steps)[:, None] % 2 == 0, wide, calm).astype(limits.dtype)
