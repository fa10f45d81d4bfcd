from dataclasses import fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

from acrloss.annotations import Annotations
from acrloss.crops import dataset as dataset_module
from acrloss.crops.augmentation import Augmentation
from acrloss.crops.crop import CropSpec, to_crop_units, to_image, warp
from acrloss.crops.dataset import EpochSampler, LandmarkDataset, limit_worker_threads
from acrloss.errors import DataError
from acrloss.formats import read_annotations
from acrloss.images import read_image
from acrloss.schemes import get_scheme

CROP = CropSpec(size=48, enlargement=1.3)
NONE = Augmentation(**{field.name: 0.0 for field in fields(Augmentation)})
PLACED = {"colour": 0.0, "grey": 0.0, "blur": 0.0, "noise": 0.0, "jpeg": 0.0, "occlusion": 0.0}


@pytest.fixture(scope="module")
def faces(faces_300w: Path) -> Annotations:
    return read_annotations(str(faces_300w))


def equal(first: dict[str, Any], second: dict[str, Any]) -> bool:
    assert first.keys() == second.keys()
    return all(
        torch.equal(torch.nan_to_num(torch.as_tensor(first[k]), -9), torch.nan_to_num(torch.as_tensor(second[k]), -9))
        for k in first
    )


def large_face(path: Path, size: int, side: float) -> Annotations:
    """A picture of bright smooth blobs with a face of `side` pixels in its middle."""
    rng = np.random.default_rng(5)
    blobs = cv2.resize(rng.integers(100, 256, (12, 12, 3), dtype=np.uint8), (size, size), interpolation=cv2.INTER_CUBIC)
    assert cv2.imwrite(str(path), blobs, [cv2.IMWRITE_JPEG_QUALITY, 95])
    landmarks = size / 2 + side * (rng.uniform(0, 1, (1, 68, 2)) - 0.5)
    return Annotations.create([str(path)], landmarks, get_scheme("ibug68"))


def test_a_plain_sample_is_the_crop_with_its_landmarks(faces: Annotations) -> None:
    samples = LandmarkDataset(faces, CROP)
    assert len(samples) == len(faces) == 24
    boxes = faces.landmark_boxes()
    for i in (0, 13, 23):
        sample = samples[i]
        assert sample["image"].shape == (3, 48, 48)
        assert sample["image"].dtype == torch.uint8
        assert sample["image"].is_contiguous()
        assert sample["landmarks"].shape == (68, 2)
        assert sample["landmarks"].dtype == torch.float32
        assert sample["readable"]
        assert not sample["mirrored"]
        assert sample["index"] == i
        # The longer side of the box fills 1/enlargement of the crop, in its middle.
        extent = np.ptp(sample["landmarks"].numpy(), axis=0)
        assert extent.max() == pytest.approx(1 / 1.3, abs=1e-5)
        x0, y0, x1, y1 = boxes[i]
        side = 1.3 * max(x1 - x0, y1 - y0)
        expected = (faces.landmarks[i] - [(x0 + x1) / 2, (y0 + y1) / 2]) / side + 0.5
        np.testing.assert_allclose(sample["landmarks"], expected, atol=1e-6)
        assert torch.equal(sample["annotated"], sample["landmarks"])
        back = to_image(sample["landmarks"].numpy(), sample["matrix"].numpy(), 48)
        np.testing.assert_allclose(back, faces.landmarks[i], atol=1e-3)
        whole = warp(read_image(faces.images[i]), sample["matrix"].numpy(), 48)
        difference = np.abs(sample["image"].permute(1, 2, 0).numpy().astype(int) - whole)
        assert difference.mean() < 0.5


def test_zero_augmentation_places_faces_as_no_augmentation_does(faces: Annotations) -> None:
    plain, zero = LandmarkDataset(faces, CROP)[4], LandmarkDataset(faces, CROP, NONE)[(7, 4)]
    for name in ("landmarks", "annotated", "matrix", "mirrored", "index"):
        np.testing.assert_array_equal(plain[name], zero[name])
    assert (plain["image"].float() - zero["image"].float()).abs().mean() < 3


def test_seed_epoch_and_face_decide_a_sample(faces: Annotations) -> None:
    samples = LandmarkDataset(faces, CROP, Augmentation(), seed=3)
    first = samples[(2, 5)]
    samples[(0, 1)]
    assert equal(first, samples[(2, 5)])
    assert equal(first, LandmarkDataset(faces, CROP, Augmentation(), seed=3)[(2, 5)])
    assert equal(samples[5], samples[(0, 5)])
    for other in (samples[(3, 5)], LandmarkDataset(faces, CROP, Augmentation(), seed=4)[(2, 5)]):
        assert not torch.equal(first["image"], other["image"])
        assert not torch.equal(first["landmarks"], other["landmarks"])
        assert torch.equal(first["annotated"], other["annotated"])


def test_keeping_patches_changes_nothing(faces: Annotations, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded: list[str] = []

    def counted(reference: str, reduce: int = 1) -> Any:
        decoded.append(reference)
        return read_image(reference, reduce)

    kept = LandmarkDataset(faces, CROP, Augmentation(), seed=1, read=counted)
    fresh = LandmarkDataset(faces, CROP, Augmentation(), seed=1, keep=False, read=counted)
    keys = [(epoch, i) for epoch in range(3) for i in range(4)]
    expected = [fresh[key] for key in keys]
    assert len(decoded) == 12
    decoded.clear()
    assert all(equal(kept[key], sample) for key, sample in zip(keys, expected, strict=True))
    assert len(decoded) == 4
    # Beyond the limit, faces are decoded anew.
    monkeypatch.setattr(dataset_module, "PATCH_BYTES", sum(p.nbytes for p, _ in list(kept._patches.values())[:2]))
    limited = LandmarkDataset(faces, CROP, Augmentation(), seed=1, read=counted)
    decoded.clear()
    assert all(equal(limited[key], sample) for key, sample in zip(keys, expected, strict=True))
    assert len(decoded) == 4 + 2 * 2


def test_workers_and_order_change_nothing(faces: Annotations) -> None:
    samples = LandmarkDataset(faces, CROP, Augmentation(), seed=11)
    sampler = EpochSampler(len(faces), seed=11)
    sampler.set_epoch(4)
    expected = {i: samples[(4, i)] for i in range(len(faces))}
    for workers in (0, 1, 2):
        loader = DataLoader(
            LandmarkDataset(faces, CROP, Augmentation(), seed=11),
            batch_size=5,
            sampler=sampler,
            num_workers=workers,
            worker_init_fn=limit_worker_threads,
        )
        seen = 0
        for batch in loader:
            for row, index in enumerate(batch["index"].tolist()):
                assert equal({name: batch[name][row] for name in batch}, expected[index])
                seen += 1
        assert seen == 24


def test_workers_survive_a_process_that_has_used_opencv_s_threads(faces: Annotations) -> None:
    before = cv2.getNumThreads()
    cv2.setNumThreads(4)
    cv2.GaussianBlur(np.zeros((2000, 2000, 3), np.uint8), (0, 0), 5)
    loader = DataLoader(
        LandmarkDataset(faces, CROP, Augmentation()),
        batch_size=8,
        num_workers=2,
        worker_init_fn=limit_worker_threads,
        timeout=30,
    )
    assert sum(len(batch["index"]) for batch in loader) == 24
    cv2.setNumThreads(before)


def test_the_number_of_opencv_s_threads_is_the_callers(faces: Annotations) -> None:
    before = cv2.getNumThreads()
    try:
        cv2.setNumThreads(3)
        samples = LandmarkDataset(faces, CROP, Augmentation())
        samples[0]
        assert cv2.getNumThreads() == 3
        for _ in DataLoader(samples, batch_size=8, num_workers=2, worker_init_fn=limit_worker_threads, timeout=30):
            assert cv2.getNumThreads() == 3
        # In a worker of its own it is what the caller has set, too.
        threads = DataLoader(_Threads(), num_workers=1, timeout=30)
        assert [int(n) for n in threads] == [3]
    finally:
        cv2.setNumThreads(before)


class _Threads(Dataset[int]):
    """How many threads OpenCV has where it is asked."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, _: int) -> int:
        return int(cv2.getNumThreads())


def test_a_mirrored_face_has_permuted_landmarks(faces: Annotations) -> None:
    mirrored = LandmarkDataset(faces, CROP, Augmentation(mirror=1.0, rotation=0, box_jitter=0, scale=0, translation=0))
    plain = LandmarkDataset(faces, CROP)
    scheme = faces.scheme
    for i in range(len(faces)):
        sample, other = mirrored[i], plain[i]
        assert sample["mirrored"]
        # The outer corner of the right eye stays on the left of the picture.
        assert sample["landmarks"][36, 0] < sample["landmarks"][45, 0]
        expected = scheme.permute(other["landmarks"]) * torch.tensor([-1, 1]) + torch.tensor([1, 0])
        torch.testing.assert_close(sample["landmarks"], expected, atol=1e-5, rtol=0)
        assert torch.equal(sample["annotated"], other["landmarks"])


def test_missing_landmarks_stay_missing_where_they_belong(faces: Annotations) -> None:
    landmarks = faces.landmarks.copy()
    landmarks[0, [36, 8]] = np.nan
    holed = Annotations.create(faces.images, landmarks, faces.scheme)
    sample = LandmarkDataset(holed, CROP, Augmentation(mirror=1.0))[0]
    assert np.flatnonzero(np.isnan(sample["landmarks"].numpy()).any(axis=1)).tolist() == [8, 45]
    assert np.flatnonzero(np.isnan(sample["annotated"].numpy()).any(axis=1)).tolist() == [8, 36]


@pytest.mark.parametrize("content", ["truncated", "text", "empty", "missing"])
def test_an_unreadable_image_is_black_and_never_raises(content: str, faces: Annotations, tmp_path: Path) -> None:
    path = tmp_path / "face.jpg"
    whole = Path(faces.images[0]).read_bytes()
    if content != "missing":
        path.write_bytes({"truncated": whole[: len(whole) // 2], "text": b"not an image", "empty": b""}[content])
    broken = Annotations.create([str(path), faces.images[1]], faces.landmarks[:2], faces.scheme)
    for augmentation in (None, Augmentation(noise=1, occlusion=1, colour=1)):
        samples = LandmarkDataset(broken, CROP, augmentation)
        for epoch in range(2):
            sample = samples[(epoch, 0)]
            assert not sample["readable"]
            assert sample["image"].shape == (3, 48, 48)
            assert sample["image"].max() == 0
            assert sample["landmarks"].isnan().all()
            assert sample["annotated"].isnan().all()
            assert sample["matrix"].isfinite().all()
        batch = next(iter(DataLoader(samples, batch_size=2)))
        assert batch["readable"].tolist() == [False, True]
        assert batch["landmarks"][1].isfinite().all()


def test_faces_without_landmarks_are_refused_at_once(faces: Annotations) -> None:
    empty = Annotations.create(faces.images, np.full_like(faces.landmarks, np.nan), faces.scheme, source="here")
    with pytest.raises(DataError, match="24 faces of here have no landmark"):
        LandmarkDataset(empty, CROP)


@pytest.mark.parametrize("side", [90.0, 200.0, 420.0, 800.0])
def test_reduced_decoding_shows_the_same_picture(side: float, tmp_path: Path) -> None:
    face = large_face(tmp_path / "large.jpg", 1803, side)
    reductions: list[int] = []

    def noted(reference: str, reduce: int = 1) -> Any:
        reductions.append(reduce)
        return read_image(reference, reduce)

    whole = read_image(face.images[0])
    for augmentation in (None, Augmentation(**PLACED)):
        samples = LandmarkDataset(face, CROP, augmentation, read=noted)
        for epoch in range(3):
            sample = samples[(epoch, 0)]
            expected = warp(whole, sample["matrix"].numpy(), 48).astype(int)
            difference = np.abs(sample["image"].permute(1, 2, 0).numpy() - expected)
            assert difference.mean() < 1.5
            assert difference.max() < 20
    assert (max(reductions) > 1) == (side > 100)


@pytest.mark.parametrize("side", [80.0, 220.0, 450.0, 900.0])
def test_reduced_decoding_does_not_shift_the_picture(side: float, tmp_path: Path) -> None:
    x, y = np.meshgrid(np.arange(1203), np.arange(1203))
    where, spread = np.array([570.3, 640.8]), side / 30
    dot = 255 * np.exp(-((x - where[0]) ** 2 + (y - where[1]) ** 2) / (2 * spread**2))
    assert cv2.imwrite(str(tmp_path / "dot.jpg"), np.rint(dot).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 98])
    landmarks = where + side * np.random.default_rng(1).uniform(-0.5, 0.5, (1, 68, 2))
    landmarks[0, :3] = where, where - side / 2, where + side / 2
    face = Annotations.create([str(tmp_path / "dot.jpg")], landmarks, get_scheme("ibug68"))
    for augmentation in (None, Augmentation(rotation=180, **PLACED)):
        sample = LandmarkDataset(face, CROP, augmentation)[0]
        weight = sample["image"][0].double() * (sample["image"][0] > 20)
        found = torch.stack(
            [weight.sum(dim=0) @ torch.arange(48.0).double(), weight.sum(dim=1) @ torch.arange(48.0).double()]
        )
        landmark = to_crop_units(where, sample["matrix"].numpy(), 48) * 48 - 0.5
        np.testing.assert_allclose(found / weight.sum(), landmark, atol=0.08)


def test_strong_augmentation_never_leaves_the_kept_patch(tmp_path: Path) -> None:
    face = large_face(tmp_path / "large.jpg", 1500, 90)
    whole = read_image(face.images[0])
    strong = Augmentation(rotation=180, scale=0.9, translation=0.5, box_jitter=0.1, **PLACED)
    samples = LandmarkDataset(face, CROP, strong)
    for epoch in range(60):
        sample = samples[(epoch, 0)]
        expected = warp(whole, sample["matrix"].numpy(), 48).astype(int)
        assert np.abs(sample["image"].permute(1, 2, 0).numpy() - expected).max() < 30
        np.testing.assert_allclose(
            np.sort(sample["landmarks"].numpy(), axis=0),
            np.sort(to_crop_units(face.landmarks[0], sample["matrix"].numpy(), 48), axis=0),
            atol=1e-5,
        )


def test_a_patch_is_no_larger_than_needed(tmp_path: Path) -> None:
    face = large_face(tmp_path / "large.jpg", 1500, 800)
    samples = LandmarkDataset(face, CROP, Augmentation())
    samples[0]
    ((patch, _),) = samples._patches.values()
    assert patch.shape[0] < 4 * CROP.size
    assert patch.base is None


def test_sampler_takes_every_face_in_a_new_order_each_epoch() -> None:
    sampler = EpochSampler(37, seed=5)
    orders = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        keys = list(sampler)
        assert len(keys) == len(sampler) == 37
        assert {e for e, _ in keys} == {epoch}
        assert all(type(i) is int for _, i in keys)
        orders.append([i for _, i in keys])
        assert sorted(orders[-1]) == list(range(37))
    assert orders[0] != orders[1] != orders[2]
    again = EpochSampler(37, seed=5)
    again.set_epoch(2)
    assert [i for _, i in again] == orders[2]
    other = EpochSampler(37, seed=6)
    other.set_epoch(2)
    assert [i for _, i in other] != orders[2]


@pytest.mark.parametrize(("length", "processes"), [(37, 1), (37, 4), (36, 4), (3, 8)])
def test_processes_share_the_faces_out(length: int, processes: int) -> None:
    shares = []
    for rank in range(processes):
        sampler = EpochSampler(length, seed=1, rank=rank, processes=processes)
        sampler.set_epoch(3)
        shares.append([i for _, i in sampler])
        assert len(shares[-1]) == len(sampler)
    assert len({len(share) for share in shares}) == 1
    together = [i for share in shares for i in share]
    assert set(together) == set(range(length))
    # Only the last round is filled up with faces that were taken already.
    assert len(together) - length < processes
