"""What is behind the head: gradients, rooms, foliage, stripes and blobs, mostly out of focus."""

import cv2
import numpy as np
from numpy.typing import NDArray

from acrloss.arrays import Image


def background(random: np.random.Generator, size: int) -> Image:
    """A background (size, size, 3), RGB."""
    small = 80
    kind = int(random.integers(6))
    first, second = random.uniform(15, 245, (2, 3))
    # Walls, cloths and what lies out of focus are seldom of strong colour.
    first, second = muted(np.stack([first, second]), random.uniform(0.3, 0.95))
    angle = random.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[:small, :small] / (small - 1)
    ramp = np.clip(0.5 + (rows - 0.5) * np.sin(angle) + (columns - 0.5) * np.cos(angle), 0, 1)[..., None]
    image = (first * (1 - ramp) + second * ramp).astype(np.float32)
    if kind == 1:
        _noise(image, random, (1.0, 3.0, 9.0), random.uniform(15, 55))
    elif kind == 2:
        _shapes(image, random, int(random.integers(8, 40)), circles=True)
    elif kind == 3:
        _shapes(image, random, int(random.integers(6, 25)), circles=False)
    elif kind == 4:
        _stripes(image, random)
    elif kind == 5:
        _shapes(image, random, int(random.integers(3, 12)), circles=bool(random.integers(2)))
        _noise(image, random, (0.7, 2.0), random.uniform(8, 30))
    focus = float(random.choice([0.0, 0.8, 1.6, 3.5]))
    if focus:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), focus))
    result = cv2.resize(np.clip(image, 0, 255).astype(np.uint8), (size, size), interpolation=cv2.INTER_CUBIC)
    return np.asarray(result, dtype=np.uint8)


def muted(colours: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    """RGB colours (..., 3) mixed with grey of their own lightness."""
    return np.asarray(colours * (1 - share) + colours.mean(axis=-1, keepdims=True) * share)


def _noise(image: NDArray[np.float32], random: np.random.Generator, sigmas: tuple[float, ...], strength: float) -> None:
    tint = random.uniform(0.7, 1.0, 3)
    for sigma in sigmas:
        layer = cv2.GaussianBlur(random.standard_normal(image.shape[:2]).astype(np.float32), (0, 0), sigma)
        image += (layer / layer.std())[..., None] * (tint * strength / len(sigmas)).astype(np.float32)


def _shapes(image: NDArray[np.float32], random: np.random.Generator, count: int, circles: bool) -> None:
    small = image.shape[0]
    for _ in range(count):
        colour = muted(random.uniform(5, 250, 3), random.uniform(0.0, 0.9)).tolist()
        x, y = (int(v) for v in random.integers(-8, small + 8, 2))
        w, h = (int(v) for v in random.integers(2, 30, 2))
        if circles:
            cv2.ellipse(image, (x, y), (w // 2 + 1, h // 2 + 1), float(random.uniform(0, 180)), 0, 360, colour, -1)
        else:
            cv2.rectangle(image, (x, y), (x + w, y + 2 * h), colour, -1)


def _stripes(image: NDArray[np.float32], random: np.random.Generator) -> None:
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    angle = random.choice([0.0, np.pi / 2, random.uniform(0, np.pi)])
    wave = np.sin((rows * np.sin(angle) + columns * np.cos(angle)) * random.uniform(0.15, 0.9))
    image += (np.sign(wave) * random.uniform(8, 60))[..., None].astype(np.float32) * random.uniform(0.5, 1, 3).astype(
        np.float32
    )
