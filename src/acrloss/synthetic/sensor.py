"""From clean colours to a photograph: white balance, exposure, blur, low resolution, noise, JPEG."""

import cv2
import numpy as np

from acrloss.arrays import Image


def photograph(image: Image, random: np.random.Generator) -> Image:
    """A clean picture (S, S, 3) RGB as a camera of varied quality would record it."""
    size = image.shape[0]
    gain = random.uniform(0.8, 1.15) * (1 + random.normal(0, 0.03, 3))
    gamma = float(np.exp(random.normal(0.0, 0.16)))
    levels = np.arange(256)[:, None] / 255.0
    table = np.clip(255.0 * (levels * gain) ** gamma, 0, 255).astype(np.uint8)
    image = np.asarray(cv2.LUT(image, np.ascontiguousarray(table[None])), dtype=np.uint8)
    quality = random.random(5)
    if quality[0] < 0.2:
        image = np.asarray(cv2.GaussianBlur(image, (0, 0), size / 160 * random.uniform(0.4, 1.5)), dtype=np.uint8)
    elif quality[0] < 0.28:
        image = _motion(image, random)
    if quality[1] < 0.12:
        low = int(size * random.uniform(0.25, 0.6))
        image = np.asarray(cv2.resize(image, (low, low), interpolation=cv2.INTER_AREA), dtype=np.uint8)
        image = np.asarray(cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)
    if quality[2] < 0.55:
        # Sums of uniform numbers are near enough to Gaussian noise and a few times cheaper.
        noise = random.integers(-256, 256, (2, size, size, 3), dtype=np.int16).sum(axis=0, dtype=np.int16)
        strength = random.uniform(0.5, 7.0) / 209.0
        image = np.clip(image + noise * np.float32(strength), 0, 255).astype(np.uint8)
    if quality[3] < 0.07:
        grey = np.asarray(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), dtype=np.uint8)
        image = np.repeat(grey[..., None], 3, axis=2)
    if quality[4] < 0.4:
        encoded = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, int(random.integers(35, 95))])[1]
        image = np.asarray(cv2.imdecode(encoded, cv2.IMREAD_COLOR), dtype=np.uint8)
    return image


def _motion(image: Image, random: np.random.Generator) -> Image:
    length = max(2, round(image.shape[0] / 160 * random.uniform(2, 6)))
    kernel = np.zeros((2 * length + 1, 2 * length + 1), np.uint8)
    angle = random.uniform(0, np.pi)
    step = np.array([np.cos(angle), np.sin(angle)]) * length / 2
    start, end = (np.rint(length + sign * step).astype(int).tolist() for sign in (-1, 1))
    cv2.line(kernel, start, end, [255], 1, cv2.LINE_AA)
    return np.asarray(cv2.filter2D(image, -1, kernel.astype(np.float32) / kernel.sum()), dtype=np.uint8)
