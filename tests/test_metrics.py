from typing import Any, get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from acrloss.metrics import (
    NORMALIZER_NAMES,
    NormalizedMeanError,
    Normalizer,
    area_under_ced,
    available_normalizers,
    cumulative_error,
    face_nme,
    failure_rate,
    landmark_errors,
    mean_known,
    normalizer_lengths,
)
from acrloss.schemes import generic_scheme, get_scheme

Float = NDArray[np.float64]
SCHEME = get_scheme("ibug68")
NORMALIZERS: tuple[Normalizer, ...] = get_args(Normalizer)
scores = arrays(np.float64, st.integers(1, 40), elements=st.floats(0, 30))


def faces(count: int = 9, seed: int = 0) -> tuple[Float, Float]:
    """Targets and predictions in pixels, a fifth of the targets missing."""
    rng = np.random.default_rng(seed)
    target = rng.uniform(0, 200, (count, 68, 2))
    target[rng.uniform(size=(count, 68)) < 0.2] = np.nan
    target[:, 36:48] = rng.uniform(0, 200, (count, 12, 2))
    return target, target + rng.normal(0, 5, target.shape)


def one_face_nme(prediction: Float, target: Float, normalizer: Normalizer) -> float:
    """SPEC in plain loops: NaN where it cannot be had."""
    known = [m for m in range(68) if not np.isnan(target[m]).any()]
    xs, ys = [target[m][0] for m in known], [target[m][1] for m in known]

    def distance(a: Any, b: Any) -> float:
        return float(((a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2) ** 0.5)

    if normalizer == "interocular":
        length = distance(target[36], target[45])
    elif normalizer == "interpupil":
        right = [sum(target[m][c] for m in range(36, 42)) / 6 for c in (0, 1)]
        left = [sum(target[m][c] for m in range(42, 48)) / 6 for c in (0, 1)]
        length = distance(right, left)
    elif normalizer == "box_diagonal":
        length = ((max(xs) - min(xs)) ** 2 + (max(ys) - min(ys)) ** 2) ** 0.5
    else:
        length = ((max(xs) - min(xs)) * (max(ys) - min(ys))) ** 0.5
    if not length > 0:
        return float("nan")
    return 100 * sum(distance(prediction[m], target[m]) for m in known) / len(known) / length


@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_nme_equals_plain_loops(normalizer: Normalizer) -> None:
    target, prediction = faces()
    target[2, 36] = np.nan  # no inter-ocular nor inter-pupil distance
    target[3, 36:48] = 50  # nor here, where it is 0
    target[4] = np.nan
    expected = [
        one_face_nme(p, t, normalizer) if i != 4 else np.nan
        for i, (p, t) in enumerate(zip(prediction, target, strict=True))
    ]
    nme = face_nme(landmark_errors(prediction, target, normalizer_lengths(target, SCHEME, normalizer)))
    np.testing.assert_allclose(nme, expected, rtol=1e-12)
    unscored = {4} if normalizer.startswith("box") else {2, 3, 4}
    assert set(np.flatnonzero(np.isnan(nme))) == unscored


def test_errors_are_missing_where_the_target_is() -> None:
    target, prediction = faces()
    errors = landmark_errors(prediction, target, np.full(9, 50.0))
    np.testing.assert_array_equal(np.isnan(errors), np.isnan(target).any(axis=-1))
    assert np.isnan(landmark_errors(prediction, target, np.full(9, np.nan))).all()
    assert landmark_errors([[[3.0, 4.0]]], [[[0.0, 0.0]]], [20.0]) == 25


def test_a_lost_prediction_is_infinitely_wrong() -> None:
    target, prediction = faces()
    target[0, 5] = 1.0
    for value in (np.nan, np.inf, -np.inf):
        prediction[0, 5, 0] = value
        errors = landmark_errors(prediction, target, np.full(9, 50.0))
        assert errors[0, 5] == np.inf
        nme = face_nme(errors)
        assert nme[0] == np.inf
        assert np.isfinite(nme[1:]).all()
        assert failure_rate(nme, 1e9) == pytest.approx(100 / 9)


def test_normalizers_follow_the_scheme() -> None:
    assert available_normalizers(SCHEME) == list(NORMALIZERS)
    assert set(NORMALIZER_NAMES) == set(NORMALIZERS)
    plain = generic_scheme(5)
    assert available_normalizers(plain) == ["box_diagonal", "box_size"]
    for name in ("cofw29", "wflw98"):
        scheme = get_scheme(name)
        assert scheme.interpupil is not None
        assert scheme.interocular is not None
        landmarks = np.random.default_rng(0).uniform(0, 9, (2, scheme.num_landmarks, 2))
        (right,), (left,) = scheme.interpupil
        for normalizer, ends in (("interpupil", (right, left)), ("interocular", scheme.interocular)):
            expected = np.hypot(*(landmarks[:, ends[0]] - landmarks[:, ends[1]]).T)
            np.testing.assert_allclose(normalizer_lengths(landmarks, scheme, normalizer), expected)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="names no landmarks for interocular; choose from box_diagonal, box_size"):
        normalizer_lengths(np.zeros((1, 5, 2)), plain, "interocular")
    with pytest.raises(ValueError, match="unknown normalizer 'pupils'; choose from interocular"):
        normalizer_lengths(np.zeros((1, 68, 2)), SCHEME, "pupils")  # type: ignore[arg-type]


def test_a_scheme_s_own_eyes_come_as_means_of_their_landmarks() -> None:
    # SPEC: on one set of predictions inter-pupil NME is about 1.4 times inter-ocular NME.
    landmarks = np.zeros((1, 68, 2))
    landmarks[0, 36:42, 0] = [-56, -44, -38, -26, -38, -44]
    landmarks[0, 42:48, 0] = [26, 38, 44, 56, 44, 38]
    assert normalizer_lengths(landmarks, SCHEME, "interocular") == 112
    assert normalizer_lengths(landmarks, SCHEME, "interpupil") == 82


def test_no_faces_give_no_figure() -> None:
    nothing = np.zeros(0)
    assert normalizer_lengths(np.zeros((0, 68, 2)), SCHEME, "box_size").shape == (0,)
    assert np.isnan(failure_rate(nothing, 8))
    assert np.isnan(area_under_ced(nothing, 8))
    assert cumulative_error(nothing, np.array([1.0, 2.0])).tolist() == [0, 0]
    assert np.isnan(mean_known(np.full((3, 2), np.nan), axis=0)).all()


def test_thresholds_are_inclusive_on_the_good_side() -> None:
    nme = np.array([1.0, 8.0, 8.000001, 20.0])
    assert failure_rate(nme, 8.0) == 50
    assert cumulative_error(nme, np.array([0.5, 1, 7.99, 8, 20])).tolist() == [0, 25, 25, 50, 100]
    # Half of the faces below: 7/8 and 0 of the way.
    assert area_under_ced(nme, 8.0) == pytest.approx(100 * (7 / 8) / 4)


def test_faces_without_a_score_are_left_out() -> None:
    nme = np.array([np.nan, 2.0, 12.0, np.nan])
    assert failure_rate(nme, 8) == 50
    assert area_under_ced(nme, 8) == pytest.approx(100 * (6 / 8) / 2)
    assert cumulative_error(nme, np.array([2.0, 100.0])).tolist() == [50, 100]


@given(scores, st.floats(0.5, 25))
def test_curves_agree_with_counting(nme: Float, threshold: float) -> None:
    grid = np.linspace(0, threshold, 3001)
    curve = cumulative_error(nme, grid)
    np.testing.assert_allclose(curve, [100 * np.mean(nme <= x) for x in grid])
    assert failure_rate(nme, threshold) == pytest.approx(100 - curve[-1])
    # The CED is a step function: between grid points it rises by what the next point shows, no more.
    step = threshold / 3000
    low, high = curve[:-1].sum() * step / threshold, curve[1:].sum() * step / threshold
    assert low - 1e-9 <= area_under_ced(nme, threshold) <= high + 1e-9
    assert high - low <= 100 / 3000 + 1e-9


@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_metric_is_the_mean_over_faces_however_they_are_split(normalizer: Normalizer) -> None:
    target, prediction = faces(23)
    target[3] = np.nan
    target[4, 36:42] = target[4, 42:48]
    nme = face_nme(landmark_errors(prediction, target, normalizer_lengths(target, SCHEME, normalizer)))
    expected = np.nanmean(nme)
    truth, found = torch.from_numpy(target), torch.from_numpy(prediction)

    def metric(*parts: slice, **options: Any) -> NormalizedMeanError:
        made = NormalizedMeanError(SCHEME, normalizer, **options)
        for part in parts:
            made.update(found[part].requires_grad_(), truth[part])
        return made

    assert float(metric(slice(None)).compute()) == pytest.approx(expected, rel=1e-12)
    split = metric(slice(0, 1), slice(1, 9), slice(9, 23))
    assert float(split.compute()) == pytest.approx(expected, rel=1e-12)
    assert int(split.faces) == np.isfinite(nme).sum()

    # Two processes with unequal shares: each gathers the other's sums.
    other = metric(slice(5, 23))

    def gather(own: torch.Tensor, group: Any = None) -> list[torch.Tensor]:
        return [own, other.total if own.is_floating_point() else other.faces]

    first = metric(slice(0, 5), dist_sync_fn=gather, distributed_available_fn=lambda: True)
    assert float(first.compute()) == pytest.approx(expected, rel=1e-12)

    split.reset()
    assert int(split.faces) == 0


def test_metric_before_any_face_is_nan_and_a_lost_prediction_shows() -> None:
    metric = NormalizedMeanError(SCHEME, "interocular")
    target, prediction = faces(2)
    metric.update(torch.full((2, 68, 2), 1.0), torch.full((2, 68, 2), torch.nan))
    assert metric.compute().isnan()
    metric.update(torch.from_numpy(prediction), torch.from_numpy(target))
    assert metric.compute().isfinite()
    metric.update(torch.full((2, 68, 2), torch.nan), torch.from_numpy(target))
    assert metric.compute().isinf()
    with pytest.raises(ValueError, match="names no landmarks for interocular"):
        NormalizedMeanError(generic_scheme(5), "interocular")


def test_metric_takes_half_precision() -> None:
    target, prediction = faces(4)
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-5), (torch.bfloat16, 0.2)):
        metric = NormalizedMeanError(SCHEME, "box_size")
        metric.update(torch.from_numpy(prediction).to(dtype), torch.from_numpy(target))
        expected = np.mean([one_face_nme(p, t, "box_size") for p, t in zip(prediction, target, strict=True)])
        assert float(metric.compute()) == pytest.approx(expected, rel=tolerance)
