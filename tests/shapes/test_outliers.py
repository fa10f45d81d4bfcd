import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from acrloss.errors import DataError
from acrloss.formats.synthetic import generate
from acrloss.schemes import get_scheme
from acrloss.shapes.alignment import align_faces
from acrloss.shapes.outliers import ShapeJudge, robust_z

Float = NDArray[np.float64]
SCHEME = get_scheme("ibug68")
FLIP = list(SCHEME.flip)


@pytest.fixture(scope="module")
def faces() -> Float:
    return generate(400, seed=5).landmarks


@pytest.fixture(scope="module")
def judge(faces: Float) -> ShapeJudge:
    return ShapeJudge.fit(faces)


def moved(face: Float, angle: float, scale: float, shift: tuple[float, float]) -> Float:
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.asarray(face @ turn.T * scale + shift)


@settings(max_examples=30, deadline=None)
@given(
    angle=st.floats(-3, 3),
    scale=st.floats(0.01, 100),
    shift=st.tuples(st.floats(-1e3, 1e3), st.floats(-1e3, 1e3)),
    missing=st.sets(st.integers(0, 67), max_size=40),
)
def test_alignment_undoes_any_similarity(
    angle: float, scale: float, shift: tuple[float, float], missing: set[int]
) -> None:
    face = generate(3, seed=1).landmarks[0]
    mean = face - face.mean(axis=0)
    mean /= np.sqrt((mean**2).sum(axis=1).mean())
    other = moved(face, angle, scale, shift)
    other[list(missing)] = np.nan
    aligned, same = align_faces(other[None], face)
    known = np.setdiff1d(np.arange(68), list(missing))
    np.testing.assert_allclose(same, mean, atol=1e-12)
    np.testing.assert_allclose(aligned[0, known], mean[known], atol=1e-7)
    assert np.isnan(aligned[0, list(missing)]).all()


def test_the_mean_is_upright_and_normalised(faces: Float) -> None:
    turned = np.stack([moved(face, 0.2 * np.sin(i), 3, (i, -i)) for i, face in enumerate(faces)])
    aligned, mean = align_faces(turned)
    np.testing.assert_allclose(mean.mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose((mean**2).sum(axis=1).mean(), 1)
    eyes = mean[45] - mean[36]
    assert abs(np.arctan2(eyes[1], eyes[0])) < 0.05
    assert np.abs(aligned - mean).mean() < 0.15


def test_a_wrong_fifth_of_the_faces_hardly_moves_the_mean(faces: Float) -> None:
    bad = faces.copy()
    bad[::5] = np.random.default_rng(0).uniform(0, 500, bad[::5].shape)
    assert np.abs(align_faces(bad)[1] - align_faces(faces)[1]).max() < 0.15
    # The plain mean of the same faces goes astray by more than twice as much.
    plain = np.nanmean(align_faces(bad, align_faces(faces)[1])[0], axis=0)
    assert np.abs(plain - align_faces(faces)[1]).max() > 0.2


def test_robust_z_against_its_definition() -> None:
    rng = np.random.default_rng(0)
    values = np.exp(rng.normal(size=501))
    logs = np.log(values)
    mad = 1.4826 * np.median(np.abs(logs - np.median(logs)))
    np.testing.assert_allclose(robust_z(values), (logs - np.median(logs)) / mad)
    np.testing.assert_allclose(robust_z(values[:3], among=values), robust_z(values)[:3])
    assert robust_z(np.array([1.0, 1.0, np.inf])).tolist() == [0, 0, np.inf]


def test_distance_is_mahalanobis_in_the_aligned_frame(faces: Float, judge: ShapeJudge) -> None:
    aligned, _ = align_faces(faces[:5], judge.mean)
    covariance = np.linalg.inv(judge.precision)
    for face, distance in zip(aligned, judge.distance(faces[:5]), strict=True):
        centred = face.ravel() - judge.model.mean.numpy()
        assert distance == pytest.approx(centred @ np.linalg.solve(covariance, centred) / 136, rel=1e-6)
    assert 0.5 < np.median(judge.distance(faces)) < 1.5
    turned = np.stack([moved(face, 1.0, 7, (100, 5)) for face in faces[:5]])
    np.testing.assert_allclose(judge.distance(turned), judge.distance(faces[:5]), rtol=1e-6)


def test_jumps_are_the_conditional_residuals(faces: Float, judge: ShapeJudge) -> None:
    """Against the conditional Gaussian in covariance form: Σ_mo Σ_oo⁻¹."""
    covariance: Float = np.linalg.inv(judge.precision).astype(np.float64)
    mean: Float = judge.model.mean.numpy()
    y = align_faces(faces[:1], judge.mean)[0][0].ravel()
    length, surprise = judge.jumps(faces[:1])
    for m in (0, 30, 67):
        own = np.array([2 * m, 2 * m + 1])
        rest = np.setdiff1d(np.arange(136), own)
        weights = np.linalg.solve(covariance[np.ix_(rest, rest)], covariance[np.ix_(rest, own)]).T
        residual = y[own] - mean[own] - weights @ (y[rest] - mean[rest])
        conditional = covariance[np.ix_(own, own)] - weights @ covariance[np.ix_(rest, own)]
        side = np.ptp(judge.mean, axis=0).max()
        assert length[0, m] == pytest.approx(np.linalg.norm(residual) / side, rel=1e-5)
        assert surprise[0, m] == pytest.approx(np.sqrt(residual @ np.linalg.solve(conditional, residual)), rel=1e-5)


def test_a_landmark_out_of_place_is_named(faces: Float, judge: ShapeJudge) -> None:
    rng = np.random.default_rng(2)
    usual = judge.jumps(faces)[1].max(axis=1)
    for m in (3, 20, 33, 40, 62):
        face = faces[rng.integers(len(faces))].copy()
        side = np.ptp(face, axis=0).max()
        face[m] += (0.15 * side, 0)
        length, surprise = judge.jumps(face[None])
        assert int(surprise[0].argmax()) == m
        assert length[0, m] == pytest.approx(0.15, abs=0.06)
        assert robust_z(surprise[0].max(keepdims=True), among=usual)[0] > 3


def test_missing_landmarks_are_no_surprise(faces: Float, judge: ShapeJudge) -> None:
    face = faces[:1].copy()
    face[0, [5, 6, 40]] = np.nan
    length, surprise = judge.jumps(face)
    assert (length[0, [5, 6, 40]] == 0).all()
    assert (surprise[0, [5, 6, 40]] == 0).all()
    assert judge.distance(face)[0] < 2 * judge.distance(faces[:1])[0]


@pytest.mark.parametrize("share", [0.1, 0.3])
def test_swapped_faces_are_told_even_where_many_are(faces: Float, share: float) -> None:
    bad = faces.copy()
    wrong = np.random.default_rng(1).random(len(faces)) < share
    bad[wrong] = bad[wrong][:, FLIP]
    judge = ShapeJudge.fit(bad)
    given, exchanged = judge.distance(bad), judge.swapped(bad, FLIP, [range(68)])[0]
    assert ((exchanged * 2 < given) == wrong).all()


def test_swapped_parts(faces: Float, judge: ShapeJudge) -> None:
    eyes = tuple(range(36, 48))
    bad = faces[:20].copy()
    bad[:, list(eyes)] = bad[:, [FLIP[m] for m in eyes]]
    distances = judge.swapped(bad, FLIP, [tuple(range(68)), eyes])
    assert (distances.argmin(axis=0) == 1).all()
    np.testing.assert_allclose(distances[1], judge.distance(faces[:20]))


def test_a_face_without_extent(judge: ShapeJudge) -> None:
    face = np.full((1, 68, 2), 12.0)
    assert judge.distance(face)[0] == np.inf
    assert (judge.jumps(face)[1] == 0).all()


def test_too_little_to_judge_by(faces: Float) -> None:
    with pytest.raises(DataError, match="49 complete faces of 68 landmarks are too few"):
        ShapeJudge.fit(faces[:49])
    with pytest.raises(DataError, match="400 complete faces of 4 landmarks"):
        ShapeJudge.fit(faces[:, :4])
    with pytest.raises(DataError, match="shape model"):
        ShapeJudge.fit(np.repeat(faces[:1], 60, axis=0))
    with pytest.raises(DataError, match="lie on one point"):
        ShapeJudge.fit(np.ones((60, 68, 2)))
    gone = faces.copy()
    gone[:, 7] = np.nan
    with pytest.raises(DataError, match="landmark 7 is missing in every face"):
        ShapeJudge.fit(gone)
    with pytest.raises(ValueError, match=r"\(N, M, 2\)"):
        align_faces(faces[0])


@pytest.mark.parametrize("marks", [5, 7, 12])
def test_few_landmarks_can_be_judged(faces: Float, marks: int) -> None:
    some = faces[:, np.linspace(0, 67, marks).astype(int)]
    judge = ShapeJudge.fit(some)
    assert np.isfinite(judge.distance(some)).all()
