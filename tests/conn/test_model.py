"""The model that options, Python build and cores come down to, and how it is told."""

import pytest

from floodway.config import EngineOptions
from floodway.conn.model import Model, choose_model


def test_with_the_gil_one_reactor_accepts_and_serves() -> None:
    assert choose_model(EngineOptions(), has_gil=True, cores=8) == Model(1, 0, 0)


def test_without_the_gil_every_core_has_a_sub_reactor() -> None:
    assert choose_model(EngineOptions(), has_gil=False, cores=8) == Model(1, 8, 0)


def test_numbers_are_taken_as_they_are() -> None:
    options = EngineOptions(main_reactors=2, sub_reactors=3, threads=4)
    assert choose_model(options, has_gil=True, cores=1) == Model(2, 3, 4)


@pytest.mark.parametrize(
    ("model", "text"),
    [
        (Model(1, 0, 0), "single reactor"),
        (Model(1, 0, 1), "single reactor, 1 worker thread"),
        (Model(1, 4, 0), "1 main reactor, 4 sub reactors"),
        (Model(2, 1, 8), "2 main reactors, 1 sub reactor, 8 worker threads"),
        (Model(3, 0, 0), "3 reactors that accept and serve"),
    ],
)
def test_a_model_says_what_it_is(model: Model, text: str) -> None:
    assert str(model) == text
