"""Faces turned by any angle: how many are found and right, and what the search for lost faces adds.

    python benchmarks/turned.py --data 300w [--angles 24] [--faces 120] [--detector mtcnn] [--boxes true]

Every picture is turned about its middle, its edges carried on where it shows nothing, and looked at without and with
the search for faces that both looks have lost. A face is right where its NME is below 10 %, by the scheme's usual
normaliser. With a network of your own, which may have been trained on anything, upright faces must not be worse with
the search than without.
"""

import argparse

import cv2
import numpy as np

from acrloss.arrays import Float, Image
from acrloss.boxes import best_match, tight_box
from acrloss.evaluation.normalizers import available_normalizers, normalizer_lengths
from acrloss.formats import read_annotations
from acrloss.images import read_image
from acrloss.prediction.predictor import Predictor


def turned(image: Image, points: Float, angle: float) -> tuple[Image, Float]:
    """The whole of a picture, and (M, 2) points in it, turned clockwise by so many degrees."""
    height, width = image.shape[:2]
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    matrix = np.array([[cos, -sin], [sin, cos]])
    columns, rows = np.ceil(np.abs(matrix) @ (width, height)).astype(int).tolist()
    shift = (np.array([columns, rows]) - 1) / 2 - matrix @ ((np.array([width, height]) - 1) / 2)
    affine = np.concatenate([matrix, shift[:, None]], axis=1)
    page = cv2.warpAffine(image, affine, (columns, rows), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(page, dtype=np.uint8), points @ matrix.T + shift


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="synthetic:40@3")
    parser.add_argument("--scheme", default=None)
    parser.add_argument("--model", default="default")
    parser.add_argument("--detector", default="auto")
    parser.add_argument("--angles", type=int, default=24)
    parser.add_argument("--faces", type=int, default=120)
    parser.add_argument("--boxes", choices=("detected", "true"), default="detected")
    values = parser.parse_args()
    faces = read_annotations(values.data, scheme=values.scheme)
    faces = faces.split("test") if "test" in faces.split_names else faces
    faces = faces.select(np.random.default_rng(5).permutation(len(faces))[: values.faces])
    normalizer = available_normalizers(faces.scheme)[0]
    lengths = normalizer_lengths(faces.landmarks, faces.scheme, normalizer)
    ways = {
        name: Predictor(values.model, detector=values.detector, threads=1, retry=retry)
        for name, retry in (("without", False), ("with", True))
    }
    print(
        f"{len(faces)} faces of {values.data}, {ways['with'].detector.name}, {values.boxes} boxes; NME by {normalizer}"
    )
    print(
        f"{'turned':>7} {'found':>6} {'right without':>14} {'right with':>11} {'NME % without':>14} {'NME % with':>11}"
    )
    right = dict.fromkeys(ways, 0)
    for step in range(values.angles):
        angle = 360 * step / values.angles
        errors: dict[str, list[float]] = {name: [] for name in ways}
        for i, reference in enumerate(faces.images):
            image, points = turned(np.asarray(read_image(reference)), faces.landmarks[i], angle)
            box = tight_box(points)
            chosen, turns = box[None], np.zeros(1)
            if values.boxes == "detected":
                detected = ways["with"].detector(image)
                boxes = ways["with"].map_boxes(detected)
                match = best_match(box, boxes)
                if match is None:
                    continue
                chosen, turns = boxes[match : match + 1], detected.turns[match : match + 1]
            for name, predictor in ways.items():
                found = predictor.locate_boxes(image, chosen, turns)[0][0]
                mean = float(np.nanmean(np.linalg.norm(found - points, axis=1)))
                errors[name].append(100 * mean / float(lengths[i]))
        here = {name: int((np.array(values) < 10).sum()) for name, values in errors.items()}
        right = {name: right[name] + here[name] for name in ways}
        means = f"{np.mean(errors['without']):>14.2f} {np.mean(errors['with']):>11.2f}"
        found_here = len(errors["with"])
        print(f"{angle:>6.0f}° {found_here:>6} {here['without']:>14} {here['with']:>11} {means}", flush=True)
    total = values.angles * len(faces)
    shares = ", ".join(f"{100 * count / total:.2f} % {name} the search" for name, count in right.items())
    print(f"right over all angles: {shares}")


if __name__ == "__main__":
    main()
