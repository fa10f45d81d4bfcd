"""Cuts, and what is none: motion in every direction, and light."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from acrloss.prediction.scene_cut import scene_of


def photograph(seed: int, height: int = 300, width: int = 420) -> NDArray[np.uint8]:
    """Blobs of many sizes and colours, as pictures have them."""
    rng = np.random.default_rng(seed)
    image = np.full((height, width, 3), rng.integers(30, 220, 3), np.uint8)
    for _ in range(60):
        centre = tuple(int(v) for v in rng.integers(0, (width, height)))
        cv2.circle(image, centre, int(rng.integers(6, 60)), [int(v) for v in rng.integers(0, 255, 3)], -1)
    return image


def moved(
    image: NDArray[np.uint8], dx: float = 0, dy: float = 0, turn: float = 0, zoom: float = 1
) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), turn, zoom)
    matrix[:, 2] += (dx * width, dy * height)
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)


@pytest.mark.parametrize("seed", range(6))
def test_motion_and_light_are_no_cut_and_another_picture_is(seed: int) -> None:
    image = photograph(seed)
    here = scene_of(image)
    for dx, dy, turn, zoom in (
        (0.08, 0, 0, 1),
        (-0.08, 0, 0, 1),
        (0, 0.08, 0, 1),
        (0, -0.08, 0, 1),
        (0, 0, 8, 1),
        (0, 0, -8, 1),
        (0, 0, 0, 1.1),
        (0, 0, 0, 0.9),
    ):
        assert not scene_of(moved(image, dx, dy, turn, zoom)).is_other_than(here), (dx, dy, turn, zoom)
    for light in (0.4, 0.7, 1.4):
        assert not scene_of((image * light).clip(0, 255).astype(np.uint8)).is_other_than(here), light
    noise = np.random.default_rng(9).normal(0, 10, image.shape)
    assert not scene_of((image + noise).clip(0, 255).astype(np.uint8)).is_other_than(here)
    assert scene_of(photograph(seed + 100)).is_other_than(here)
    assert scene_of(np.zeros_like(image)).is_other_than(here)
    assert not here.is_other_than(here)


def test_red_is_not_blue_and_frames_of_any_size_are_compared() -> None:
    image = photograph(0)
    assert scene_of(image).colours.sum() == pytest.approx(1)
    assert np.abs(scene_of(image).colours - scene_of(image[..., ::-1]).colours).sum() > 0.5
    larger = np.asarray(cv2.resize(image, (840, 600)), np.uint8)
    assert not scene_of(larger).is_other_than(scene_of(image))
    assert scene_of(np.full((1, 1, 3), 255, np.uint8)).colours[-1] == 1
