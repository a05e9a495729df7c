"""Dates as people write them, and the same dates as ISO 8601 has them: generated, the same ones every time."""

import datetime

import numpy as np
import numpy.typing as npt

FIRST_DAY, LAST_DAY = datetime.date(1900, 1, 1), datetime.date(2099, 12, 31)
TRAINING_DATES, TEST_DATES = 12000, 1000
SEED = 0

SYMBOLS = " ,./0123456789abcdefghijklmnopqrstuvwxyz"
"""What people write; the first has the number 1, and 0 fills the text up in front."""

ANSWER_SYMBOLS = "0123456789-"

TEXT_LENGTH = len("wednesday 22 september 1994")

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)

Integers = npt.NDArray[np.int64]


def load() -> dict[str, object]:
    """Return texts (N, 27) and answers (N, 10) as numbers of symbols: 12000 days to train on, 1000 others to test."""
    random = np.random.default_rng(SEED)
    days = random.choice((LAST_DAY - FIRST_DAY).days + 1, TRAINING_DATES + TEST_DATES, replace=False)
    dates = [FIRST_DAY + datetime.timedelta(int(day)) for day in days]
    formats = random.integers(len(written(FIRST_DAY)), size=len(dates))
    x = np.stack([encode_text(written(date)[form]) for date, form in zip(dates, formats, strict=True)])
    y = np.stack([encode_answer(date.isoformat()) for date in dates])
    return {
        "x": x[:TRAINING_DATES],
        "y": y[:TRAINING_DATES],
        "x_test": x[TRAINING_DATES:],
        "y_test": y[TRAINING_DATES:],
        "labels": list(ANSWER_SYMBOLS),
    }


def written(date: datetime.date) -> tuple[str, ...]:
    """Return the six ways in which people write a date here."""
    month, weekday = MONTHS[date.month - 1], WEEKDAYS[date.weekday()]
    return (
        f"{weekday} {date.day} {month} {date.year}",
        f"{date.day} {month} {date.year}",
        f"{month} {date.day}, {date.year}",
        f"{weekday[:3]} {date.day} {month[:3]} {date.year}",
        f"{date.day:02}/{date.month:02}/{date.year}",
        f"{date.day}.{date.month}.{date.year}",
    )


def encode_text(text: str) -> Integers:
    """Return the 27 numbers of a text, zeros in front."""
    numbers = [SYMBOLS.index(symbol) + 1 for symbol in text]
    return np.array([0] * (TEXT_LENGTH - len(numbers)) + numbers)


def encode_answer(answer: str) -> Integers:
    """Return the 10 numbers of a date such as 1994-09-22."""
    return np.array([ANSWER_SYMBOLS.index(symbol) for symbol in answer])
