import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrloss import ModeSchedule


def test_the_papers_stages_last() -> None:
    schedule = ModeSchedule()
    expected = {0: 0.80, 15: 0.80, 16: 0.85, 30: 0.85, 31: 0.90, 70: 0.90, 71: 0.95, 100: 0.95, 101: 0.97}
    expected |= {150: 0.97, 10_000: 0.97}
    assert {epoch: schedule.share(epoch) for epoch in expected} == expected


def test_constant() -> None:
    assert {ModeSchedule.constant(0.9).share(epoch) for epoch in (0, 1, 1000)} == {0.9}


def test_stretched_to_known_lengths() -> None:
    paper = ModeSchedule()
    assert paper.stretched(150) == paper
    assert [start for start, _ in paper.stretched(300).stages] == [0, 32, 62, 142, 202]
    assert [start for start, _ in paper.stretched(30).stages] == [0, 4, 7, 15, 21]
    assert paper.stretched(1).stages == ((0, 0.80),)
    assert paper.stretched(5).stages == ((0, 0.80), (1, 0.85), (2, 0.90), (3, 0.95), (4, 0.97))


@given(epochs=st.integers(1, 2000))
def test_stretched_has_the_share_of_the_proportional_epoch(epochs: int) -> None:
    paper = ModeSchedule()
    stretched = paper.stretched(epochs)
    for epoch in range(0, epochs, max(1, epochs // 50)):
        assert stretched.share(epoch) == paper.share(epoch * 150 // epochs)


def test_immutable_and_normalised() -> None:
    schedule = ModeSchedule([[0, 1], [5, 0.5]], epochs=10)  # type: ignore[arg-type]
    assert schedule.stages == ((0, 1.0), (5, 0.5))
    assert hash(schedule) == hash(ModeSchedule(((0, 1.0), (5, 0.5)), epochs=10))
    with pytest.raises(dataclasses.FrozenInstanceError):
        schedule.epochs = 3  # type: ignore[misc]


@pytest.mark.parametrize(
    ("stages", "epochs", "message"),
    [
        ((), 150, "start at epoch 0"),
        (((1, 0.5),), 150, "start at epoch 0"),
        (((0, 0.5), (3, 0.6), (3, 0.7)), 150, "rising"),
        (((0, 0.5), (150, 0.6)), 150, "more than the last stage's start 150"),
        (((0, 0.0),), 150, "shares in"),
        (((0, 1.01),), 150, "shares in"),
        (((0, float("nan")),), 150, "shares in"),
    ],
)
def test_bad_stages(stages: tuple[tuple[int, float], ...], epochs: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ModeSchedule(stages, epochs)


def test_bad_epochs() -> None:
    with pytest.raises(ValueError, match="0 or more, got -1"):
        ModeSchedule().share(-1)
    with pytest.raises(ValueError, match="1 or more, got 0"):
        ModeSchedule().stretched(0)
    with pytest.raises(TypeError):
        ModeSchedule(((0.5, 0.5),))  # type: ignore[arg-type]
