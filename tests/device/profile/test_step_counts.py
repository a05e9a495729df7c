"""The counts of a whole model: alike in both emulators, and every part adds up to the whole."""

from pathlib import Path

import numpy as np
import pytest
from random_models import _lstm
from reference_models import classifier, tagger

from edgelstm.device.compilers import find_compiler
from edgelstm.device.targets import load_target
from edgelstm.ir import Model, Quantization, QuantizedTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.reverse import Reverse
from edgelstm.pipeline import BuildRequest
from edgelstm.pipeline.firmware import compile_sources, generate, write_sources
from edgelstm.pipeline.profiled import profile_firmware, profile_inputs
from edgelstm.pipeline.quantized_model import Quantized
from edgelstm.report.progress import Silent
from edgelstm.tflite import write_tflite
from edgelstm.tflite.export import to_tflite_model
from edgelstm.verification.step_counts import count_steps

MODEL = classifier(3, (8, 8), 3, 10, Contract.LITERT)


def build_elf(model: Model, target_name: str, choice: str, folder: Path) -> Path:
    target = load_target(target_name)
    quantized = Quantized(model, write_tflite(to_tflite_model(model)), None)
    write_sources(generate(quantized, target.isa, BuildRequest(folder, folder)).files, folder / "src")
    return compile_sources(
        folder / "src", target, find_compiler(target, choice), "balanced", folder / "build", Silent()
    ).elf


@pytest.mark.parametrize("choice", ["gcc", "zig"])
def test_steps_of_a_model_cost_the_same_in_both_emulators(choice, require_tool, tmp_path):
    for tool in ("qemu-system-arm", "unicorn", "ziglang", "arm-none-eabi-gcc"):
        require_tool(tool)
    target = load_target("cortex-m4")
    elf = build_elf(MODEL, target.name, choice, tmp_path)
    inputs = profile_inputs(MODEL, None, 20)
    qemu = count_steps(elf, target, MODEL, inputs, runner="qemu")
    unicorn = count_steps(elf, target, MODEL, inputs, runner="unicorn")
    assert (qemu.step, qemu.output, qemu.stack_bytes) == (unicorn.step, unicorn.output, unicorn.stack_bytes)
    assert qemu == count_steps(elf, target, MODEL, inputs, runner="qemu")
    assert len(qemu.step.calls) == len(qemu.output.calls) == 20
    assert min(qemu.step.calls) > MODEL.macs_per_step / 2
    assert qemu.stack_bytes > 0


def test_a_model_that_answers_every_step_has_no_output_to_count(require_tool, tmp_path):
    require_tool("unicorn")
    model = tagger(2, 4, 5, Contract.LITERT)
    elf = build_elf(model, "cortex-m4", "gcc", tmp_path)
    inputs = np.zeros((2, 5, 2), np.int8)
    counts = count_steps(elf, load_target("cortex-m4"), model, inputs, runner="unicorn")
    assert counts.output is None
    assert len(counts.step.calls) == 10
    # The second sequence is the first one again.
    assert counts.step.calls[:5] == counts.step.calls[5:]


@pytest.mark.parametrize("runner", ["qemu", "unicorn"])
def test_a_model_that_waits_for_its_window_is_counted_by_the_slice(runner, require_tool, tmp_path):
    for tool in ("qemu-system-arm", "unicorn", "arm-none-eabi-gcc"):
        require_tool(tool)
    source = QuantizedTensor("input", 3, True, Quantization(2.0**-5, 4))
    turned = Reverse.of("turned", source)
    again = _lstm(np.random.default_rng(1), "again", turned.output, 4)
    model = Model("turned", source, (turned, again), 6, Contract.LITERT)
    elf = build_elf(model, "cortex-m4", "gcc", tmp_path)
    counts = count_steps(elf, load_target("cortex-m4"), model, profile_inputs(model, None, 12), runner=runner)
    (step, steps), (name, slices) = counts.regions
    assert (step, name) == ("step", "output_slice")
    assert slices.symbol == "turned_output_slice"
    assert (len(steps.calls), len(slices.calls)) == (12, 12)
    # A sample is only kept, and the LSTM runs behind the window.
    assert max(steps.calls) < again.macs < min(slices.calls)


@pytest.mark.parametrize("choice", ["gcc", "zig"])
def test_every_breakdown_adds_up_to_the_call(choice, require_tool, tmp_path):
    for tool in ("qemu-system-arm", "ziglang", "arm-none-eabi-gcc"):
        require_tool(tool)
    path = tmp_path / "model.tflite"
    path.write_bytes(write_tflite(to_tflite_model(MODEL)))
    request = BuildRequest(path, tmp_path / "out", compiler=choice)
    (profile,) = profile_firmware(request, steps=20)
    assert not (tmp_path / "out").exists()
    for call in profile.calls:
        assert call.best <= call.mean <= call.worst
        assert call.cycles is not None
        assert call.mean / 2 < call.cycles[0] < call.cycles[1] < 4 * call.mean
        for shares in (profile.layers, profile.parts, profile.functions):
            mine = [share for share in shares if share.function == call.function]
            for what in ("instructions", "loads", "loaded_words", "stores", "stored_words"):
                total = sum(getattr(share.work, what) for share in mine)
                assert total == pytest.approx(getattr(call.work, what))
            assert sum(share.percent for share in mine) == pytest.approx(100)
    layers = {(share.function, share.layer) for share in profile.layers}
    # The compiler may have put any of them into another, and yet each has its row.
    assert {("step", "lstm_1"), ("step", "lstm_2"), ("output", "dense"), ("output", "softmax")} <= layers
    assert profile.undecoded == 0
