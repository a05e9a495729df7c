"""Random models' generated files in folders, and command lines of the compilers that must accept them."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from random_attention import random_attention_model
from random_graphs import random_graph
from random_int16 import random_int16_model
from random_layer_normalization import random_normalized_model
from random_masked import random_masked_model
from random_mixed import random_mixed_model
from random_models import Bounds, random_model
from random_narrow import random_narrow_model
from random_native import random_native_model
from random_whole import random_whole_model
from random_windows import random_windows

from edgelstm.codegen.emit import OPTIMIZE, Options, emit
from edgelstm.device.process import run
from edgelstm.identifiers import as_model_name
from edgelstm.ir import Model
from edgelstm.numerics.contracts import CHOICES, Contract
from edgelstm.resources import templates_dir

SEEDS = range(12)
BOUNDS = Bounds(units=20, inputs=12, timesteps=4, layers=2)
VARIANTS = ((Contract.LITERT, "size"), (Contract.LITERT, "balanced"), (Contract.TFLM, "balanced"))
"""What tells the C apart: `tflm` has one implementation, and "speed" is "balanced" today."""

KINDS: Mapping[str, Callable[[int, Contract], Model]] = {
    "attention": lambda seed, contract: random_attention_model(seed, contract, BOUNDS),
    "int16": lambda seed, contract: random_int16_model(seed, BOUNDS),
    "narrow": lambda seed, contract: random_narrow_model(seed, BOUNDS),
    "native": lambda seed, contract: random_native_model(seed, BOUNDS),
    "masked": lambda seed, contract: random_masked_model(seed, BOUNDS),
    "graph": lambda seed, contract: random_graph(seed, contract, BOUNDS),
    "normalized": lambda seed, contract: random_normalized_model(seed, BOUNDS),
    "mixed": random_mixed_model,
    "window": lambda seed, contract: random_windows(seed, contract, BOUNDS),
    "whole": lambda seed, contract: random_whole_model(seed, contract, BOUNDS),
}
"""Further random models by seed and contract."""

WARNINGS = ("-std=c99", "-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Wsign-conversion", "-Werror")
LEVELS = ("-O0", "-O2", "-O3", "-Os")
PORT = templates_dir() / "c" / "app"


@dataclass(frozen=True)
class CrossCompiler:
    """A compiler with what makes it generate code for an instruction set.

    Attributes:
        tool: what must be installed.
        isa: whose header it compiles.
        argv: command and options.
    """

    tool: str
    isa: str
    argv: tuple[str, ...]


_CORTEX_M4 = ("-mcpu=cortex-m4", "-mthumb")
COMPILERS = {
    "gcc": CrossCompiler("gcc", "ref", ("gcc", "-fno-stack-protector", "-fno-pie")),
    "clang": CrossCompiler("clang", "ref", ("clang", "-fno-pie")),
    "gcc for Cortex-M4": CrossCompiler("arm-none-eabi-gcc", "armv7em", ("arm-none-eabi-gcc", *_CORTEX_M4)),
    "clang for Cortex-M4": CrossCompiler(
        "clang", "armv7em", ("clang", "--target=arm-none-eabi", *_CORTEX_M4, "-ffreestanding")
    ),
}


@dataclass(frozen=True)
class Generated:
    """The files of one model. `name` is the stem of its .h and .c."""

    folder: Path
    name: str
    model: Model

    @property
    def source(self) -> Path:
        return self.folder / f"{self.name}.c"


def generate(model: Model, isa: str, optimize: str, folder: Path) -> Generated:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in emit(model, Options(isa, optimize, "0" * 64)).files.items():
        (folder / name).write_text(text)
    return Generated(folder, as_model_name(model.name), model)


def generate_many(isa: str, folder: Path) -> Iterator[Generated]:
    """All seeds in all variants, and of each further kind, each under a name of its own."""
    for contract, optimize in VARIANTS:
        for seed in SEEDS:
            name = f"random_{seed}_{contract.value}_{optimize}"
            model = replace(random_model(seed, contract, BOUNDS), name=name)
            yield generate(model, isa, optimize, folder / name)
    for kind, build in KINDS.items():
        for seed in SEEDS:
            name = f"random_{seed}_{kind}"
            model = build(seed, CHOICES[seed % len(CHOICES)])
            yield generate(replace(model, name=name), isa, OPTIMIZE[seed % len(OPTIMIZE)], folder / name)


def compile_objects(argv: Sequence[str], sources: Sequence[Path], folder: Path) -> list[Path]:
    """Compile in one go to one object each; any word of the compiler is a failure."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [*argv, f"-I{PORT}", "-c", *(str(source) for source in sources)]
    completed = run(command, timeout_s=300, cwd=folder)
    assert (completed.exit_code, completed.output) == (0, ""), completed.output[:4000]
    return [folder / f"{source.stem}.o" for source in sources]
