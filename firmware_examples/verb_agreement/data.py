"""Sentences without their last word, the verb, which must agree with a subject that may stand many words before it.

"the dogs near the old house that the boy sees": the verb of "dogs" is plural, whatever stands between.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

NOUNS = (("dog", "dogs"), ("cat", "cats"), ("boy", "boys"), ("girl", "girls"), ("bird", "birds"), ("king", "kings"))
VERBS = (("sees", "see"), ("likes", "like"), ("hears", "hear"), ("follows", "follow"), ("finds", "find"))
PREPOSITIONS = ("near", "behind", "beside", "under")
ADJECTIVES = ("old", "small", "happy", "quiet", "tired")
ADVERBS = ("often", "never", "always")
WORDS = (
    "-", "the", "that",
    *(form for noun in NOUNS for form in noun), *(form for verb in VERBS for form in verb),
    *PREPOSITIONS, *ADJECTIVES, *ADVERBS,
)  # fmt: skip
"""The vocabulary: a word's id is its place. Id 0 stands before sentences that are shorter than the longest."""

SENTENCE_WORDS = 32
LARGEST_DISTANCE = 28
DEEPEST = 3
TRAINING_SENTENCES = 12_000
TEST_SENTENCES = 3_000
SEED = 0

Choice = TypeVar("Choice")
Ids = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Sentence:
    """Words up to the verb that is left out.

    Attributes:
        words: the words, the subject's article first.
        is_plural: whether the subject is.
        distance: words between the subject and the verb.
        attractors: nouns between them of the other number.
    """

    words: tuple[str, ...]
    is_plural: bool
    distance: int
    attractors: int


def load() -> dict[str, object]:
    """Return word ids (N, 32) and whether the verb is plural, (N,): 12,000 sentences to train, 3000 to test."""
    training, test = split()
    x, y = as_arrays(training)
    x_test, y_test = as_arrays(test)
    return {"x": x, "y": y, "x_test": x_test, "y_test": y_test}


def split() -> tuple[list[Sentence], list[Sentence]]:
    """Return different sentences to train and to test on, of every distance about equally many."""
    rng = np.random.default_rng(SEED)
    wanted = TRAINING_SENTENCES + TEST_SENTENCES
    seen: set[tuple[str, ...]] = set()
    of_distance = [0] * (LARGEST_DISTANCE + 1)
    most = 2 * wanted // (LARGEST_DISTANCE + 1)
    sentences: list[Sentence] = []
    while len(sentences) < wanted:
        sentence = random_sentence(rng)
        if sentence.distance > LARGEST_DISTANCE or sentence.words in seen or of_distance[sentence.distance] >= most:
            continue
        if len(sentence.words) <= SENTENCE_WORDS:
            seen.add(sentence.words)
            of_distance[sentence.distance] += 1
            sentences.append(sentence)
    return sentences[:TRAINING_SENTENCES], sentences[TRAINING_SENTENCES:]


def as_arrays(sentences: list[Sentence], words: int = SENTENCE_WORDS) -> tuple[Ids, Ids]:
    """Return word ids (N, words), padded in front, and 1 for a plural verb, (N,)."""
    ids = {word: number for number, word in enumerate(WORDS)}
    x = np.zeros((len(sentences), words), np.int64)
    for row, sentence in zip(x, sentences, strict=True):
        row[words - len(sentence.words) :] = [ids[word] for word in sentence.words]
    return x, np.array([sentence.is_plural for sentence in sentences], np.int64)


def random_sentence(rng: np.random.Generator, deepest: int = DEEPEST) -> Sentence:
    """Return a sentence of any length, with phrases and clauses in each other up to `deepest`."""
    is_plural = bool(rng.random() < 0.5)
    head = ["the", *adjectives(rng), noun(rng, is_plural)]
    between = list(modifiers(rng, int(rng.integers(0, deepest + 1))))
    if rng.random() < 0.3:
        between.append(pick(rng, ADVERBS))
    others = {forms[not is_plural] for forms in NOUNS}
    attractors = sum(word in others for word in between)
    return Sentence((*head, *between), is_plural, len(between), attractors)


def modifiers(rng: np.random.Generator, depth: int) -> Iterator[str]:
    """What may follow a noun: up to `depth` phrases and clauses, in which nouns have fewer of their own."""
    for _ in range(int(rng.integers(0, depth + 1)) if depth else 0):
        is_plural = bool(rng.random() < 0.5)
        inner = ["the", *adjectives(rng), noun(rng, is_plural), *modifiers(rng, depth - 1)]
        if rng.random() < 0.5:
            yield from (pick(rng, PREPOSITIONS), *inner)
        else:
            yield from ("that", *inner, pick(rng, VERBS)[is_plural])


def adjectives(rng: np.random.Generator) -> list[str]:
    """Return an adjective, or none."""
    return [pick(rng, ADJECTIVES)] if rng.random() < 0.3 else []


def noun(rng: np.random.Generator, is_plural: bool) -> str:
    """Return any noun."""
    return pick(rng, NOUNS)[is_plural]


def pick(rng: np.random.Generator, choices: Sequence[Choice]) -> Choice:
    """Return any of them."""
    return choices[int(rng.integers(len(choices)))]
