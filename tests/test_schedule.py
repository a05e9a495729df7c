"""What runs when: loops over time compute what ops compute one behind the other on whole arrays."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest
from random_attention import random_attention, random_attention_model
from random_graphs import random_graph
from random_held import random_held
from random_mixed import random_mixed_model
from random_models import random_inputs
from random_native import random_native_model
from random_several import random_several
from random_states import random_states_model
from random_whole import random_whole_model
from random_windows import random_windows

from edgelstm.codegen.planning import MOST_SLICES, MOST_STORED_BYTES, make_plan
from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import IntArray, Model, Op, Quantization, QuantizedTensor, Reduction
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.last_step import LastStep
from edgelstm.ops.masking import Masking
from edgelstm.ops.merge import Add
from edgelstm.ops.pooling import MaxPool
from edgelstm.ops.repeat_vector import RepeatVector
from edgelstm.ops.reverse import Reverse
from edgelstm.ops.window import Window
from edgelstm.schedule import Copy, Line, Loop, Waiting, make_schedule, waiting_layers
from edgelstm.simulate import initial_state, simulate, simulate_window


def _native(seed: int, contract: Contract) -> Model:
    return random_native_model(seed)


def _states(seed: int, contract: Contract) -> Model:
    return random_states_model(seed)


def _held_native(seed: int, contract: Contract) -> Model:
    return random_held(seed, Contract.NATIVE)


def _on_whole_arrays(model: Model, inputs: IntArray) -> dict[str, IntArray]:
    """Every op on all elements of its inputs before the next op begins."""
    given = model.layout.split(inputs)
    values = {one.name: given[one.name].astype(one.quantization.dtype) for one in model.inputs}
    for op in model.ops:
        sources = [values[tensor.name] for tensor in op.step_inputs]
        if isinstance(op, Reverse):
            values[op.output.name] = sources[0][:, ::-1]
        elif op.repeats:
            repeated = [op.piece(sources[0], t) for t in range(op.repeats)]
            values[op.output.name] = np.stack(repeated, axis=1)
        elif not op.input.is_sequence:
            flat = [source.reshape(len(source), -1) for source in sources]
            values[op.output.name], _ = op.step(model.contract, tuple(flat), ())
        elif isinstance(op, LastStep):
            values[op.output.name] = sources[0][:, -1]
        else:
            values |= _over_time(model, op, sources, values)
    return values


def _over_time(model: Model, op: Op, sources: list[IntArray], vectors: Mapping[str, IntArray]) -> dict[str, IntArray]:
    state = op.begin(vectors, initial_state(op, len(sources[0])))
    results, states = [], []
    behind = np.full((len(sources[0]), op.pace.lag if op.pace else 0, op.input.size), op.padding, np.int8)
    padded = [np.concatenate([source, behind], axis=1) for source in sources] if op.pace else sources
    for t in range(padded[0].shape[1]):
        values = tuple(
            source.reshape(len(source), -1) if index in op.whole_inputs else source[:, t]
            for index, source in enumerate(padded)
        )
        is_yielded = op.yields(values, state).all()
        result, state = op.step(model.contract, values, state)
        results += [result] if is_yielded else []
        states.append(state)
    if isinstance(op, Reduction):
        return {op.output.name: op.finish(model.contract, state)}
    names = [array.name for array in op.state]
    shown = {
        tensor.name: np.stack([one[names.index(name)] for one in states], axis=1) for name, tensor in op.exposed.items()
    }
    return {op.output.name: np.stack(results, axis=1), **shown}


BUILDERS: tuple[Callable[[int, Contract], Model], ...] = (
    random_whole_model,
    random_graph,
    _native,
    random_windows,
    random_mixed_model,
    random_attention_model,
    random_several,
    random_held,
    _held_native,
    _states,
)


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("seed", range(12))
def test_loops_compute_what_whole_arrays_do(build: Callable[[int, Contract], Model], seed: int) -> None:
    model = build(seed, Contract.LITERT)
    inputs = random_inputs(model, seed, 3)
    found, wanted = simulate_window(model, inputs).values, _on_whole_arrays(model, inputs)
    for name, values in found.items():
        np.testing.assert_array_equal(values, wanted[name], name)


@pytest.mark.parametrize("build", BUILDERS)
@pytest.mark.parametrize("seed", range(40))
def test_what_does_not_stream_waits_for_a_layer(build: Callable[[int, Contract], Model], seed: int) -> None:
    model = build(seed, Contract.LITERT)
    schedule = make_schedule(model, model.timesteps)
    assert schedule.is_streaming == (not waiting_layers(schedule))


SCALE = Quantization(0.05, 0)


def _both_ways(timesteps: int, size: int = 2) -> Model:
    """A sequence, added to itself backwards."""
    source = QuantizedTensor("input", size, is_sequence=True, quantization=SCALE)
    turned = Reverse.of("turned", source)
    both = Add("both", source, QuantizedTensor("both", size, True, Quantization(0.1, 0)), turned.output)
    return Model("both_ways", source, (turned, both), timesteps, Contract.LITERT)


def test_what_reads_a_sequence_from_its_end_waits_for_the_window() -> None:
    schedule = make_schedule(_both_ways(5), 5)
    assert not schedule.is_streaming
    assert schedule.first.steps == ()
    (loop,) = schedule.rest
    assert isinstance(loop, Loop)
    assert (loop.level, loop.ticks, [op.name for op, _ in loop.steps]) == (1, 5, ["both"])
    assert schedule.stored == {"input"}
    assert waiting_layers(schedule) == (Waiting("turned", "reverse", "reads its sequence from the end"),)


def test_a_layer_that_goes_both_ways_waits_once() -> None:
    source = QuantizedTensor("input", 2, is_sequence=True, quantization=SCALE)
    turned = Reverse.of("both/backward/reversed", source)
    again = Reverse.of("both/forwards_again", turned.output)
    both = Add("both", source, QuantizedTensor("both", 2, True, Quantization(0.1, 0)), again.output)
    later = Reverse.of("after/reversed", both.output)
    model = Model("m", source, (turned, again, both, later), 5, Contract.LITERT)
    assert [one.name for one in waiting_layers(make_schedule(model, 5))] == ["both/backward", "after"]


def _windowed(source: QuantizedTensor, lag: int) -> tuple[Op, ...]:
    window = Window(3, before=2 - lag, behind=lag)
    output = QuantizedTensor("conv", 2, is_sequence=True, quantization=SCALE)
    return (MaxPool("conv", source, output, window),)


def _repeated(source: QuantizedTensor) -> tuple[Op, ...]:
    end = LastStep.of("end", source)
    return (end, RepeatVector.of("again", end.output, 3))


def _attended(source: QuantizedTensor) -> tuple[Op, ...]:
    end = LastStep.of("end", source)
    return (end, random_attention(np.random.default_rng(3), "attention", end.output, source, source, 5))


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda source: _windowed(source, lag=2), ("conv", "adds padding to the end of its sequence")),
        (lambda source: _windowed(source, lag=0), None),
        (_repeated, ("again", 'makes a sequence of the vector "end"')),
        (_attended, ("attention", 'needs all of the sequence "input" at once')),
    ],
    ids=("padded", "causal", "repeated", "attended"),
)
def test_what_waits_says_why(
    build: Callable[[QuantizedTensor], tuple[Op, ...]], expected: tuple[str, str] | None
) -> None:
    source = QuantizedTensor("input", 2, is_sequence=True, quantization=SCALE)
    schedule = make_schedule(Model("m", source, build(source), 5, Contract.LITERT), 5)
    assert [(one.name, one.reason) for one in waiting_layers(schedule)] == ([expected] if expected else [])


def test_a_decoder_of_given_samples_waits_for_its_states() -> None:
    models = [random_states_model(seed) for seed in range(40)]
    found = [one for model in models for one in waiting_layers(make_schedule(model, model.timesteps))]
    assert any(one.name == "decoder0" and one.reason.startswith('starts from "encoder') for one in found)


def test_an_output_that_is_only_turned_around_is_copied() -> None:
    model = _both_ways(3)
    turned = Reverse.of("again", model.output)
    schedule = make_schedule(Model("m", model.input, (*model.ops, turned), 3, Contract.LITERT), 3)
    assert [type(part) for part in schedule.rest] == [Loop, Copy]
    assert schedule.stored == {"input", "both"}


def test_a_streaming_model_has_one_loop_and_one_line() -> None:
    model = random_graph(1, Contract.LITERT)
    schedule = make_schedule(model, model.timesteps)
    assert schedule.is_streaming
    assert schedule.is_steady
    assert [type(part) for part in schedule.rest] == [Line]


def test_sequences_of_different_lengths_do_not_meet() -> None:
    source = QuantizedTensor("input", 2, is_sequence=True, quantization=SCALE)
    end = LastStep.of("end", source)
    again = RepeatVector.of("again", end.output, 4)
    both = Add("both", source, QuantizedTensor("both", 2, True, Quantization(0.1, 0)), again.output)
    model = Model("clash", source, (end, again, both), 3, Contract.LITERT)
    with pytest.raises(UnsupportedModelError, match="'both' joins sequences of 3 and 4 time steps"):
        make_schedule(model, 3)
    make_schedule(model, 4)


def _attending(value: QuantizedTensor, *before: Op, steps: int = 5) -> Model:
    """Attention of the input on a sequence."""
    source = QuantizedTensor("input", 2, is_sequence=True, quantization=SCALE)
    op = random_attention(np.random.default_rng(3), "attention", source, value, value, steps)
    return Model("attending", source, (*before, op), 5, Contract.LITERT)


def test_what_is_read_whole_is_stored_once_and_awaited() -> None:
    source = QuantizedTensor("input", 2, is_sequence=True, quantization=SCALE)
    schedule = make_schedule(_attending(source), 5)
    assert not schedule.is_streaming
    (loop,) = schedule.rest
    assert isinstance(loop, Loop)
    assert (loop.level, loop.ticks, [op.name for op, _ in loop.steps]) == (1, 5, ["attention"])
    assert schedule.stored == {"input"}


def test_a_vector_that_reads_a_whole_sequence_is_of_a_line() -> None:
    source = QuantizedTensor("input", 2, is_sequence=True, quantization=SCALE)
    end = LastStep.of("end", source)
    op = random_attention(np.random.default_rng(3), "attention", end.output, source, source, 5)
    schedule = make_schedule(Model("m", source, (end, op), 5, Contract.LITERT), 5)
    (line,) = schedule.rest
    assert isinstance(line, Line)
    assert (line.level, [op.name for op in line.ops]) == (0, ["end", "attention"])
    assert schedule.stored == {"input"}


def test_what_cannot_be_read_whole_is_refused() -> None:
    source = QuantizedTensor("input", 2, is_sequence=True, quantization=SCALE)
    turned, masked = Reverse.of("turned", source), Masking("masked", source, replace(source, name="masked"), 0)
    for model, expected in (
        (_attending(turned.output, turned), "'attention' needs the whole of the sequence 'turned', which is only"),
        (_attending(masked.output, masked), "'attention' needs the whole of a sequence of which a mask leaves steps"),
        (_attending(source, steps=4), "'attention' needs 4 time steps, and gets 5"),
    ):
        with pytest.raises(UnsupportedModelError, match=expected):
            make_schedule(model, 5)
    end = LastStep.of("end", masked.output)
    op = random_attention(np.random.default_rng(3), "attention", end.output, masked.output, masked.output, 5)
    with pytest.raises(UnsupportedModelError, match="'attention' needs the whole of a sequence of which a mask"):
        make_schedule(Model("m", source, (masked, end, op), 5, Contract.NATIVE), 5)


def _encoder(*behind: Callable[[QuantizedTensor], Op]) -> Model:
    """The last sample, and ops each on what the one before yields."""
    source = QuantizedTensor("input", 2, is_sequence=True, quantization=SCALE)
    ops: list[Op] = [LastStep.of("end", source)]
    for build in behind:
        ops.append(build(ops[-1].output))
    return Model("encoder", source, tuple(ops), 3, Contract.LITERT)


def test_a_model_that_ends_in_what_is_only_looked_up_does_not_stream() -> None:
    repeated = _encoder(lambda end: RepeatVector.of("again", end, 4))
    turned = Model("turned", repeated.input, (Reverse.of("turned", repeated.input),), 3, Contract.LITERT)
    for model, count in ((repeated, 4), (turned, 3)):
        schedule = make_schedule(model, 3)
        assert not schedule.is_streaming
        assert schedule.slices >= schedule.output_count == count
        assert isinstance(schedule.rest[-1], Copy)
        assert simulate(model, np.arange(6, dtype=np.int8).reshape(1, 3, 2)).shape == (1, count, 2)


def test_a_masked_output_is_a_sequence_whose_steps_say_that_they_yield() -> None:
    source = QuantizedTensor("input", 2, is_sequence=True, quantization=SCALE)
    pool = MaxPool("pool", source, replace(source, name="pool"), Window(2))
    for ops in (
        (pool, Masking.of("mask", pool.output, 0)),
        (Reverse.of("turned", source), Masking.of("mask", source, 0)),
    ):
        mask = replace(ops[1], input=ops[0].output)
        model = Model("masked", source, (ops[0], mask), 5, Contract.NATIVE)
        with pytest.raises(
            UnsupportedModelError, match="the output 'mask' is a sequence of which a mask leaves steps out"
        ):
            make_schedule(model, 5)
    assert make_schedule(Model("masked", source, (Masking.of("mask", source, 0),), 5, Contract.NATIVE), 5).is_streaming


def test_a_model_that_no_microcontroller_could_run_is_refused() -> None:
    """More bytes of sequences, and more steps behind the window, than there could be."""
    timesteps = MOST_STORED_BYTES // 64
    assert make_plan(_both_ways(timesteps, 64)).stored_bytes == MOST_STORED_BYTES
    with pytest.raises(UnsupportedModelError, match=f"it would store {MOST_STORED_BYTES + 64} bytes of sequences"):
        make_plan(_both_ways(timesteps + 1, 64))
    model = _both_ways(5)
    with pytest.raises(UnsupportedModelError, match=f"and run {MOST_SLICES + 1} steps behind the window"):
        make_plan(replace(model, timesteps=MOST_SLICES + 1))
    assert make_plan(replace(model, timesteps=MOST_SLICES)).schedule.slices == MOST_SLICES
