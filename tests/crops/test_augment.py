from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from acrloss.crops.augment import augmented_look, augmented_matrix, occlude
from acrloss.crops.augmentation import Augmentation
from acrloss.crops.crop import CropSpec, crop_matrix

NONE = Augmentation(**{field.name: 0.0 for field in fields(Augmentation)})
BOX = np.array([20.0, 30.0, 80.0, 110.0])
CROP = CropSpec(size=96, enlargement=1.25)
LOOKS = ("colour", "grey", "blur", "noise", "jpeg", "occlusion")


def picture() -> Tensor:
    """(3, 48, 64) a smooth coloured picture."""
    y, x = torch.meshgrid(torch.linspace(0, 1, 48), torch.linspace(0, 1, 64), indexing="ij")
    return (255 * torch.stack([x, y, 1 - x * y])).to(torch.uint8)


def matrices(augmentation: Augmentation, count: int = 300) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    drawn = [augmented_matrix(BOX, CROP, augmentation, np.random.default_rng(i)) for i in range(count)]
    return np.stack([matrix for matrix, _ in drawn]), np.array([mirror for _, mirror in drawn])


def test_no_strength_changes_nothing() -> None:
    plain = crop_matrix(CROP.squares(BOX)[0], CROP.size)
    found, mirrored = matrices(NONE, 20)
    np.testing.assert_array_equal(found, np.broadcast_to(plain, found.shape))
    assert not mirrored.any()
    for seed in range(20):
        assert torch.equal(augmented_look(picture(), NONE, np.random.default_rng(seed)), picture())


def test_each_placement_keeps_its_limits_and_reaches_them() -> None:
    plain = crop_matrix(CROP.squares(BOX)[0], CROP.size)
    zoom = plain[0, 0]

    found, _ = matrices(replace(NONE, rotation=30.0))
    angles = np.rad2deg(np.arctan2(found[:, 1, 0], found[:, 0, 0]))
    np.testing.assert_allclose(np.linalg.det(found[:, :, :2]), zoom**2)
    assert 27 < angles.max() <= 30
    assert -30 <= angles.min() < -27
    assert abs(angles.mean()) < 3

    found, _ = matrices(replace(NONE, scale=0.5))
    scales = found[:, 0, 0] / zoom
    assert 1.4 < scales.max() <= 1.5
    assert 1 / 1.5 <= scales.min() < 1 / 1.4
    assert abs(np.log(scales).mean()) < 0.05  # as often larger as smaller

    found, _ = matrices(replace(NONE, translation=0.2))
    shift = (found[:, :, 2] - plain[:, 2]) / CROP.size
    np.testing.assert_allclose(found[:, :, :2], np.broadcast_to(plain[:, :2], (300, 2, 2)))
    assert (np.abs(shift).max(axis=0) > 0.19).all()
    assert np.abs(shift).max() <= 0.2
    assert abs(np.asarray(np.corrcoef(shift.T))[0, 1]) < 0.2

    found, mirrored = matrices(replace(NONE, mirror=0.3))
    assert 0.2 < mirrored.mean() < 0.4
    np.testing.assert_array_equal(np.linalg.det(found[:, :, :2]) < 0, mirrored)

    found, _ = matrices(replace(NONE, box_jitter=0.05))
    # Both edges of the longer side move by 5 % of it: so do centre (by 1/√2) and side (by √2).
    sides = CROP.size / found[:, 0, 0] / CROP.enlargement / 80
    assert 0.05 < sides.std() < 0.09
    centres = (CROP.size / 2 - 0.5 - found[:, :, 2]) / found[:, 0, 0, None] - [50, 70]
    np.testing.assert_allclose(centres.std(axis=0), 0.05 * 80 / np.sqrt(2), rtol=0.2)


def test_switching_one_placement_off_leaves_the_others() -> None:
    strong = Augmentation(rotation=40, scale=0.3, translation=0.1, mirror=0.5)
    found, mirrored = matrices(strong, 30)
    upright, still_mirrored = matrices(replace(strong, rotation=0.0), 30)
    np.testing.assert_array_equal(mirrored, still_mirrored)
    np.testing.assert_allclose(np.linalg.det(found[:, :, :2]), np.linalg.det(upright[:, :, :2]))


def test_the_generator_alone_decides() -> None:
    everything = Augmentation(**dict.fromkeys(LOOKS, 1.0))
    for seed in range(10):
        first, second, other = (
            augmented_look(picture(), everything, np.random.default_rng(s)) for s in (seed, seed, seed + 100)
        )
        assert torch.equal(first, second)
        assert not torch.equal(first, other)
        np.testing.assert_array_equal(
            augmented_matrix(BOX, CROP, everything, np.random.default_rng(seed))[0],
            augmented_matrix(BOX, CROP, everything, np.random.default_rng(seed))[0],
        )


@pytest.mark.parametrize("name", [*LOOKS, "all"])
def test_looks_keep_shape_type_and_input(name: str) -> None:
    values: dict[str, Any] = {key: 1.0 for key in LOOKS if name in (key, "all")}
    augmentation = replace(NONE, **values)
    changed = 0
    for seed in range(30):
        image = picture()
        result = augmented_look(image, augmentation, np.random.default_rng(seed))
        assert result.dtype == torch.uint8
        assert result.shape == image.shape
        assert torch.equal(image, picture())
        changed += not torch.equal(result, image)
    assert changed == 30


def test_looks_are_what_they_are_called() -> None:
    grey = augmented_look(picture(), replace(NONE, grey=1.0), np.random.default_rng(0))
    assert torch.equal(grey[0], grey[1])
    assert torch.equal(grey[0], grey[2])

    board = (255 * (torch.arange(32)[:, None] + torch.arange(32)) % 2 * 255).to(torch.uint8).expand(3, 32, 32)
    blurred = augmented_look(board.contiguous(), replace(NONE, blur=1.0), np.random.default_rng(0))
    assert blurred.float().std() < 0.5 * board.float().std()

    flat = torch.full((3, 200, 200), 128, dtype=torch.uint8)
    noise = augmented_look(flat, replace(NONE, noise=1.0), np.random.default_rng(0)).float() - 128
    assert 1.5 < noise.std() < 12.5
    assert abs(noise.mean()) < 0.1  # noise must not darken


def test_probabilities_are_shares_of_the_faces() -> None:
    augmentation = replace(NONE, occlusion=0.4)
    hidden = [
        not torch.equal(augmented_look(picture(), augmentation, np.random.default_rng(i)), picture())
        for i in range(300)
    ]
    assert 0.3 < np.mean(hidden) < 0.5


def test_occlusion_covers_one_rectangle_of_4_to_20_percent() -> None:
    image = torch.full((3, 112, 96), 77, dtype=torch.uint8)
    shares = []
    for seed in range(200):
        covered = (occlude(image, np.random.default_rng(seed)) != image).any(dim=0).numpy()
        rows, columns = np.flatnonzero(covered.any(axis=1)), np.flatnonzero(covered.any(axis=0))
        assert covered[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        assert covered.sum() == len(rows) * len(columns)
        shares.append(covered.mean())
    # Sides are whole pixels, so the limits hold to the rounding of a side.
    assert 0.037 < min(shares) < 0.06
    assert 0.18 < max(shares) < 0.21
    # Tiny images and all seeds give some rectangle.
    assert occlude(torch.zeros((3, 1, 1), dtype=torch.uint8), np.random.default_rng(0)).shape == (3, 1, 1)


@pytest.mark.parametrize("name", [field.name for field in fields(Augmentation)])
def test_strengths_are_checked(name: str) -> None:
    for value in (-0.1, 1000.0, float("nan")):
        with pytest.raises(ValueError, match=f"augmentation {name} must be 0 to .*not {value}"):
            replace(NONE, **{name: value})


QUARTILES = np.array([0.25, 0.5, 0.75])


def test_placements_have_the_distributions_that_are_promised() -> None:
    plain = crop_matrix(CROP.squares(BOX)[0], CROP.size)

    def quartiles(values: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(np.quantile(values, QUARTILES, axis=0))

    # Uniform: quartiles in the middle of either half.
    found, _ = matrices(replace(NONE, rotation=30.0), 1000)
    angles = np.rad2deg(np.arctan2(found[:, 1, 0], found[:, 0, 0]))
    np.testing.assert_allclose(quartiles(angles), [-15, 0, 15], atol=2.5)
    # Log-uniform.
    found, _ = matrices(replace(NONE, scale=0.5), 1000)
    np.testing.assert_allclose(quartiles(np.log(found[:, 0, 0] / plain[0, 0]) / np.log(1.5)), [-0.5, 0, 0.5], atol=0.08)
    found, _ = matrices(replace(NONE, translation=0.2), 1000)
    shift = (found[:, :, 2] - plain[:, 2]) / CROP.size
    np.testing.assert_allclose(quartiles(shift), np.repeat([[-0.1], [0], [0.1]], 2, axis=1), atol=0.017)
    # Normal, in each edge of the box for itself: a quarter beyond 0.6745 standard deviations on either side. The centre
    # moves by the mean of two edges.
    found, _ = matrices(replace(NONE, box_jitter=0.05), 1000)
    centres = (CROP.size / 2 - 0.5 - found[:, :, 2]) / found[:, 0, 0, None] - [50, 70]
    spread = 0.6745 * 0.05 * 80 / np.sqrt(2)
    np.testing.assert_allclose(quartiles(centres), np.repeat([[-spread], [0], [spread]], 2, axis=1), atol=0.4)


def test_brightness_is_uniform() -> None:
    # Of one grey, contrast and saturation change nothing.
    flat = torch.full((3, 4, 4), 100, dtype=torch.uint8)
    seen = [
        float(augmented_look(flat, replace(NONE, colour=0.4), np.random.default_rng(i))[0, 0, 0]) for i in range(1000)
    ]
    # Each step rounds down.
    assert 57 <= min(seen) < 62
    assert 136 < max(seen) <= 140
    np.testing.assert_allclose(np.quantile(seen, QUARTILES), [80, 100, 120], atol=3.5)


def test_noise_and_blur_reach_the_ends_of_their_ranges() -> None:
    flat = torch.full((3, 64, 64), 128, dtype=torch.uint8)
    noise = [
        float(augmented_look(flat, replace(NONE, noise=1.0), np.random.default_rng(i)).float().std())
        for i in range(200)
    ]
    np.testing.assert_allclose(np.quantile(noise, QUARTILES), [4.5, 7, 9.5], atol=0.9)
    assert 1.9 < min(noise) < 2.6
    assert 11.4 < max(noise) < 12.4
    # A bright column: what a blur of five taps leaves of it is 1/Σ exp(-k²/2σ²), k = -2 to 2.
    line = torch.zeros((3, 9, 9), dtype=torch.uint8)
    line[:, :, 4] = 255
    kept = [
        float(augmented_look(line, replace(NONE, blur=1.0), np.random.default_rng(i))[0, 4, 4]) / 255
        for i in range(200)
    ]
    sharpest, softest = (1 / np.exp(-(np.arange(-2, 3) ** 2) / (2 * sigma**2)).sum() for sigma in (0.5, 2.0))
    assert max(kept) == pytest.approx(sharpest, abs=0.025)
    assert min(kept) == pytest.approx(softest, abs=0.025)
