"""Random quantized models by seed with several inputs: sequences side by side, ids among them, vectors; often several
outputs."""

import numpy as np
from random_embedding import _embedding
from random_graphs import _concatenate, _grow, _join
from random_models import Bounds, _dense_and_activation, _lstm, _quantization

from edgelstm.ir import Model, Op, QuantizedTensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.last_step import LastStep
from edgelstm.ops.repeat_vector import RepeatVector
from edgelstm.ops.reverse import Reverse

BOUNDS = Bounds(units=20, inputs=12)


def random_several(seed: int, contract: Contract) -> Model:
    """The model of this seed: layers on each input, some that join them, and perhaps heads behind the last step."""
    rng = np.random.default_rng(seed + 17_000_000)
    timesteps = int(rng.integers(1, BOUNDS.timesteps + 1))
    ops: list[Op] = []
    sequences = [_sequence(rng, f"in {index}") for index in range(int(rng.integers(1, 4)))]
    vectors = [_vector(rng, f"given {index}") for index in range(int(rng.integers(len(sequences) == 1, 3)))]
    over_time = [_read(rng, ops, tensor) for tensor in sequences]
    given = [_read_vector(rng, ops, tensor) for tensor in vectors]
    for tensor in [one for one in given if rng.random() < 0.5]:
        ops.append(RepeatVector.of(f"{tensor.name} again", tensor, timesteps))
        over_time.append(ops[-1].output)
    if rng.random() < 0.3:
        ops.append(Reverse.of("turned", over_time[0]))
        over_time.append(ops[-1].output)
    for index in range(int(rng.integers(1, 4))):
        over_time += _grow(rng, ops, over_time, f"loop{index}", BOUNDS)
    names = _outputs(rng, ops, _join(rng, ops, over_time, "joined"), given)
    return Model(
        f"random_several_{seed}",
        sequences[0],
        tuple(ops),
        timesteps,
        contract,
        further_inputs=(*sequences[1:], *vectors),
        output_names=names,
    )


def _sequence(rng: np.random.Generator, name: str) -> QuantizedTensor:
    if rng.random() < 0.2:
        return QuantizedTensor.of_ids(name, int(rng.choice([2, 7, 300])))
    return QuantizedTensor(name, int(rng.integers(1, BOUNDS.inputs + 1)), True, _quantization(rng))


def _vector(rng: np.random.Generator, name: str) -> QuantizedTensor:
    return QuantizedTensor(name, int(rng.integers(1, BOUNDS.inputs + 1)), False, _quantization(rng))


def _read(rng: np.random.Generator, ops: list[Op], source: QuantizedTensor) -> QuantizedTensor:
    if source.vocabulary:
        ops.append(_embedding(rng, f"words of {source.name}", source))
    elif rng.random() < 0.5:
        ops.append(_lstm(rng, f"lstm of {source.name}", source, int(rng.integers(1, BOUNDS.units + 1))))
    else:
        ops += _dense_and_activation(rng, f"dense of {source.name}", source, int(rng.integers(1, 9)))
    return ops[-1].output


def _read_vector(rng: np.random.Generator, ops: list[Op], source: QuantizedTensor) -> QuantizedTensor:
    if rng.random() < 0.4:
        return source
    ops += _dense_and_activation(rng, f"dense of {source.name}", source, int(rng.integers(1, 9)))
    return ops[-1].output


def _with_steps(ops: list[Op], steps: QuantizedTensor) -> tuple[str, ...]:
    """The last op's vector behind a sequence, where all come with each sample; no names where they do not."""
    producer = next((op for op in ops if op.output.name == steps.name), None)
    is_late = any(op.needs_whole_input for op in ops)
    if producer is None or producer.is_alias or is_late or ops[-1].output.is_sequence:
        return ()
    return steps.name, ops[-1].output.name


def _outputs(
    rng: np.random.Generator, ops: list[Op], joined: QuantizedTensor, given: list[QuantizedTensor]
) -> tuple[str, ...]:
    """End in vectors, with all vectors that nothing has read, or in sequences; the names where there are several."""
    read = {tensor.name for op in ops for tensor in op.inputs}
    loose = [tensor for tensor in given if tensor.name not in read]
    end = joined
    if loose or any(op.needs_whole_input for op in ops) or rng.random() < 0.6:
        ops.append(LastStep.of("last", joined))
        end = ops[-1].output
        if loose:
            ops.append(_concatenate(rng, "ends", [end, *loose]))
            end = ops[-1].output
    if rng.random() < 0.4:
        return _with_steps(ops, joined) if rng.random() < 0.3 else ()
    ops += _dense_and_activation(rng, "second", end, int(rng.integers(1, 6)))
    names = end.name, ops[-1].output.name
    return names if rng.random() < 0.5 else names[::-1]
