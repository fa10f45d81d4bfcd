"""Shape models of faces of which landmarks are missing."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from acrloss import ShapeModel
from acrloss.shapes.incomplete import estimate_moments

Array = NDArray[np.float64]


def drawn(count: int, seed: int = 0, modes: int = 14) -> tuple[Array, Array, Array]:
    """(N, 7, 2) normally distributed faces, and the mean (14,) and covariance (14, 14) that they are drawn from."""
    rng = np.random.default_rng(1)
    basis = (np.linalg.qr(rng.normal(size=(14, 14)))[0] * 0.1 * 0.7 ** np.arange(14))[:, :modes]
    mean = rng.uniform(0.2, 0.8, 14)
    faces = mean + np.random.default_rng(seed).normal(size=(count, modes)) @ basis.T
    return faces.reshape(count, 7, 2), mean, basis @ basis.T


def with_gaps(faces: Array, share: float, seed: int = 0) -> Array:
    """The faces, each without one landmark at least."""
    rng = np.random.default_rng(seed)
    gaps = rng.random(faces.shape[:2]) < share
    gaps[np.arange(len(faces)), rng.integers(0, faces.shape[1], len(faces))] = True
    gaps[gaps.all(axis=1), 0] = False
    return np.where(gaps[..., None], np.nan, faces)


def covariance(model: ShapeModel) -> Array:
    vectors = model.components.numpy()
    return np.asarray(vectors * model.eigenvalues.numpy() @ vectors.T)


def test_no_face_is_complete() -> None:
    faces, mean, truth = drawn(2000)
    model = ShapeModel.fit(with_gaps(faces, 0.2))
    assert (model.num_faces, model.num_completed, model.num_skipped) == (2000, 2000, 0)
    # As near to the truth as 2000 complete faces are.
    np.testing.assert_allclose(model.mean, mean, atol=0.01)
    np.testing.assert_allclose(covariance(model), truth, atol=0.06 * truth.max())
    naive = np.where(np.isnan(with_gaps(faces, 0.2)), mean.reshape(7, 2), with_gaps(faces, 0.2)).reshape(2000, 14)
    assert np.abs(np.cov(naive.T) - truth).max() > 0.2 * truth.max(), "filling in the mean would not do"


def test_faces_of_few_modes_come_back_exactly() -> None:
    faces, _, _ = drawn(60, modes=3)
    whole, found = ShapeModel.fit(faces), ShapeModel.fit(with_gaps(faces, 0.0))
    np.testing.assert_allclose(found.mean, whole.mean, atol=1e-5)
    np.testing.assert_allclose(covariance(found), covariance(whole), atol=1e-6)
    assert (found.eigenvalues[3:] < 1e-4 * found.eigenvalues[2]).all()


def test_one_round_is_the_conditional_distribution() -> None:
    """Of two coordinates with a closed form: b is missing in some faces (Anderson 1957)."""
    rng = np.random.default_rng(0)
    a = rng.normal(3, 2, 400)
    b = 0.5 * a + rng.normal(0, 1, 400)
    known = slice(0, 150)
    # The most likely mean of b is its regression on all a.
    slope = np.cov(a[known], b[known])[0, 1] / np.var(a[known], ddof=1)
    expected = b[known].mean() + slope * (a.mean() - a[known].mean())
    residual = np.var(b[known]) - slope**2 * np.var(a[known])
    faces = np.stack([a, b], axis=1)
    faces[150:, 1] = np.nan
    found = estimate_moments(torch.from_numpy(faces))
    assert (found.num_faces, found.num_completed) == (400, 250)
    np.testing.assert_allclose(found.mean, [a.mean(), expected], rtol=2e-3)
    spread = [[np.var(a), slope * np.var(a)], [slope * np.var(a), slope**2 * np.var(a) + residual]]
    np.testing.assert_allclose(found.scatter / 400, spread, rtol=5e-3)


def test_complete_faces_alone_are_fitted_where_they_suffice() -> None:
    faces, _, _ = drawn(40)
    some = faces.copy()
    some[15:, 2] = np.nan
    model = ShapeModel.fit(some)
    np.testing.assert_array_equal(model.mean, ShapeModel.fit(faces[:15]).mean)
    assert (model.num_faces, model.num_skipped, model.num_completed) == (15, 25, 0)
    # One less than coordinates: all take part, in whatever batches they come.
    some[14] = some[15]
    model = ShapeModel.fit(some)
    assert (model.num_faces, model.num_skipped, model.num_completed) == (40, 0, 26)
    batches = ShapeModel.fit([some[20:], some[:5], some[5:20]])
    np.testing.assert_allclose(covariance(batches), covariance(model), atol=1e-9)


def test_faces_without_any_landmark_take_no_part() -> None:
    faces, _, _ = drawn(10)
    faces[3:, 1] = np.nan
    expected = ShapeModel.fit(faces)
    faces = np.concatenate([faces, np.full((5, 7, 2), np.nan)])
    model = ShapeModel.fit(faces)
    assert (model.num_faces, model.num_skipped, model.num_completed) == (10, 5, 7)
    np.testing.assert_array_equal(model.mean, expected.mean)


def test_a_landmark_that_no_face_has_is_named() -> None:
    faces = with_gaps(drawn(30)[0], 0.1)
    faces[:, 5] = np.nan
    faces[:, 0] = 0.5
    with pytest.raises(ValueError, match=r"^landmark 5 is missing in every face"):
        ShapeModel.fit(faces)
    faces[:, 2, 0] = np.nan
    with pytest.raises(ValueError, match=r"^landmarks 2 and 5 are missing in every face"):
        ShapeModel.fit(faces)


def test_many_faces_are_thinned_out_evenly() -> None:
    faces = with_gaps(drawn(5000)[0], 0.1)
    model = ShapeModel.fit(faces)
    assert (model.num_faces, model.num_skipped) == (1667, 3333)
    np.testing.assert_array_equal(model.mean, ShapeModel.fit(faces[::3]).mean)


def test_files_keep_how_many_were_estimated(tmp_path: Path) -> None:
    model = ShapeModel.fit(with_gaps(drawn(30)[0], 0.1))
    assert ShapeModel.load(model.save(tmp_path / "model.safetensors")).num_completed == 30
    assert model.merge(model).num_completed == 60


def test_what_has_no_variation_is_refused_in_one_line() -> None:
    faces = np.random.default_rng(0).random((2, 5, 2))
    faces[0, :3] = faces[1, 3:] = np.nan
    # Each landmark in one face only; and differences whose squares are nothing, or more than a number can hold.
    with pytest.raises(ValueError, match="the 2 faces are all the same: there is no variation"):
        ShapeModel.fit(faces)
    faces = np.random.default_rng(0).normal(size=(10, 5, 2))
    for gaps in (False, True):
        some = np.where((np.arange(10)[:, None] % 5 == np.arange(5)) & gaps, np.nan, 1.0)[..., None]
        with pytest.raises(ValueError, match="all the same"):
            ShapeModel.fit(1e-170 * faces * some)
        with pytest.raises(ValueError, match="beyond what float64 holds"):
            ShapeModel.fit(1e160 * faces * some)
