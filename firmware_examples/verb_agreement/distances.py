"""How far back may the subject be? Accuracy by its distance from the verb. Run it with Python after a build."""

from pathlib import Path

import numpy as np
from data import SENTENCE_WORDS, Sentence, as_arrays, random_sentence, split

from edgelstm.data.dataset import Samples
from edgelstm.frontends.keras import load_keras
from edgelstm.frontends.tflite import load_tflite
from edgelstm.numerics.contracts import Contract
from edgelstm.verification.accuracy import run_samples, run_simulator

HERE = Path(__file__).parent
RANGES = ((3, 8), (9, 14), (15, 20), (21, 28), (29, 40), (41, 60), (61, 90))
"""Words between subject and verb; training has seen up to 28."""

LONG_SENTENCES = 300
"""How many of each range that training has not seen."""


def main() -> None:
    """Print a table of Markdown."""
    trained = load_keras(HERE / "model.keras")
    quantized = load_tflite(HERE / "out" / "model.tflite", Contract.LITERT)
    print("| words between | sentences | nouns of the other number | float | int8 |")
    print("|---|---:|---:|---:|---:|")
    for (nearest, farthest), sentences in zip(RANGES, by_distance(), strict=True):
        words = max(SENTENCE_WORDS, *(len(sentence.words) for sentence in sentences))
        x, y = as_arrays(sentences, words)
        samples = Samples(x[..., np.newaxis].astype(np.float32), y, None)
        of_float = 100 * np.mean((run_samples(trained.forward, samples)[:, 0] > 0.5) == y)
        of_int8 = 100 * np.mean((run_simulator(quantized, samples)[:, 0] > 0.5) == y)
        attractors = np.mean([sentence.attractors for sentence in sentences])
        print(
            f"| {nearest} to {farthest} | {len(sentences)} | {attractors:.1f} on average | "
            f"{of_float:.1f} % | {of_int8:.1f} % |"
        )


def by_distance() -> list[list[Sentence]]:
    """Return the test sentences in the ranges, and new ones in those that are longer."""
    _, test = split()
    found: list[list[Sentence]] = [[] for _ in RANGES]
    for sentence in test:
        place(sentence, found)
    rng = np.random.default_rng(1)
    while any(len(sentences) < LONG_SENTENCES for sentences in found[4:]):
        sentence = random_sentence(rng, deepest=5)
        if sentence.distance > RANGES[3][1]:
            place(sentence, found)
    return [*found[:4], *(sentences[:LONG_SENTENCES] for sentences in found[4:])]


def place(sentence: Sentence, found: list[list[Sentence]]) -> None:
    """Put a sentence where its distance belongs, if there is such a range."""
    for (nearest, farthest), sentences in zip(RANGES, found, strict=True):
        if nearest <= sentence.distance <= farthest:
            sentences.append(sentence)


if __name__ == "__main__":
    main()
