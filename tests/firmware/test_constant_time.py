"""With `constant_time` steps and outputs run the same instructions whatever the data are; without it, they do not."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cores import CORES, QEMU
from reference_models import classifier, dense, embedding, lstm

from edgelstm.codegen.emit import Options, emit
from edgelstm.device.compilers import PROGRAMS, find_compiler
from edgelstm.device.targets import load_target
from edgelstm.device.toolchain import compile_firmware
from edgelstm.ir import FloatModel, IntArray, Model, Tensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.activation import activation_layers
from edgelstm.ops.layer_normalization import LayerNormalizationLayer
from edgelstm.quantization import quantize
from edgelstm.verification.step_counts import count_steps

CLASSIFIER = classifier(6, (16,), 4, 24, Contract.LITERT)
TARGETS = CORES
LARGEST_VARIATION = 0.01
BUILDS = (("gcc", "size"), ("gcc", "balanced"), ("gcc", "speed"), ("zig", "speed"))


def _spotter() -> Model:
    """Softmax in every step, of logits so far apart that exponentials vanish."""
    recurrent = lstm("lstm", Tensor("input", 6, is_sequence=True), 16)
    head = dense("dense", recurrent.output, 5)
    head = replace(head, kernel=head.kernel * 30)
    layers = (recurrent, head, *activation_layers("softmax", "softmax", head.output))
    ranges = {"input": (-2.0, 2.0), "lstm": (-1.0, 1.0), "lstm/cell": (-2.9, 3.1), "dense": (-40.0, 40.0)}
    model = FloatModel("spotter", recurrent.input, layers, 24)
    return quantize(model, {"softmax": (0.0, 1.0), **ranges}, 24, Contract.LITERT)


def _normalizer() -> Model:
    """LayerNormalization in every step, of vectors with and without variance."""
    source = Tensor("input", 9, is_sequence=True)
    weights = np.linspace(-2, 2, 9, dtype=np.float32)
    layer = LayerNormalizationLayer("normal", source, replace(source, name="normal"), weights, weights[::-1], 1e-5)
    model = FloatModel("normalizer", source, (layer,), 24)
    return quantize(model, {"input": (-2.0, 2.0), "normal": (-4.0, 4.0)}, 24, Contract.LITERT)


def _lookup() -> Model:
    """Nothing but a table."""
    layer = embedding("embedding", Tensor("ids", 1, is_sequence=True, vocabulary=40), 3)
    return quantize(FloatModel("lookup", layer.input, (layer,), 24), {"ids": (0.0, 1.0)}, 24, Contract.LITERT)


def _inputs(model: Model) -> IntArray:
    """Calm, noisy and saturating sequences, one that never leaves the zero point, and switches between extremes."""
    rng = np.random.default_rng(5)
    zero = model.input.quantization.zero_point
    inputs = np.full((5, model.timesteps, model.input.size), zero, np.int8)
    inputs[1] = np.clip(np.rint(rng.normal(zero, 15, inputs[1].shape)), -128, 127)
    inputs[2] = rng.integers(-128, 128, inputs[2].shape)
    inputs[3] = 127
    inputs[4] = rng.choice([-128, 127], inputs[4].shape)
    return inputs


def _variations(
    model: Model, name: str, compiler: str, optimize: str, constant_time: bool, work: Path
) -> dict[str, float]:
    """(largest - smallest) / mean of the instructions of a call, for each function."""
    target = load_target(name)
    options = Options(target.isa, optimize, "0" * 64, constant_time=constant_time)
    elf = _program(model, name, compiler, options, work)
    regions = dict(count_steps(elf, target, model, _inputs(model)).regions)
    return {
        function: (max(region.calls) - min(region.calls)) / (sum(region.calls) / len(region.calls))
        for function, region in regions.items()
    }


def _program(model: Model, name: str, compiler: str, options: Options, work: Path) -> Path:
    target = load_target(name)
    for file, text in emit(model, options).files.items():
        (work / file).write_text(text)
    return compile_firmware(
        target, find_compiler(target, compiler), sorted(work.glob("*.c")), [work], work / "build", "it",
        optimize=options.optimize, warnings_are_errors=True,
    ).elf  # fmt: skip


def _require_tools(name: str, compiler: str, require_tool: Callable[[str], None]) -> None:
    target = load_target(name)
    if compiler not in target.compiler_flags:
        pytest.skip(f"{compiler} does not compile for {name}")
    for tool in (PROGRAMS[target.arch][0] if compiler == "gcc" else "ziglang", QEMU[target.arch]):
        require_tool(tool)


@pytest.mark.parametrize(("compiler", "optimize"), BUILDS)
@pytest.mark.parametrize("name", TARGETS)
def test_steps_and_outputs_vary_by_less_than_one_percent(
    name: str, compiler: str, optimize: str, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    _require_tools(name, compiler, require_tool)
    variations = _variations(CLASSIFIER, name, compiler, optimize, True, tmp_path)
    assert set(variations) == {"step", "output"}
    assert max(variations.values()) < LARGEST_VARIATION, variations


@pytest.mark.parametrize(("compiler", "optimize"), BUILDS)
@pytest.mark.parametrize("name", ["cortex-m4", "cortex-m0", "rv32imc"])
def test_steps_with_softmax_vary_by_less_than_one_percent(
    name: str, compiler: str, optimize: str, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    _require_tools(name, compiler, require_tool)
    assert _variations(_spotter(), name, compiler, optimize, True, tmp_path)["step"] < LARGEST_VARIATION


@pytest.mark.parametrize("name", ["cortex-m4", "cortex-m0", "rv32imc"])
def test_steps_with_a_normalization_never_vary(name: str, require_tool: Callable[[str], None], tmp_path: Path) -> None:
    _require_tools(name, "gcc", require_tool)
    assert _variations(_normalizer(), name, "gcc", "size", True, tmp_path)["step"] == 0.0


@pytest.mark.parametrize("name", TARGETS)
def test_an_id_that_does_not_exist_takes_as_long(
    name: str, require_tool: Callable[[str], None], tmp_path: Path
) -> None:
    _require_tools(name, "gcc", require_tool)
    model, target = _lookup(), load_target(name)
    elf = _program(model, name, "gcc", Options(target.isa, "speed", "0" * 64, constant_time=True), tmp_path)
    ids = np.array([0, 39, 40, -1, 32767, -32768] * 4, np.int16).reshape(1, 24, 1)
    ((_, region),) = count_steps(elf, target, model, ids).regions
    assert len(set(region.calls)) == 1


@pytest.mark.parametrize("model", [CLASSIFIER, _spotter()], ids=lambda model: model.name)
def test_they_vary_without_it(model: Model, require_tool: Callable[[str], None], tmp_path: Path) -> None:
    _require_tools("cortex-m4", "gcc", require_tool)
    variations = _variations(model, "cortex-m4", "gcc", "speed", False, tmp_path)
    assert min(variations.values()) > LARGEST_VARIATION, variations
