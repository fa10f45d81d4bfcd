"""Landmarks drawn on photographs, and sheets of such pictures.

Colours: the prediction is blue and the ground truth yellow, the pair that every common form of colour
blindness still tells apart and that stands out from skin; a dark rim keeps both legible on bright images.
A prediction that the network is unsure of is magenta, and hollow and dashed besides.
Values of landmarks (an error, a difficulty Φ) are drawn in the perceptually uniform viridis colours, dark for
low and yellow for high.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from acrloss.arrays import Image
from acrloss.crops.crop import CropSpec, crop_matrix, warp
from acrloss.images.encode import check_image

if TYPE_CHECKING:
    from acrloss.schemes import Scheme

Colour = tuple[int, int, int]

PREDICTION: Colour = (40, 170, 255)
REFERENCE: Colour = (255, 214, 40)
UNSURE: Colour = (255, 64, 220)
NEUTRAL: Colour = (255, 255, 255)
RIM: Colour = (16, 18, 24)
SMALLEST_SIDE = 320
"""An image whose longer side has fewer pixels is enlarged by a whole factor before it is drawn on."""

_SHIFT = 4  # cv2 takes points as fixed-point integers; four bits are a sixteenth of a pixel


def enlargement(image: Image) -> int:
    """The whole factor by which `draw_landmarks` enlarges this image (1 for all but tiny ones)."""
    longer: int = max(image.shape[:2])
    return max(1, math.ceil(SMALLEST_SIDE / longer))


def scale_points(points: ArrayLike, factor: float) -> NDArray[np.float64]:
    """Pixel coordinates (..., 2) after the image is resized by `factor`; pixel centres are whole numbers."""
    return (np.asarray(points, dtype=np.float64) + 0.5) * factor - 0.5


def draw_landmarks(
    image: Image,
    landmarks: ArrayLike,
    scheme: Scheme,
    *,
    reference: ArrayLike | None = None,
    box: ArrayLike | None = None,
    values: ArrayLike | None = None,
    value_range: tuple[float, float] | None = None,
    visible: ArrayLike | None = None,
    unsure: bool = False,
) -> Image:
    """A new picture with the landmarks of one face drawn on it; lines and dots are sized to the face.

    Args:
        image: (H, W, 3) uint8 RGB; left as it is.
        landmarks: (M, 2) pixels (usually the prediction); NaN points are left out.
        scheme: gives the contours that join the points.
        reference: (M, 2) pixels, the ground truth; drawn in its own colour, thin lines join the pairs.
        box: (x0, y0, x1, y1) pixels.
        values: (M,) colours the dots of `landmarks`; NaN is drawn grey.
        value_range: values of the first and the last colour; default 0 and the largest value.
        visible: (M,) bool; hidden points are drawn as rings.
        unsure: whether the network is unsure of all of them: rings and dashes in a colour of their own.

    Returns:
        (H·f, W·f, 3) uint8 RGB with f = `enlargement(image)`.

    Raises:
        ValueError: an array has the wrong shape or type.
    """
    check_image(image)
    points = _check(landmarks, (scheme.num_landmarks, 2), "landmarks")
    truth = None if reference is None else _check(reference, points.shape, "reference")
    level = None if values is None else _check(values, points.shape[:1], "values")
    shown = np.ones(len(points), dtype=bool)
    if visible is not None:
        shown = _check(visible, points.shape[:1], "visible").astype(bool)
    shown &= not unsure
    colour = UNSURE if unsure else PREDICTION

    factor = enlargement(image)
    canvas = np.array(image) if factor == 1 else resize(image, factor)
    points = _on_canvas(points, factor, canvas)
    truth = None if truth is None else _on_canvas(truth, factor, canvas)
    size = _face_size([points] if truth is None else [points, truth], canvas)

    if box is not None:
        _draw_box(canvas, _on_canvas(_check(box, (4,), "box").reshape(2, 2), factor, canvas), size, unsure)
    if truth is not None:
        _draw_lines(canvas, [np.stack(pair) for pair in zip(points, truth, strict=True)], NEUTRAL, size, 0.5)
        _draw_lines(canvas, _contours(truth, scheme), REFERENCE, size, 0.85)
        _draw_dots(canvas, truth, [REFERENCE] * len(truth), shown, size / 130)
    _draw_lines(canvas, _contours(points, scheme), colour if level is None else NEUTRAL, size, 0.6 if unsure else 0.85)
    if level is None:
        _draw_dots(canvas, points, [colour] * len(points), shown, size / 130)
    else:
        _draw_dots(canvas, points, value_colours(level, value_range), shown, size / 62)
    return canvas


def draw_faces(
    image: Image, landmarks: ArrayLike, scheme: Scheme, boxes: ArrayLike, unsure: ArrayLike | None = None
) -> Image:
    """A new picture with every face's landmarks and box drawn on it, as `draw_landmarks` draws one.

    Args:
        image: (H, W, 3) uint8 RGB; left as it is.
        landmarks: (N, M, 2) pixels; NaN points are left out.
        scheme: gives the contours that join the points.
        boxes: (N, 4) x0, y0, x1, y1 in pixels.
        unsure: (N,) bool, the faces that the network is unsure of.

    Returns:
        (H·f, W·f, 3) uint8 RGB with f = `enlargement(image)`.
    """
    check_image(image)
    factor = enlargement(image)
    canvas = np.array(image) if factor == 1 else resize(image, factor)
    height, width = canvas.shape[:2]
    doubts = np.zeros(len(np.asarray(boxes)), dtype=bool) if unsure is None else np.asarray(unsure, dtype=bool)
    for points, box, doubt in zip(
        np.asarray(landmarks, np.float64), np.asarray(boxes, np.float64), doubts.tolist(), strict=True
    ):
        points, corners = scale_points(points, factor), scale_points(box.reshape(2, 2), factor)
        around = np.concatenate([points[np.isfinite(points).all(axis=1)], corners])
        # Each face on its own part of the picture: copies of all of it would cost seconds in a crowd.
        margin = 0.1 * (around.max(axis=0) - around.min(axis=0)).max() + 4
        left, top = np.clip(np.floor(around.min(axis=0) - margin), 0, None).astype(int).tolist()
        right, bottom = np.clip(np.ceil(around.max(axis=0) + margin), 0, (width, height)).astype(int).tolist()
        if right - left < 2 or bottom - top < 2:
            continue
        part = np.ascontiguousarray(canvas[top:bottom, left:right])
        grown = enlargement(part)
        drawn = draw_landmarks(part, points - (left, top), scheme, box=(corners - (left, top)).ravel(), unsure=doubt)
        if grown > 1:
            drawn = np.asarray(cv2.resize(drawn, part.shape[1::-1], interpolation=cv2.INTER_AREA), dtype=np.uint8)
        canvas[top:bottom, left:right] = drawn
    return canvas


def value_colours(values: ArrayLike, value_range: tuple[float, float] | None = None) -> list[Colour]:
    """Viridis RGB colours of (M,) values; values outside the range take its end's colour, NaN is grey."""
    level = np.asarray(values, dtype=np.float64)
    known = level[np.isfinite(level)]
    low, high = value_range or (0.0, float(known.max()) if len(known) else 1.0)
    share = np.clip((level - low) / (high - low if high > low else 1.0), 0, 1)
    table = cv2.applyColorMap(np.arange(256, dtype=np.uint8).reshape(-1, 1), cv2.COLORMAP_VIRIDIS)
    colours: list[Colour] = []
    for part in share.tolist():
        blue, green, red = (128, 128, 128) if math.isnan(part) else table[round(part * 255), 0].tolist()
        colours.append((red, green, blue))
    return colours


def face_tile(
    image: Image, landmarks: ArrayLike, size: int = 480, enlargement: float = 1.5
) -> tuple[Image, NDArray[np.float64]]:
    """A square picture of one face, cut around its landmarks; what lies outside the image is black.

    Args:
        image: (H, W, 3) uint8 RGB.
        landmarks: (M, 2) pixels, usually the ground truth; NaN points are left out.
        size: side of the tile in pixels.
        enlargement: side of the cut square over the longer side of the landmarks' box.

    Returns:
        The tile, and the (2, 3) map from pixels of the image to its pixels for `acrloss.crops.crop.apply_matrix`.

    Raises:
        ValueError: no landmark is finite.
    """
    check_image(image)
    points = np.asarray(landmarks, dtype=np.float64).reshape(-1, 2)
    points = points[np.isfinite(points).all(1)]
    if not len(points):
        raise ValueError("face_tile: expected at least one finite landmark")
    box = np.concatenate([points.min(0), points.max(0)])[None]
    matrix = crop_matrix(CropSpec(size=size, enlargement=enlargement).squares(box)[0], size)
    return warp(image, matrix, size), matrix


def resize(image: Image, factor: float) -> Image:
    """The image resized by `factor`: area averaging when it shrinks, cubic when it grows."""
    height, width = (max(1, round(length * factor)) for length in image.shape[:2])
    method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (width, height), interpolation=method), dtype=np.uint8)


def contact_sheet(
    images: Sequence[Image], captions: Sequence[str] | None = None, columns: int = 4, tile: int = 320
) -> Image:
    """Pictures side by side on white, each fitted into a square of `tile` pixels over its caption.

    Captions are cut to the width of the tile; lines are separated by a line feed.

    Raises:
        ValueError: no images, a caption too many or too few, or columns below 1.
    """
    if not images:
        raise ValueError("contact_sheet: expected at least one image")
    texts = [""] * len(images) if captions is None else list(captions)
    if len(texts) != len(images):
        raise ValueError(f"contact_sheet: expected {len(images)} captions, one an image, got {len(texts)}")
    if columns < 1:
        raise ValueError(f"contact_sheet: expected columns >= 1, got {columns}")
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    gap, line, scale = round(tile * 0.045), round(tile * 0.1), tile / 420
    lines = max(len(text.splitlines()) for text in texts)
    step_x, step_y = tile + gap, tile + gap + (lines * line + line // 2 if lines else 0)
    sheet = np.full((rows * step_y + gap, columns * step_x + gap, 3), 255, dtype=np.uint8)
    for index, (image, text) in enumerate(zip(images, texts, strict=True)):
        check_image(image)
        small = resize(image, tile / max(image.shape[:2]))
        x, y = gap + index % columns * step_x, gap + index // columns * step_y
        dx, dy = (tile - small.shape[1]) // 2, (tile - small.shape[0]) // 2
        sheet[y + dy : y + dy + small.shape[0], x + dx : x + dx + small.shape[1]] = small
        for row, words in enumerate(text.splitlines()):
            fitted = _fit_text(words, scale, tile)
            origin = (x, y + tile + round(line * (row + 1.1)))
            cv2.putText(sheet, fitted, origin, cv2.FONT_HERSHEY_SIMPLEX, scale, (45, 50, 60), 1, cv2.LINE_AA)
    return sheet


def _check(array: ArrayLike, shape: tuple[int, ...], name: str) -> NDArray[np.float64]:
    result = np.asarray(array, dtype=np.float64)
    if result.shape != shape:
        raise ValueError(f"draw_landmarks: expected {name} of shape {shape}, got {result.shape}")
    return result


def _on_canvas(points: NDArray[np.float64], factor: int, canvas: Image) -> NDArray[np.float64]:
    """Scaled to the canvas; a point over three canvases away (a wild prediction) is drawn that far out."""
    reach = 3.0 * max(canvas.shape[:2])
    return np.clip(scale_points(points, factor), -reach, reach)


def _face_size(faces: Sequence[NDArray[np.float64]], canvas: Image) -> float:
    """Longer side of the last face's box, in pixels, kept between a twelfth of the canvas and the canvas."""
    known = faces[-1][np.isfinite(faces[-1]).all(1)]
    longest = float(max(canvas.shape[:2]))
    size = float((known.max(0) - known.min(0)).max()) if len(known) else longest
    return min(max(size, longest / 12), longest)


def _contours(points: NDArray[np.float64], scheme: Scheme) -> list[NDArray[np.float64]]:
    """The scheme's polylines as segments (2, 2); those with a missing end are left out by `_draw_lines`."""
    segments = []
    for indices, closed in scheme.contours:
        path = [*indices, indices[0]] if closed else list(indices)
        segments += [points[list(pair)] for pair in itertools.pairwise(path)]
    return segments


def _fixed(points: NDArray[np.float64]) -> NDArray[np.int32]:
    return np.round(points * (1 << _SHIFT)).astype(np.int32)


def _draw_lines(
    canvas: Image, lines: Sequence[NDArray[np.float64]], colour: Colour, size: float, opacity: float
) -> None:
    fixed: list[Any] = [_fixed(line).reshape(-1, 1, 2) for line in lines if np.isfinite(line).all()]
    width = max(1, round(size / 320))
    for tone, thickness, weight in ((RIM, width + 2 * max(1, width // 2), 0.4), (colour, width, opacity)):
        layer = canvas.copy()
        cv2.polylines(layer, fixed, False, tone, thickness, cv2.LINE_AA, _SHIFT)
        cv2.addWeighted(layer, weight, canvas, 1 - weight, 0, dst=canvas)


def _draw_dots(
    canvas: Image,
    points: NDArray[np.float64],
    colours: Sequence[Colour],
    shown: NDArray[np.bool_],
    radius: float,
) -> None:
    radius = max(radius, 1.6)
    rim = max(0.8, radius * 0.25)
    for point, colour, seen in zip(points, colours, shown, strict=True):
        if not np.isfinite(point).all():
            continue
        x, y = _fixed(point).tolist()
        if seen:
            cv2.circle(canvas, (x, y), round((radius + rim) * 16), RIM, -1, cv2.LINE_AA, _SHIFT)
            cv2.circle(canvas, (x, y), round(radius * 16), colour, -1, cv2.LINE_AA, _SHIFT)
        else:
            ring = max(1, round(rim))
            cv2.circle(canvas, (x, y), round(radius * 16), RIM, ring + 1, cv2.LINE_AA, _SHIFT)
            cv2.circle(canvas, (x, y), round(radius * 16), colour, ring, cv2.LINE_AA, _SHIFT)


def _draw_box(canvas: Image, corners: NDArray[np.float64], size: float, dashed: bool) -> None:
    (x0, y0), (x1, y1) = corners
    outline = np.array([[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]])
    if not dashed:
        _draw_lines(canvas, [outline], NEUTRAL, size, 0.9)
        return
    # Eight dashes a side, whatever its length; each side begins and ends with one, so that the corners are closed.
    shares = np.arange(15) / 15
    dashes = [
        np.stack([start + share * (end - start), start + (share + 1 / 15) * (end - start)])
        for start, end in itertools.pairwise(outline)
        for share in shares[::2]
    ]
    _draw_lines(canvas, dashes, UNSURE, size, 0.9)


def _fit_text(text: str, scale: float, width: int) -> str:
    """The text, its middle left out where it is too wide: both ends of a file name say something."""

    def wide(candidate: str) -> bool:
        return bool(cv2.getTextSize(candidate, cv2.FONT_HERSHEY_SIMPLEX, scale, 1)[0][0] > width)

    keep = len(text)
    fitted = text
    while keep > 2 and wide(fitted):
        keep -= 1
        fitted = f"{text[: math.ceil(keep / 2)]}...{text[len(text) - keep // 2 :]}"
    return fitted
