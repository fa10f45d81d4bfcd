import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from acrloss.evaluation import bootstrap
from acrloss.evaluation.bootstrap import mean_intervals

Float = NDArray[np.float64]


def test_equals_a_plain_loop() -> None:
    values = np.random.default_rng(1).gamma(3, 2, (30, 2))
    rng = np.random.default_rng(7)
    means = sorted(values[rng.integers(0, 30, 30), 0].mean() for _ in range(400))
    # The smallest value that 2.5 % (97.5 %) of the 400 do not exceed: the 10th and the 390th.
    assert mean_intervals(values, resamples=400, seed=7)[0] == pytest.approx([means[9], means[389]])


def test_has_the_width_that_theory_gives() -> None:
    values = np.random.default_rng(2).normal(5, 2, (4000, 1))
    low, high = mean_intervals(values)[0]
    half = 1.96 * values.std() / 4000**0.5
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.1 * half)


def test_covers_the_true_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(3)
    # Each column is a sample of its own: 400 samples of 60 faces with failure rate 20 %.
    ends = mean_intervals(np.where(rng.uniform(size=(60, 400)) < 0.2, 100.0, 0.0), resamples=500)
    assert 0.9 <= np.mean((ends[:, 0] <= 20) & (ends[:, 1] >= 20)) <= 0.98


def test_is_seeded_and_does_not_depend_on_how_much_is_drawn_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(4).uniform(size=(50, 3))
    expected = mean_intervals(values)
    assert not np.array_equal(mean_intervals(values, seed=1), expected)
    monkeypatch.setattr(bootstrap, "_DRAWN_AT_ONCE", 170)
    np.testing.assert_allclose(mean_intervals(values), expected, rtol=1e-12)


def test_a_lost_face_reaches_the_upper_end() -> None:
    values = np.ones((100, 2))
    values[5, 0] = np.inf
    ends = mean_intervals(values)
    assert ends.tolist() == [[1, np.inf], [1, 1]]
    assert mean_intervals(np.full((3, 1), np.inf)).tolist() == [[np.inf, np.inf]]


@pytest.mark.parametrize("faces", [0, 1])
def test_too_few_faces_have_no_interval(faces: int) -> None:
    assert np.isnan(mean_intervals(np.ones((faces, 2)))).all()


@given(arrays(np.float64, st.tuples(st.integers(2, 20), st.just(1)), elements=st.floats(0, 100)))
def test_lies_within_the_values(values: Float) -> None:
    low, high = mean_intervals(values, resamples=100)[0]
    assert values.min() - 1e-9 <= low <= high <= values.max() + 1e-9
