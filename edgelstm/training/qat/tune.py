"""Fine-tuning: epochs on the deployed integers, of which the best is kept by what the integers themselves achieve."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from edgelstm.data.dataset import Samples
from edgelstm.errors import ModelError
from edgelstm.ir import AnyArray, FloatArray, FloatModel, IntArray, Model, Ranges
from edgelstm.quantization.calibration import LengthBatch, equal_lengths
from edgelstm.simulate import stored_inputs
from edgelstm.training.qat.network import FakeNetwork

OnEpoch = Callable[[int, int, float, float], None]
"""Called after each epoch with its number from 1 on, the number of epochs, the loss and the score."""


@dataclass(frozen=True)
class Schedule:
    """How to fine-tune.

    Attributes:
        epochs: how often all sequences are seen.
        batch_size: sequences a step.
        learning_rate: of the Adam optimizer in the first step; it falls to zero along half a cosine.
        seed: of the order of sequences.
    """

    epochs: int = 5
    batch_size: int = 64
    learning_rate: float = 0.001
    seed: int = 0


class Deployment(Protocol):
    """What makes integers of a Keras file's arrays, as a build would."""

    def rebuild(self, arrays: Sequence[FloatArray]) -> FloatModel:
        """The float model."""

    def calibrated(self, model: FloatModel) -> tuple[Model, Ranges]:
        """The quantized model, with ranges observed anew."""

    def quantized(self, model: FloatModel, ranges: Ranges) -> Model:
        """The quantized model with these ranges."""

    def score(self, model: Model) -> float:
        """How well it does on sequences that are not trained on; less is better."""


@dataclass(frozen=True, eq=False)
class Tuned:
    """What fine-tuning found.

    Attributes:
        arrays: of the Keras file.
        epoch: after which they were so; 0 where no epoch was better than none.
        scores: before the first epoch, and after each.
    """

    arrays: tuple[FloatArray, ...]
    epoch: int
    scores: tuple[float, ...]


def tune(
    network: FakeNetwork,
    deployment: Deployment,
    arrays: Sequence[FloatArray],
    samples: Samples,
    targets: AnyArray,
    loss: Any,
    schedule: Schedule,
    on_epoch: OnEpoch = lambda *_: None,
) -> Tuned:
    """Train the network.

    Ranges are observed anew before each epoch, on the weights of that moment; weights are rounded anew before each
    step. After each epoch the whole model is quantized as a build would, and scored.

    Args:
        network: of `arrays`.
        deployment: what makes its integers.
        arrays: of the Keras file.
        samples: to train on.
        targets: theirs, in the shape that the loss takes.
        loss: of Keras.
        schedule: how.
        on_epoch: told about the progress; what it raises ends the training.

    Raises:
        ModelError: it diverged.
    """
    _compile(network, loss, schedule, len(samples.x))
    rng = np.random.default_rng(schedule.seed)
    current = tuple(arrays)
    model, ranges = deployment.calibrated(deployment.rebuild(current))
    scores, best, best_epoch = [deployment.score(model)], current, 0
    stored = stored_inputs(model, samples.x)
    for epoch in range(1, schedule.epochs + 1):
        loss_of_step = math.nan
        for batch in _batches(samples, schedule.batch_size, rng):
            float_model = deployment.rebuild(current)
            network.refresh(float_model, deployment.quantized(float_model, ranges))
            loss_of_step = _step(network, stored, samples, targets, batch)
            if not math.isfinite(loss_of_step):
                raise ModelError(f"fine-tuning diverged in epoch {epoch}", "lower the learning rate")
            current = _with_weights(current, network)
        model, ranges = deployment.calibrated(deployment.rebuild(current))
        scores.append(deployment.score(model))
        # Of epochs that do equally well the last is the most settled; none of them is worth a change for nothing.
        if scores[0] > scores[-1] <= min(scores):
            best, best_epoch = current, epoch
        on_epoch(epoch, schedule.epochs, loss_of_step, scores[-1])
    return Tuned(best, best_epoch, tuple(scores))


def _step(network: FakeNetwork, stored: IntArray, samples: Samples, targets: AnyArray, batch: LengthBatch) -> float:
    """Train on a batch; its loss before."""
    model, wanted = network.model, targets[batch.samples]
    if model.outputs[0].is_sequence and samples.lengths is not None:
        wanted = wanted[:, : batch.timesteps]
    inputs = network.feed(model.layout.first_steps(stored[batch.samples], batch.timesteps))
    return float(network.training.train_on_batch(inputs, wanted))


def _compile(network: FakeNetwork, loss: Any, schedule: Schedule, sequences: int) -> None:
    steps = max(1, schedule.epochs * math.ceil(sequences / schedule.batch_size))
    optimizers = network.keras.optimizers
    rate = optimizers.schedules.CosineDecay(schedule.learning_rate, decay_steps=steps)
    # Clipped, because the gradients of recurrent networks now and then explode.
    network.training.compile(optimizers.Adam(rate, global_clipnorm=1.0), loss, jit_compile=False)


def _batches(samples: Samples, size: int, rng: np.random.Generator) -> list[LengthBatch]:
    """All sequences in a new order, each batch of one length; what is left over waits for the next epoch."""
    order = rng.permutation(len(samples.x))
    lengths = None if samples.lengths is None else samples.lengths[order]
    found = [
        LengthBatch(order[batch.samples], batch.timesteps)
        for batch in equal_lengths(len(order), samples.x.shape[1], lengths, size)
    ]
    if lengths is None and len(found) > 1 and len(found[-1].samples) < size:
        found.pop()
    return [found[index] for index in rng.permutation(len(found))]


def _with_weights(arrays: tuple[FloatArray, ...], network: FakeNetwork) -> tuple[FloatArray, ...]:
    trained = network.weights()
    return tuple(trained.get(number, array) for number, array in enumerate(arrays))
