"""The filter of video landmarks."""

import numpy as np
import pytest

from acrloss.prediction.one_euro import OneEuroFilter


def still(frames: int, noise: float, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    face = rng.uniform(0, 100, (68, 2))
    return face + rng.normal(0, noise, (frames, 68, 2))


def run(landmarks: np.ndarray) -> np.ndarray:
    smooth = OneEuroFilter()
    return np.stack([smooth(frame) for frame in landmarks])


def test_jitter_of_a_still_face_is_less_than_half() -> None:
    raw = still(120, 0.3)
    found = run(raw)
    assert np.diff(found, axis=0)[20:].std() < 0.4 * np.diff(raw, axis=0)[20:].std()
    assert found[-1] == pytest.approx(raw.mean(axis=0), abs=1.0)


def test_lag_of_a_moving_face_is_under_one_frame() -> None:
    raw = still(60, 0.0)
    raw += np.arange(60)[:, None, None] * 3.0
    found = run(raw)
    # Three pixels a frame: how far behind, in frames.
    assert 0 <= ((raw - found)[20:] / 3.0).max() < 1


def reference(values: list[float], size: float, rest: float = 0.02, gain: float = 30.0) -> list[float]:
    """One coordinate by the paper's formulas, times in frames and lengths in face sizes."""
    found, speed = [values[0]], 0.0
    for value in values[1:]:
        speed += 0.4 * ((value - found[-1]) / size - speed)
        tau = 1 / (2 * np.pi * (rest + gain * abs(speed)))
        found.append(found[-1] + (value - found[-1]) / (1 + tau))
    return found


@pytest.mark.parametrize("direction", [(1, 0), (-1, 0), (0, 1), (0, -1), (1, -1)])
def test_it_is_the_1_euro_filter_in_every_direction(direction: tuple[int, int]) -> None:
    """A face of 30 x 40 that starts, goes on and stops: its size, the diagonal, stays 50."""
    face = np.array([[0.0, 0], [30, 0], [30, 40], [0, 40]])
    way = np.array([0, 0, 0.3, 1, 3, 6, 9, 12, 12, 12, 12.2, 11.9])
    found = run(face + way[:, None, None] * np.array(direction))
    for axis, sign in enumerate(direction):
        expected = reference((sign * way).tolist(), 50.0)
        for point in range(4):
            assert found[:, point, axis] - face[point, axis] == pytest.approx(expected, abs=1e-9)
    assert np.abs(found[8] - found[0]).max() > 11, "it has followed"


def test_its_settings_are_what_they_say() -> None:
    steps = [0.0, 1, 1, 1]
    face = np.array([[0.0, 0], [30, 40]])
    for rest, gain in ((0.1, 0.0), (0.02, 5.0), (1.0, 100.0)):
        smooth = OneEuroFilter(rest, gain)
        found = [smooth(face + step)[0, 0] for step in steps]
        assert found == pytest.approx(reference(steps, 50.0, rest, gain), abs=1e-9)


def test_it_works_alike_for_every_size_and_place() -> None:
    raw = still(30, 0.5)
    assert run(raw * 7 + 1000) == pytest.approx(run(raw) * 7 + 1000)


def test_what_it_gives_is_the_callers_own() -> None:
    smooth, raw = OneEuroFilter(), still(3, 0.1)
    first = smooth(raw[0])
    first[:] = 0
    assert np.abs(smooth(raw[1]) - raw[1]).max() < 1
    single = OneEuroFilter()
    assert single(np.zeros((1, 2))).tolist() == [[0, 0]]
    assert np.isfinite(single(np.ones((1, 2)))).all()
