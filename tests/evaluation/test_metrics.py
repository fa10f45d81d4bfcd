import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from acrloss.evaluation.metrics import (
    area_under_ced,
    cumulative_error,
    face_nme,
    failure_rate,
    landmark_errors,
    mean_known,
)
from acrloss.evaluation.normalizers import NORMALIZERS, available_normalizers, normalizer_lengths, normalizer_title
from acrloss.evaluation.torch_metrics import (
    AreaUnderCED,
    CumulativeError,
    FailureRate,
    LandmarkError,
    LandmarkMetric,
    NormalizedMeanError,
    RegionError,
)
from acrloss.schemes import Scheme, generic_scheme, get_scheme
from two_processes import in_two_processes

Float = NDArray[np.float64]
SCHEME = get_scheme("ibug68")
LANDMARKS_ALONE = [name for name, row in NORMALIZERS.items() if row.needs != "boxes"]
scores = arrays(np.float64, st.integers(1, 40), elements=st.floats(0, 30))


def faces(count: int = 9, seed: int = 0) -> tuple[Float, Float]:
    """Targets and predictions in pixels, a fifth of the targets missing."""
    rng = np.random.default_rng(seed)
    target = rng.uniform(0, 200, (count, 68, 2))
    target[rng.uniform(size=(count, 68)) < 0.2] = np.nan
    target[:, 36:48] = rng.uniform(0, 200, (count, 12, 2))
    return target, target + rng.normal(0, 5, target.shape)


def boxes_of(count: int = 9) -> Float:
    """Annotated boxes of faces, 30 px wide and 40 px high for the first, larger ones after it; the last has none."""
    corners = np.random.default_rng(5).uniform(0, 100, (count, 2))
    sizes = np.array([30.0, 40.0]) + np.arange(count)[:, None] * (1, 3)
    boxes = np.concatenate([corners, corners + sizes], axis=1)
    boxes[-1] = np.nan
    return boxes


def one_face_nme(prediction: Float, target: Float, normalizer: str, box: Float | None = None) -> float:
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
    elif normalizer == "box_size":
        length = ((max(xs) - min(xs)) * (max(ys) - min(ys))) ** 0.5
    elif normalizer == "annotated_box_diagonal":
        assert box is not None
        length = ((box[2] - box[0]) ** 2 + (box[3] - box[1]) ** 2) ** 0.5
    elif normalizer == "annotated_box_size":
        assert box is not None
        length = ((box[2] - box[0]) * (box[3] - box[1])) ** 0.5
    else:
        raise AssertionError(f"{normalizer} has no reference here")
    if not length > 0 or not known:
        return float("nan")
    return 100 * sum(distance(prediction[m], target[m]) for m in known) / len(known) / length


@pytest.mark.parametrize("normalizer", NORMALIZERS)
def test_nme_equals_plain_loops(normalizer: str) -> None:
    target, prediction = faces()
    boxes = boxes_of()
    target[2, 36] = np.nan  # no inter-ocular nor inter-pupil distance
    target[3, 36:48] = 50  # nor here, where it is 0
    target[4] = np.nan
    expected = [
        one_face_nme(p, t, normalizer, box) if i != 4 else np.nan
        for i, (p, t, box) in enumerate(zip(prediction, target, boxes, strict=True))
    ]
    lengths = normalizer_lengths(target, SCHEME, normalizer, boxes)
    nme = face_nme(landmark_errors(prediction, target, lengths))
    np.testing.assert_allclose(nme, expected, rtol=1e-12)
    unscored = {4, 8} if normalizer.startswith("annotated") else {4} if normalizer.startswith("box") else {2, 3, 4}
    assert set(np.flatnonzero(np.isnan(nme))) == unscored


def test_annotated_boxes_measure_by_hand() -> None:
    marks = np.zeros((5, 68, 2))
    boxes = np.array([[10, 20, 40, 60], [0, 0, 0, 40], [40, 60, 10, 20], [0, 0, np.nan, 9], [-5, -5, 11, 20.0]])
    # The second has no width, the corners of the third are exchanged.
    diagonal = normalizer_lengths(marks, SCHEME, "annotated_box_diagonal", boxes)
    np.testing.assert_allclose(diagonal, [50, 40, np.nan, np.nan, np.hypot(16, 25)])
    np.testing.assert_allclose(
        normalizer_lengths(marks, SCHEME, "annotated_box_size", boxes), [1200**0.5, np.nan, np.nan, np.nan, 20]
    )
    with pytest.raises(ValueError, match="annotated_box_size needs annotated boxes; give boxes, or choose from inter"):
        normalizer_lengths(marks, SCHEME, "annotated_box_size")
    with pytest.raises(ValueError, match=r"expected boxes of shape \(5, 4\), got \(4, 4\)"):
        normalizer_lengths(marks, SCHEME, "annotated_box_size", boxes[:4])


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
    assert available_normalizers(SCHEME) == ["interocular", "interpupil", "box_diagonal", "box_size"]
    assert available_normalizers(SCHEME, boxes=True) == list(NORMALIZERS)
    plain = generic_scheme(5)
    assert available_normalizers(plain) == ["box_diagonal", "box_size"]
    assert available_normalizers(plain, boxes=True)[2:] == ["annotated_box_diagonal", "annotated_box_size"]
    for name in ("cofw29", "wflw98"):
        scheme = get_scheme(name)
        assert scheme.interpupil is not None
        assert scheme.interocular is not None
        landmarks = np.random.default_rng(0).uniform(0, 9, (2, scheme.num_landmarks, 2))
        (right,), (left,) = scheme.interpupil
        for normalizer, ends in (("interpupil", (right, left)), ("interocular", scheme.interocular)):
            expected = np.hypot(*(landmarks[:, ends[0]] - landmarks[:, ends[1]]).T)
            np.testing.assert_allclose(normalizer_lengths(landmarks, scheme, normalizer), expected)
    with pytest.raises(ValueError, match="names no landmarks for interocular; choose from box_diagonal, box_size"):
        normalizer_lengths(np.zeros((1, 5, 2)), plain, "interocular")
    for wrong in ("pupils", "", "Interocular", "given"):
        with pytest.raises(ValueError, match=f"unknown normalizer '{wrong}'; choose from interocular"):
            normalizer_lengths(np.zeros((1, 68, 2)), SCHEME, wrong)
        if wrong != "given":
            with pytest.raises(ValueError, match=f"unknown normalizer '{wrong}'"):
                NormalizedMeanError(SCHEME, wrong)


def test_titles_speak_of_eyes_only_where_there_are_some() -> None:
    assert normalizer_title("interocular", SCHEME) == "inter-ocular distance"
    aerofoil = Scheme("aerofoil", 12, tuple(range(12)), interocular=(0, 11), interpupil=((1, 2), (3,)), noun="aerofoil")
    assert normalizer_title("interocular", aerofoil) == "distance of landmarks 0 and 11"
    assert normalizer_title("interpupil", aerofoil) == "distance of the middles of landmarks (1, 2) and (3,)"
    assert normalizer_title("box_size", aerofoil) == "square root of the landmark box's area"


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


@settings(deadline=None)
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


@pytest.mark.parametrize("normalizer", LANDMARKS_ALONE)
def test_metric_is_the_mean_over_faces_however_they_are_split(normalizer: str) -> None:
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


def every_metric(normalizer: Any = "interocular", **options: Any) -> dict[str, LandmarkMetric]:
    return {
        "nme": NormalizedMeanError(SCHEME, normalizer, **options),
        "fr": FailureRate(SCHEME, normalizer, 8, **options),
        "auc": AreaUnderCED(SCHEME, normalizer, 8, **options),
        "ced": CumulativeError(SCHEME, normalizer, [0, 5, 10.5, 30, 1e4], **options),
        "landmarks": LandmarkError(SCHEME, normalizer, **options),
        "regions": RegionError(SCHEME, normalizer, **options),
    }


def by_functions(errors: Float) -> dict[str, Any]:
    """What `every_metric` must give, from the functions."""
    nme = face_nme(errors)
    landmarks = mean_known(errors, axis=0)
    return {
        "nme": np.nanmean(nme),
        "fr": failure_rate(nme, 8),
        "auc": area_under_ced(nme, 8),
        "ced": cumulative_error(nme, np.array([0, 5, 10.5, 30, 1e4])),
        "landmarks": landmarks,
        "regions": {name: np.nanmean(landmarks[list(points)]) for name, points in SCHEME.regions.items()},
    }


def assert_same(computed: dict[str, Any], expected: dict[str, Any]) -> None:
    for name, value in expected.items():
        found = computed[name]
        if isinstance(value, dict):
            assert {key: float(item) for key, item in found.items()} == pytest.approx(value, rel=1e-9), name
        else:
            np.testing.assert_allclose(np.asarray(found), value, rtol=1e-9, err_msg=name)


def hard_faces() -> tuple[Float, Float]:
    """23 faces, one without landmarks, one without a normaliser, one landmark that no face has."""
    target, prediction = faces(23)
    target[3] = np.nan
    target[4, 36] = target[4, 45]
    target[:, 8] = np.nan
    return target, prediction


def test_metrics_agree_with_the_functions_however_faces_are_split() -> None:
    target, prediction = hard_faces()
    expected = by_functions(landmark_errors(prediction, target, normalizer_lengths(target, SCHEME, "interocular")))
    assert 0 < expected["fr"] < 100
    assert np.isnan(expected["landmarks"][8])
    for bounds in ([0, 23], [0, 1, 4, 5, 23]):
        metrics = every_metric()
        for metric in metrics.values():
            for start, end in itertools.pairwise(bounds):
                metric.update(torch.from_numpy(prediction[start:end]), torch.from_numpy(target[start:end]))
        assert_same({name: metric.compute() for name, metric in metrics.items()}, expected)
        # States are sums: what is kept does not grow with the faces.
        assert max(sum(getattr(m, state).numel() for state in m._defaults) for m in metrics.values()) <= 2 * 68


def test_only_visible_landmarks_count_but_all_of_them_measure_the_face() -> None:
    target, prediction = faces()
    visible = np.random.default_rng(1).uniform(size=(9, 68)) < 0.6
    visible[:, 36] = False  # an eye corner: hidden, and still an end of the inter-ocular distance
    visible[2] = False
    errors = landmark_errors(prediction, target, normalizer_lengths(target, SCHEME, "interocular"))
    expected = by_functions(np.where(visible, errors, np.nan))
    metrics = every_metric(visible_only=True)
    for metric in metrics.values():
        metric.update(torch.from_numpy(prediction), torch.from_numpy(target), visible=torch.from_numpy(visible))
    assert_same({name: metric.compute() for name, metric in metrics.items()}, expected)
    assert metrics["nme"].faces == 8
    with pytest.raises(ValueError, match="visible_only needs visible"):
        metrics["nme"].update(torch.from_numpy(prediction), torch.from_numpy(target))


def test_given_lengths() -> None:
    target, prediction = faces()
    lengths = np.array([100, 50, 0, -3, np.nan, np.inf, 80, 90, 70.0])
    usable = np.isfinite(lengths) & (lengths > 0)
    expected = by_functions(landmark_errors(prediction[usable], target[usable], lengths[usable]))
    metrics = every_metric("given")
    for metric in metrics.values():
        metric.update(torch.from_numpy(prediction), torch.from_numpy(target), lengths=torch.from_numpy(lengths))
    assert_same({name: metric.compute() for name, metric in metrics.items()}, expected)
    assert metrics["fr"].faces == 5
    pair = torch.from_numpy(prediction), torch.from_numpy(target)
    with pytest.raises(ValueError, match="'given' needs lengths"):
        metrics["nme"].update(*pair)
    with pytest.raises(ValueError, match="'box_size' takes no lengths"):
        NormalizedMeanError(SCHEME, "box_size").update(*pair, lengths=torch.from_numpy(lengths))


def test_annotated_boxes_normalise_the_classes_too() -> None:
    target, prediction = faces()
    boxes = boxes_of()
    expected = by_functions(
        landmark_errors(prediction, target, normalizer_lengths(target, SCHEME, "annotated_box_size", boxes))
    )
    metrics = every_metric("annotated_box_size")
    for metric in metrics.values():
        metric.update(torch.from_numpy(prediction), torch.from_numpy(target), boxes=torch.from_numpy(boxes))
    assert_same({name: metric.compute() for name, metric in metrics.items()}, expected)
    assert metrics["fr"].faces == 8
    pair = torch.from_numpy(prediction), torch.from_numpy(target)
    with pytest.raises(ValueError, match="'annotated_box_size' needs boxes in update"):
        metrics["nme"].update(*pair)
    with pytest.raises(ValueError, match="'box_size' takes no boxes in update"):
        NormalizedMeanError(SCHEME, "box_size").update(*pair, boxes=torch.from_numpy(boxes))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"prediction": (1, 68, 2)}, r"prediction: expected shape \(3, 68, 2\) for a target .*, got \(1, 68, 2\)"),
        ({"prediction": (3, 1, 2)}, r"prediction: expected shape \(3, 68, 2\) .*, got \(3, 1, 2\)"),
        ({"prediction": (3, 136)}, r"prediction: expected shape \(3, 68, 2\) .*, got \(3, 136\)"),
        ({"prediction": (3, 68, 4)}, r"prediction: .*, got \(3, 68, 4\)"),
        ({"prediction": (68, 2)}, r"prediction: .*, got \(68, 2\)"),
        (
            {"target": (3, 136)},
            r"target: expected shape \(N, 68, 2\) \(ibug68\), got \(3, 136\); give .view\(-1, 68, 2\)",
        ),
        ({"target": (3, 67, 2)}, r"target: expected shape \(N, 68, 2\) \(ibug68\), got \(3, 67, 2\)$"),
        ({"target": (68, 2)}, r"target: expected shape .*, got \(68, 2\)$"),
        ({"target": ()}, r"target: expected shape .*, got \(\)$"),
        ({"visible": (68,)}, r"visible: expected shape \(3, 68\) for a target of shape \(3, 68, 2\), got \(68,\)"),
        ({"visible": (3, 68, 2)}, r"visible: expected shape \(3, 68\) .*, got \(3, 68, 2\)"),
        ({"lengths": (1,)}, r"lengths: expected shape \(3,\) .*, got \(1,\)"),
        ({"lengths": (3, 1)}, r"lengths: expected shape \(3,\) .*, got \(3, 1\)"),
        ({"lengths": ()}, r"lengths: expected shape \(3,\) .*, got \(\)"),
        ({"boxes": (1, 4)}, r"boxes: expected shape \(3, 4\) .*, got \(1, 4\)"),
    ],
)
def test_nothing_is_broadcast(changed: dict[str, tuple[int, ...]], message: str) -> None:
    # An earlier version took one face for all of them, and one length.
    given = {"prediction": (3, 68, 2), "target": (3, 68, 2), **changed}
    normalizer = "given" if "lengths" in changed else "annotated_box_size" if "boxes" in changed else "interocular"
    for metric in every_metric(normalizer, visible_only="visible" in changed).values():
        with pytest.raises(ValueError, match=message):
            metric.update(**{name: torch.ones(shape) for name, shape in given.items()})
        assert metric.update_count == 1 or not metric.update_called
        assert all(float(getattr(metric, state).sum()) == 0 for state in metric._defaults), "nothing was added"


@pytest.mark.parametrize("metric", [FailureRate, AreaUnderCED])
def test_thresholds_are_positive(metric: Any) -> None:
    for threshold in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="expected a positive threshold"):
            metric(SCHEME, "interocular", threshold)


def score_share(rank: int) -> dict[str, torch.Tensor]:
    """One of two processes: scores its share of the faces, the first 5 or the other 18."""
    target, prediction = hard_faces()
    share = slice(0, 5) if rank == 0 else slice(5, 23)
    metrics = every_metric()
    for metric in metrics.values():
        metric.update(torch.from_numpy(prediction[share]), torch.from_numpy(target[share]))
    return {name: metric.compute() for name, metric in metrics.items()}


@pytest.mark.slow
def test_two_processes_give_the_figures_of_one(tmp_path: Path) -> None:
    target, prediction = hard_faces()
    expected = by_functions(landmark_errors(prediction, target, normalizer_lengths(target, SCHEME, "interocular")))
    for found in in_two_processes(score_share, tmp_path):
        assert_same(found, expected)
