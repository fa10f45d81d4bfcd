from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from acrloss import ShapeModel
from acrloss.errors import DataError
from acrloss.shapes.difficulty import count_modes
from acrloss.shapes.landmarks import Landmarks

Array = NDArray[np.float64]


def faces(count: int, landmarks: int = 7, modes: int | None = None, seed: int = 0, dimensions: int = 2) -> Array:
    """Correlated random faces around a mean; with `modes` they lie in a space of that many dimensions."""
    rng = np.random.default_rng(seed)
    size = landmarks * dimensions
    mean = rng.uniform(0.2, 0.8, size)
    basis = np.linalg.qr(rng.normal(size=(size, size)))[0] * 0.1 * 0.7 ** np.arange(size)
    rank = size if modes is None else modes
    y: Array = mean + rng.normal(size=(count, rank)) @ basis[:, :rank].T
    return y.reshape(count, landmarks, dimensions)


def assert_same(a: ShapeModel, b: ShapeModel, atol: float = 1e-12) -> None:
    assert (a.num_landmarks, a.num_faces, a.num_skipped) == (b.num_landmarks, b.num_faces, b.num_skipped)
    # Directions of close eigenvalues are determined to less than the eigenvalues themselves.
    for name, factor in (("mean", 1), ("eigenvalues", 1), ("components", 1000)):
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=0, atol=factor * atol, err_msg=name)


def test_fit_is_the_textbook_analysis() -> None:
    y = faces(50)
    model = ShapeModel.fit(y)
    flat = y.reshape(50, -1)
    covariance = np.cov(flat, rowvar=False)
    np.testing.assert_allclose(model.mean, flat.mean(0), atol=1e-15)
    np.testing.assert_allclose(model.eigenvalues, np.linalg.eigvalsh(covariance)[::-1], atol=1e-16)
    v = model.components.numpy()
    np.testing.assert_allclose(v.T @ v, np.eye(14), atol=1e-13)
    np.testing.assert_allclose(v * model.eigenvalues.numpy() @ v.T, covariance, atol=1e-16)
    assert all(column[np.abs(column).argmax()] > 0 for column in v.T)
    assert model.mean.dtype == model.components.dtype == model.eigenvalues.dtype == torch.float64
    assert (model.num_landmarks, model.num_faces, model.num_skipped) == (7, 50, 0)


def test_rank_is_what_the_faces_span() -> None:
    assert len(ShapeModel.fit(faces(6)).eigenvalues) == 5  # N - 1
    assert len(ShapeModel.fit(faces(400)).eigenvalues) == 14  # D
    assert len(ShapeModel.fit(faces(400, modes=3)).eigenvalues) == 3
    assert len(ShapeModel.fit(faces(400, modes=3) + 1e4).eigenvalues) >= 3


def test_signs_do_not_depend_on_the_order_of_mirrored_faces() -> None:
    y = faces(40, landmarks=6) - 0.5
    mirrored = y[:, [1, 0, 3, 2, 5, 4]] * [-1, 1]
    both = np.concatenate((y, mirrored))
    model = ShapeModel.fit(both)
    for seed in range(5):
        assert_same(model, ShapeModel.fit(np.random.default_rng(seed).permutation(both)), atol=1e-10)


@settings(max_examples=30, deadline=None)
@given(cuts=st.lists(st.integers(1, 59), max_size=8, unique=True).map(sorted), offset=st.sampled_from([0.0, 1e3]))
def test_batches_equal_one_fit(cuts: list[int], offset: float) -> None:
    y = faces(60, seed=3) + offset
    y[4, 2, 0] = np.nan
    y[50] = np.nan
    whole = ShapeModel.fit(y)
    assert (whole.num_faces, whole.num_skipped) == (58, 2)

    def batches() -> Iterator[Array]:
        yield from np.split(y, cuts)

    assert_same(whole, ShapeModel.fit(batches()), atol=1e-12 * (1 + offset))


def test_fit_takes_one_pass_of_mixed_kinds() -> None:
    y = faces(30)
    batches: list[Landmarks] = [y[:10], torch.tensor(y[10:17]), y[17:]]
    model = ShapeModel.fit(iter(batches))
    assert_same(model, ShapeModel.fit(y))


def test_merged_shards_equal_one_fit(tmp_path: Path) -> None:
    y = faces(90, seed=1)
    y[5, 0] = np.nan
    shards = [ShapeModel.fit(part) for part in (y[:3], y[3:40], y[40:])]
    whole = ShapeModel.fit(y)
    assert_same(whole, shards[0].merge(*shards[1:]))
    assert_same(whole, shards[2].merge(shards[0]).merge(shards[1]))
    shards[1].save(tmp_path / "model")
    assert_same(whole, shards[0].merge(ShapeModel.load(tmp_path / "model"), shards[2]))


def test_merge_refuses_another_kind_of_face() -> None:
    with pytest.raises(ValueError, match=r"expected models of 7 landmarks .* got 5"):
        ShapeModel.fit(faces(9)).merge(ShapeModel.fit(faces(9, landmarks=5)))


def test_modes_by_count_and_by_variance() -> None:
    eigenvalues = torch.tensor([6.0, 2.0, 1.0, 0.6, 0.4])
    cases = {"count": {0.01: 1, 0.29: 5, 0.5: 5, 1.0: 5}, "variance": {0.01: 1, 0.6: 1, 0.61: 2, 0.8: 2, 0.9: 3}}
    for rule, shares in cases.items():
        for share, expected in shares.items():
            assert count_modes(eigenvalues, 100, share, rule) == expected, (rule, share)  # type: ignore[arg-type]
    for share, expected in {0.29: 29, 0.57: 57, 0.58: 58, 0.285: 28, 1.0: 100, 0.001: 1}.items():
        assert count_modes(torch.ones(100), 100, share, "count") == expected
    assert count_modes(torch.ones(10), 10, 0.7, "variance") == 7
    assert count_modes(torch.tensor([1.0, 1e-14], dtype=torch.float64), 2, 1.0, "variance") == 2


@given(share=st.floats(1e-6, 1.0), seed=st.integers(0, 20))
def test_variance_modes_are_the_fewest(share: float, seed: int) -> None:
    values = np.sort(np.random.default_rng(seed).uniform(0.01, 1, 12))[::-1]
    k = count_modes(torch.tensor(values.copy()), 12, share, "variance")
    explained = np.cumsum(values) / values.sum()
    assert explained[k - 1] >= share - 1e-11
    assert k == 1 or explained[k - 2] < share


@pytest.mark.parametrize("share", [0.0, -0.1, 1.0001, float("nan"), 80])
def test_modes_refuses_other_shares(share: float) -> None:
    for rule in ("count", "variance"):
        with pytest.raises(ValueError, match=r"share: expected a number in \(0, 1\]"):
            ShapeModel.fit(faces(9)).modes(share, rule)


def numpy_smooth(model: ShapeModel, y: Array, k: int, clamp: float | None = None) -> Array:
    v, mean = model.components.numpy()[:, :k], model.mean.numpy()
    b = (y.reshape(len(y), -1) - mean) @ v
    if clamp is not None:
        limit = clamp * np.sqrt(model.eigenvalues.numpy()[:k])
        b = np.clip(b, -limit, limit)
    smooth: Array = mean + b @ v.T
    return smooth.reshape(y.shape)


def test_smooth_and_difficulty_are_the_formulae() -> None:
    model, y = ShapeModel.fit(faces(50)), faces(20, seed=8)
    for k in (1, 5, 13):
        for clamp in (None, 1.0):
            smooth = numpy_smooth(model, y, k, clamp)
            np.testing.assert_allclose(model.smooth(y, k, clamp), smooth, atol=1e-14)
            residual = np.abs(smooth - y)
            phi = residual / residual.max((1, 2), keepdims=True)
            np.testing.assert_allclose(model.difficulty(y, k, clamp=clamp), phi, atol=1e-11)
            distance = np.linalg.norm(smooth - y, axis=2, keepdims=True).repeat(2, axis=2)
            phi = distance / distance.max((1, 2), keepdims=True)
            np.testing.assert_allclose(model.difficulty(y, k, "landmark", clamp), phi, atol=1e-11)


def test_results_have_the_inputs_kind_and_dtype() -> None:
    model, y = ShapeModel.fit(faces(50)), faces(4, seed=8)
    exact = model.difficulty(y, 5)
    readonly = y.copy()
    readonly.flags.writeable = False
    for same in (readonly, y.astype(">f8"), y[::-1].copy()[::-1], np.asfortranarray(y)):
        np.testing.assert_allclose(model.difficulty(same, 5), exact, atol=1e-12)
    for dtype, tolerance in ((np.float64, 0.0), (np.float32, 1e-5), (np.float16, 0.05)):
        for array in (model.smooth(y.astype(dtype), 5), model.difficulty(y.astype(dtype), 5)):
            assert isinstance(array, np.ndarray)
            assert array.dtype == dtype
            assert array.shape == y.shape
        np.testing.assert_allclose(array, exact, atol=tolerance)
    for tensor_dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
        landmarks = torch.tensor(y, dtype=tensor_dtype, requires_grad=True)
        for result in (model.smooth(landmarks, 5), model.difficulty(landmarks, 5)):
            assert result.dtype == tensor_dtype
            assert result.shape == y.shape
            assert not result.requires_grad


def test_three_dimensional_landmarks() -> None:
    y = faces(40, landmarks=5, dimensions=3)
    model = ShapeModel.fit(y)
    assert model.num_landmarks == 5
    assert len(model.mean) == 15
    np.testing.assert_allclose(model.smooth(y, 4), numpy_smooth(model, y, 4), atol=1e-14)


def test_every_face_has_a_hardest_coordinate() -> None:
    model, y = ShapeModel.fit(faces(50)), faces(20, seed=8)
    for per in ("coordinate", "landmark"):
        phi = model.difficulty(y, 4, per)
        assert phi.min() >= 0
        assert (phi.max((1, 2)) == 1).all()


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_reproduced_faces_have_no_difficulty(dtype: type, offset: float) -> None:
    full = ShapeModel.fit(faces(50) + offset)
    flat = ShapeModel.fit(faces(50, modes=3) + offset)
    for per in ("coordinate", "landmark"):
        for model, modes, y in ((full, 14, faces(20, seed=8)), (flat, 3, faces(20, modes=3))):
            assert not model.difficulty((y + offset).astype(dtype), modes, per).any()
    assert not full.difficulty((full.mean.reshape(1, 7, 2)).numpy().astype(dtype), 4).any()


def test_difficulty_does_not_depend_on_the_unit() -> None:
    y = faces(50)
    for scale in (1e-6, 1e6):
        scaled = ShapeModel.fit(y * scale).difficulty(y * scale, 5)
        np.testing.assert_allclose(scaled, ShapeModel.fit(y).difficulty(y, 5), atol=1e-9)


def test_missing_landmarks_are_left_out_of_the_least_squares() -> None:
    model, y = ShapeModel.fit(faces(50)), faces(6, seed=8)
    v, mean = model.components.numpy()[:, :4], model.mean.numpy()
    y[1, 2] = np.nan
    y[2, [0, 5], 1] = np.nan  # a landmark with one unknown coordinate is missing as a whole
    smooth, phi = model.smooth(y, 4), model.difficulty(y, 4)
    for face in range(6):
        seen = ~np.isnan(y[face]).any(1).repeat(2)
        b = np.linalg.lstsq(v[seen], y[face].ravel()[seen] - mean[seen], rcond=None)[0]
        expected = mean + v @ b
        np.testing.assert_allclose(smooth[face].ravel(), expected, atol=1e-12)
        residual = np.where(seen, np.abs(expected - np.nan_to_num(y[face].ravel())), 0)
        np.testing.assert_allclose(phi[face].ravel(), residual / residual.max(), atol=1e-9)
    assert (phi.max((1, 2)) == 1).all()


def test_a_face_of_the_model_is_completed() -> None:
    y = faces(50, landmarks=20, modes=5)
    model = ShapeModel.fit(y)
    partial = y.copy()
    partial[:, :6] = np.nan
    np.testing.assert_allclose(model.smooth(partial, 5), y, atol=1e-9)
    for dtype in (np.float64, np.float32):
        assert not model.difficulty(partial.astype(dtype), 5).any()


@pytest.mark.parametrize("modes", [1, 7, 14])
@pytest.mark.parametrize("per", ["coordinate", "landmark"])
def test_any_pattern_of_missing_landmarks_is_finite(modes: int, per: str) -> None:
    model = ShapeModel.fit(faces(50))
    rng = np.random.default_rng(0)
    y = faces(300, seed=9)
    missing = rng.random((300, 7)) < rng.random((300, 1))
    missing[:3] = [[True] * 7, [True] * 6 + [False], [False] * 7]
    y[missing] = np.nan
    smooth, phi = model.smooth(y, modes), model.difficulty(y, modes, per)  # type: ignore[arg-type]
    assert np.isfinite(smooth).all()
    assert np.abs(smooth).max() < 10
    assert (phi >= 0).all()
    assert (phi <= 1).all()
    assert not phi[missing].any()
    np.testing.assert_allclose(smooth[0].ravel(), model.mean)
    assert (model.difficulty(y, modes, per) == phi).all()  # type: ignore[arg-type]


def test_save_and_load(tmp_path: Path) -> None:
    y = faces(50)
    y[3, 1] = np.nan
    model = ShapeModel.fit(y)
    model.save(tmp_path / "new" / "model.safetensors")
    loaded = ShapeModel.load(tmp_path / "new" / "model.safetensors")
    assert_same(model, loaded, atol=0)
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["model.safetensors"]
    assert repr(loaded) == "ShapeModel(num_landmarks=7, num_faces=49, num_skipped=1)"


def test_load_refuses_what_is_no_shape_model(tmp_path: Path) -> None:
    path = tmp_path / "model"
    model = ShapeModel.fit(faces(50))
    whole = model.save(path).read_bytes()
    good = {"mean": model.mean, "components": model.components, "eigenvalues": model.eigenvalues}
    header = {"format": "acrloss.shape_model", "version": "1"}
    header |= {"num_landmarks": "7", "num_faces": "50", "num_skipped": "0"}

    def written(tensors: dict[str, torch.Tensor], metadata: dict[str, str]) -> bytes:
        return safetensors.torch.save({k: v.contiguous() for k, v in tensors.items()}, metadata)

    cases = {
        "empty": b"",
        "text": b"hello, I am not a model\n" * 10,
        "truncated": whole[:-100],
        "only a header": whole[:40],
        "no metadata": written(good, {}),
        "another version": written(good, header | {"version": "9"}),
        "another format": written(good, header | {"format": "pt"}),
        "a count that is no number": written(good, header | {"num_faces": "many"}),
        "no count": written(good, {k: v for k, v in header.items() if k != "num_faces"}),
        "another number of landmarks": written(good, header | {"num_landmarks": "5"}),
        "a missing tensor": written({"mean": model.mean}, header),
        "shapes": written(good | {"eigenvalues": model.eigenvalues[:-1]}, header),
        "two-dimensional mean": written(good | {"mean": model.mean.reshape(7, 2)}, header),
        "NaN": written(good | {"mean": model.mean * torch.nan}, header),
        "infinite": written(good | {"eigenvalues": model.eigenvalues * torch.inf}, header),
        "negative": written(good | {"eigenvalues": -model.eigenvalues}, header),
        "rising": written(good | {"eigenvalues": model.eigenvalues.flip(0)}, header),
        "not orthonormal": written(good | {"components": 2 * model.components}, header),
        "integers": written(good | {"mean": torch.arange(14)}, header),
    }
    for case, data in cases.items():
        path.write_bytes(data)
        with pytest.raises(DataError, match="give a file written by") as caught:
            ShapeModel.load(path)
        assert str(path) in str(caught.value), case
        assert "\n" not in str(caught.value), case
    with pytest.raises(DataError, match=r"cannot read .*absent"):
        ShapeModel.load(tmp_path / "absent")
    with pytest.raises(DataError, match="give a file written by"):
        ShapeModel.load(tmp_path)


def test_save_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match="cannot write"):
        ShapeModel.fit(faces(9)).save(tmp_path / "file" / "model")


def with_value(value: float) -> Array:
    y = faces(9)
    y[4, 2, 1] = value
    return y


@pytest.mark.parametrize(
    ("landmarks", "error", "message"),
    [
        (faces(1), ValueError, "at least 2 complete faces, got 1"),
        (np.full((5, 7, 2), np.nan), ValueError, r"got 0 \(and 5 with missing"),
        (iter([]), ValueError, "at least 2 complete faces, got 0"),
        (np.full((5, 7, 2), 0.1), ValueError, "5 faces are all the same"),
        (with_value(np.inf), ValueError, "batch 0: face 4 has an infinite coordinate"),
        ([faces(3), faces(3, landmarks=6)], ValueError, r"batch 1: expected faces of shape \(7, 2\)"),
        (faces(3).reshape(3, 14), ValueError, r"expected shape \(N, M, 2\), got \(3, 14\)"),
        (np.zeros((0, 7, 2)), ValueError, "at least one face"),
        (np.zeros((3, 7, 2), dtype=int), TypeError, "floating-point numbers.*int64"),
        (torch.zeros(3, 7, 2, dtype=torch.int32), TypeError, "floating-point numbers, got torch.int32"),
        (np.zeros((3, 7, 2), dtype=complex), TypeError, "floating-point numbers"),
        (faces(3).tolist(), TypeError, "expected a tensor or NumPy array.*got list"),
        (3.0, TypeError, "got float"),
    ],
)
def test_fit_says_what_is_wrong(landmarks: Array, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        ShapeModel.fit(landmarks)


def test_queries_say_what_is_wrong() -> None:
    model, y = ShapeModel.fit(faces(50)), faces(3)
    for call in (model.smooth, model.difficulty):
        for modes in (0, 15, -1):
            with pytest.raises(ValueError, match="modes: expected 1 to 14"):
                call(y, modes)
        with pytest.raises(TypeError):
            call(y, 2.5)  # type: ignore[arg-type]
        with pytest.raises(ValueError, match=r"expected faces of shape \(7, 2\).*got \(6, 2\)"):
            call(y[:, :6], 3)
        with pytest.raises(ValueError, match="got infinite"):
            call(with_value(-np.inf), 3)
        with pytest.raises(ValueError, match="clamp"):
            call(y, 3, clamp=0.0)
        with pytest.raises(ValueError, match="at least one face"):
            call(y[:0], 3)
    with pytest.raises(ValueError, match='expected "coordinate" or "landmark", got \'face\''):
        model.difficulty(y, 3, "face")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match='expected "count" or "variance"'):
        model.modes(0.5, "modes")  # type: ignore[arg-type]
