"""Boxes x0, y0, x1, y1: the tight box, how much two overlap, and which of several is the one that is looked for."""

from __future__ import annotations

import numpy as np

from acrloss.arrays import Float


def tight_box(points: Float) -> Float:
    """(4,) the box around (M, 2) points, or (N, 4) around each of (N, M, 2); NaN where no point is known."""
    missing = np.isnan(points)
    low = np.where(missing, np.inf, points).min(axis=-2)
    high = np.where(missing, -np.inf, points).max(axis=-2)
    boxes = np.concatenate([low, high], axis=-1)
    return np.where(np.isinf(boxes), np.nan, boxes)


def overlap(box: Float, others: Float) -> Float:
    """Intersection over union of a box (4,) with one box (4,) or each of (K, 4); 0 for two boxes without extent."""
    low, high = np.maximum(box[:2], others[..., :2]), np.minimum(box[2:], others[..., 2:])
    common = np.clip(high - low, 0, None).prod(axis=-1)
    union = (box[2:] - box[:2]).prod() + (others[..., 2:] - others[..., :2]).prod(axis=-1) - common
    return np.asarray(common / np.maximum(union, 1e-12), dtype=np.float64)


def best_match(box: Float, boxes: Float) -> int | None:
    """Which of (N, 4) `boxes` is the face in `box` (4,); None if none is: the nearest centre within half a side."""
    if not len(boxes):
        return None
    centre, side = (box[:2] + box[2:]) / 2, float((box[2:] - box[:2]).max())
    distance = np.linalg.norm((boxes[:, :2] + boxes[:, 2:]) / 2 - centre, axis=1)
    sizes = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
    distance = np.where((sizes > side / 2.5) & (sizes < side * 2.5), distance, np.inf)
    nearest = int(np.argmin(distance))
    return nearest if distance[nearest] <= side / 2 else None


def centres_and_sizes(boxes: Float) -> tuple[Float, Float]:
    """(N, 2) centres and (N, 1) sizes √(width · height)."""
    boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)
    sizes = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1, keepdims=True))
    return (boxes[:, :2] + boxes[:, 2:]) / 2, sizes
