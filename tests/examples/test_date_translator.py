import datetime

import pytest


@pytest.fixture
def example(load_example):
    return load_example("date_translator")


def _texts(example, numbers):
    return ["".join(example.data.SYMBOLS[int(number) - 1] for number in row if number) for row in numbers]


def test_every_text_means_its_answer_and_no_day_of_the_test_was_trained(example):
    dataset, data = example.dataset, example.data
    assert (dataset.x.shape, dataset.x_test.shape) == ((12000, 27), (1000, 27))
    assert (dataset.y.shape, dataset.y_test.shape) == ((12000, 10), (1000, 10))
    answers = ["".join(data.ANSWER_SYMBOLS[number] for number in row) for row in dataset.y_test]
    for text, answer in zip(_texts(example, dataset.x_test), answers, strict=True):
        assert text in data.written(datetime.date.fromisoformat(answer))
    assert {row.tobytes() for row in dataset.y}.isdisjoint({row.tobytes() for row in dataset.y_test})
    assert dataset.labels == tuple(data.ANSWER_SYMBOLS)


def test_dates_are_written_in_six_ways(example):
    assert example.data.written(datetime.date(1994, 9, 22)) == (
        "thursday 22 september 1994",
        "22 september 1994",
        "september 22, 1994",
        "thu 22 sep 1994",
        "22/09/1994",
        "22.9.1994",
    )


def test_a_text_ends_with_the_window(example):
    numbers = example.data.encode_text("1 may 2000")
    assert numbers.shape == (27,)
    assert not numbers[:17].any()
    assert _texts(example, [numbers]) == ["1 may 2000"]


def test_the_longest_date_fits(example):
    days = [datetime.date(1900, 1, 1) + datetime.timedelta(day) for day in range(0, 400)]
    assert max(len(text) for day in days for text in example.data.written(day)) == example.data.TEXT_LENGTH
