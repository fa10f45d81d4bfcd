"""Landmarks of faces in photographs, from a trained network and face boxes."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from acrloss.crop import crop_matrix, to_image, warp
from acrloss.draw import draw_landmarks, save_png
from acrloss.files import write_atomic
from acrloss.images import read_image
from acrloss.models import LandmarkNet
from acrloss.readers.pts import write_pts

Float = NDArray[np.float64]


def predict_face(network: LandmarkNet, image: NDArray[np.uint8], box: Sequence[float]) -> Float:
    """(M, 2) landmarks of one face, in pixels of the image.

    Args:
        network: in evaluation mode.
        image: (H, W, 3) uint8 RGB.
        box: x0, y0, x1, y1 of the face in pixels: the kind of box that the network was trained on
            (`network.crop.box`), not enlarged.

    Raises:
        ValueError: the box has no extent or is not finite.
    """
    corners = np.asarray(box, dtype=np.float64)
    if corners.shape != (4,) or not np.isfinite(corners).all() or (corners[2:] <= corners[:2]).any():
        raise ValueError(
            f"a box is x0,y0,x1,y1 with x0 < x1 and y0 < y1, not {','.join(f'{v:g}' for v in corners.ravel())}"
        )
    matrix = crop_matrix(network.crop.squares(corners)[0], network.crop.size)
    crop = torch.from_numpy(warp(image, matrix, network.crop.size)).permute(2, 0, 1)[None]
    with torch.inference_mode():
        landmarks = network(crop.to(next(network.parameters()).device))[0, :, :2].double().cpu().numpy()
    return to_image(landmarks, matrix, network.crop.size)


def predict_file(network: LandmarkNet, image_path: Path, box: Sequence[float] | None, stem: Path) -> dict[str, Any]:
    """Find the landmarks of the face in a file and write `stem`.json, `stem`.pts and the drawn `stem`.png.

    Args:
        box: x0, y0, x1, y1 of the face; the whole image if None.

    Returns:
        What the JSON file holds: image, box, scheme, and landmarks in pixels (top-left pixel's centre is 0, 0).

    Raises:
        DataError: the image cannot be read or the results cannot be written.
        ValueError: the box is impossible.
    """
    image = read_image(str(image_path))
    if box is None:
        box = (0, 0, image.shape[1] - 1, image.shape[0] - 1)
    landmarks = predict_face(network, image, box)
    result = {
        "image": str(image_path),
        "box": [float(v) for v in box],
        "scheme": network.scheme.name,
        "landmarks": landmarks.round(3).tolist(),
    }
    write_atomic(stem.with_name(stem.name + ".json"), json.dumps(result, indent=1) + "\n")
    write_pts(stem.with_name(stem.name + ".pts"), landmarks)
    save_png(stem.with_name(stem.name + ".png"), draw_landmarks(image, landmarks, network.scheme, box=box))
    return result
