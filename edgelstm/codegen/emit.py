"""Model + Plan -> {file name: C text}. The one Jinja environment; templates choose text, Python computes."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import jinja2
import numpy as np

from edgelstm import __version__
from edgelstm.codegen.packing import LAYOUTS, Layout, pack, padded
from edgelstm.codegen.plan import Plan, PlannedOp, make_plan
from edgelstm.errors import ProjectError
from edgelstm.identifiers import as_model_name
from edgelstm.ir import AnyArray, Constant, IntArray, Model, Op
from edgelstm.numerics import activations
from edgelstm.numerics.contracts import Contract
from edgelstm.resources import templates_dir
from edgelstm.simulate import simulate_steps

OPTIMIZE = ("size", "balanced", "speed")
"""What activations cost: no table; 1 KB; more tables (today the same as balanced)."""

SELFTEST_STEPS = 16

_LINE_WIDTH = 110


@dataclass(frozen=True)
class Declaration:
    """A constant array as C text."""

    name: str
    values: AnyArray
    role: str
    declaration: str


@dataclass(frozen=True)
class Selftest:
    """Known-answer vectors: the input's declaration and the hash of all that follows from it."""

    timesteps: int
    input_declaration: str
    hash: str


@dataclass(frozen=True)
class Options:
    """How to write the C.

    Attributes:
        isa: name of a header in templates/c/isa and of its weight layout.
        optimize: one of OPTIMIZE.
        sha256: hash of model.tflite, written into the C.
    """

    isa: str
    optimize: str
    sha256: str


@dataclass(frozen=True)
class Generated:
    """C files by name, and the memory role of each constant array by symbol."""

    files: Mapping[str, str]
    roles: Mapping[str, str]


APP_FILES = ("main.c", "port.h", "replay.c", "replay.h")
"""The firmware around the model, of which port.h is the same for every model."""


def emit(model: Model, options: Options) -> Generated:
    """Render the model's C files, <model>.h, <model>.c and the library headers they include, and the firmware's.

    Every symbol starts with the model's name; identical arguments give identical text.
    """
    if options.optimize not in OPTIMIZE or options.isa not in LAYOUTS:
        raise ProjectError(
            f"optimize={options.optimize!r}, isa={options.isa!r} is not a choice we know",
            f"optimize is one of {', '.join(OPTIMIZE)}; isa one of {', '.join(LAYOUTS)}",
        )
    environment = _environment()
    plan = make_plan(model)
    name = as_model_name(model.name)
    items = {
        item.identifier: _item(environment, model, name, item, LAYOUTS[options.isa])
        for item in (*plan.loop, *plan.line)
    }
    tables = _tables(model.contract, options.optimize)
    context = {
        "model": name,
        "macro": name.upper(),
        "version": __version__,
        "sha256": options.sha256,
        "contract": model.contract.value,
        "isa": options.isa,
        "optimize": options.optimize,
        "generation": _generation(model, options),
        "input": model.input,
        "output": model.output,
        "timesteps": model.timesteps,
        "plan": plan,
        "items": list(items.values()),
        "loop_items": [items[item.identifier] for item in plan.loop],
        "line_items": [items[item.identifier] for item in plan.line],
        "uses_self": bool(plan.state or plan.arena_bytes),
        "libraries": _libraries(model),
        "costs": _costs(model, plan, list(items.values()), tables),
        "selftest": _selftest(model, name, options.sha256),
    }
    files = {
        f"{name}.h": environment.get_template("model.h.j2").render(context),
        f"{name}.c": environment.get_template("model.c.j2").render(context),
        "edgelstm_isa.h": (templates_dir() / "c" / "isa" / f"{options.isa}.h").read_text(),
        **{f"edgelstm_{library}.h": _library(environment, library, model, tables) for library in _libraries(model)},
        **{file: _app_file(environment, file, context) for file in APP_FILES},
    }
    declared = [constant for item in items.values() for constant in item.constants]
    roles = {constant.name: constant.role for constant in (*declared, *tables.values())}
    return Generated(files, roles)


def _app_file(environment: jinja2.Environment, file: str, context: Mapping[str, object]) -> str:
    plain = templates_dir() / "c" / "app" / file
    return plain.read_text() if plain.is_file() else environment.get_template(f"app/{file}.j2").render(context)


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(templates_dir() / "c"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    environment.filters["real"] = lambda value: f"{value:.9g}"
    environment.filters["c_float"] = _c_float
    environment.filters["plus"] = lambda value: f"+ {value}" if value >= 0 else f"- {-value}"
    return environment


def _c_float(value: float) -> str:
    text = f"{value:.9g}"
    return f"{text}f" if "." in text or "e" in text else f"{text}.0f"


@dataclass(frozen=True, eq=False)
class _Item:
    """What the templates know of one op."""

    op: Op
    identifier: str
    function: str
    symbol: str
    source: str
    result: str
    facts: object
    constants: tuple[Declaration, ...]
    padded_input: int
    padded_output: int
    text: str = ""


def _item(environment: jinja2.Environment, model: Model, name: str, item: PlannedOp, layout: Layout) -> _Item:
    symbol = f"{name}_{item.identifier}"
    view = _Item(
        op=item.op,
        identifier=item.identifier,
        function=symbol,
        symbol=symbol,
        source=item.source.expression,
        result=item.result.expression,
        facts=item.op.facts(model.contract),
        constants=tuple(_declare(symbol, constant, layout) for constant in item.op.constants(model.contract)),
        padded_input=padded(item.op.input.size),
        padded_output=padded(item.op.output.size),
    )
    template = environment.get_template(f"ops/{item.op.kind}.c.j2")
    return replace(view, text=template.render(model=name, item=view, op=item.op, contract=model.contract.value))


def _declare(symbol: str, constant: Constant, layout: Layout) -> Declaration:
    values = pack(constant.values, layout) if constant.is_matrix else constant.values.ravel()
    name = f"{symbol}_{constant.name}"
    aligned = " EL_ALIGNED" if constant.is_matrix else ""
    comment = constant.comment
    if constant.is_matrix:
        comment += (
            f", in the {layout.name} layout: per 4 columns, 4 bytes of each of 4 rows (see el_dot4 in edgelstm_isa.h)"
        )
    return Declaration(name, values, constant.role, _array(name, values, comment, aligned))


def _array(name: str, values: AnyArray, comment: str = "", attributes: str = "") -> str:
    """A C array definition, wrapped."""
    kind = f"{values.dtype}_t"
    lines: list[str] = []
    line = "   "
    for value in values.ravel():
        text = _literal(int(value), str(values.dtype))
        if len(line) + len(text) + 2 > _LINE_WIDTH:
            lines.append(line)
            line = "   "
        line += f" {text},"
    lines.append(line)
    head = f"/* {comment} */\n" if comment else ""
    body = "\n".join(lines)
    return f"{head}static const {kind} {name}[{values.size}]{attributes} = {{\n{body}\n}};"


def _literal(value: int, dtype: str) -> str:
    if dtype.startswith("uint"):
        return f"{value}u"
    return "INT32_MIN" if value == -(2**31) else str(value)


def _libraries(model: Model) -> list[str]:
    return ["fixedpoint", *sorted({library for op in model.ops for library in op.library})]


def _library(environment: jinja2.Environment, library: str, model: Model, tables: Mapping[str, Declaration]) -> str:
    if library != "activations":
        return (templates_dir() / "c" / "lib" / f"{library}.h").read_text()
    template = environment.get_template(f"lib/activations_{model.contract.value}.h.j2")
    return template.render(tables=tables)


def _tables(contract: Contract, optimize: str) -> Mapping[str, Declaration]:
    """The tables of the activations."""
    if contract is Contract.TFLM:
        return {"sigmoid": _table("el_sigmoid_table", activations.tflm_table())}
    if optimize == "size":
        return {}
    exponential = activations.exponential_table()
    return {
        "pieces": _table("el_exponential_pieces", exponential.pieces),
        "residuals": _table("el_exponential_residuals", exponential.residuals),
    }


def _table(name: str, values: AnyArray) -> Declaration:
    return Declaration(name, values, "tables", _array(name, values))


def _generation(model: Model, options: Options) -> str:
    """A short hash of everything the C depends on, so that header and source of different runs do not mix."""
    parts = (__version__, options.sha256, options.isa, options.optimize, model.contract.value, model.name)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:8]


def _costs(model: Model, plan: Plan, items: list[_Item], tables: Mapping[str, Declaration]) -> list[str]:
    sizes = {"weights": 0, "tables": 0}
    declared = [constant for item in items for constant in item.constants]
    if "activations" in _libraries(model):
        declared += tables.values()
    for constant in declared:
        sizes[constant.role] += constant.values.nbytes
    rows = [
        ("flash, weights", sizes["weights"], "bytes"),
        ("flash, tables", sizes["tables"], "bytes"),
        ("RAM, state", plan.state_bytes, "bytes"),
        ("RAM, buffers", plan.arena_bytes, "bytes"),
        ("work, each step", sum(item.op.macs for item in plan.loop), "multiply-accumulates"),
        ("work, each output", sum(item.op.macs for item in plan.line), "multiply-accumulates"),
    ]
    return [f"{label:<17}{number:>9} {unit}" for label, number, unit in rows]


def _selftest(model: Model, name: str, sha256: str) -> Selftest:
    inputs = selftest_inputs(model, sha256)
    digest = 2166136261
    for step in simulate_steps(model, inputs[None]):
        arrays = [array for state in step.state for array in state]
        for array in (*arrays, step.output):
            for value in array[0].astype(np.int64):
                for byte in (int(value) & 0xFF, int(value) >> 8 & 0xFF):
                    digest = (digest ^ byte) * 16777619 & 0xFFFFFFFF
    declaration = _array(f"{name}_selftest_input", inputs)
    return Selftest(len(inputs), declaration, f"{digest:08x}")


def selftest_inputs(model: Model, sha256: str) -> IntArray:
    """Stored inputs (steps, input size) that follow from the model's hash alone.

    Steps alternate between the whole range, which saturates gates, and a quarter of it around the zero point.
    """
    steps = min(SELFTEST_STEPS, model.timesteps)
    stream = hashlib.shake_256(sha256.encode()).digest(steps * model.input.size)
    wide = np.frombuffer(stream, np.int8).reshape(steps, model.input.size).astype(np.int64)
    calm = np.clip(wide // 4 + model.input.quantization.zero_point, -128, 127)
    return np.where(np.arange(steps)[:, None] % 2 == 0, wide, calm).astype(np.int8)
