"""Faces that lie on their side or upside down, and what the search for lost faces costs those that are upright.

    python benchmarks/turned.py --data 300w [--model default] [--faces 120] [--boxes detected]

Every picture is turned by 0, 90, 180 and 270 degrees and looked at without and with the search. A face is right where
its NME, by the longest side of the box around its landmarks, is below 4 %. With a network of your own, which may have
been trained on anything, upright faces must not be worse with the search than without.
"""

import argparse

import numpy as np

from acrloss.boxes import best_match, tight_box
from acrloss.formats import read_annotations
from acrloss.images import read_image
from acrloss.prediction.predictor import Predictor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="synthetic:40@3")
    parser.add_argument("--scheme", default=None)
    parser.add_argument("--model", default="default")
    parser.add_argument("--faces", type=int, default=120)
    parser.add_argument("--boxes", choices=("detected", "true"), default="detected")
    values = parser.parse_args()
    faces = read_annotations(values.data, scheme=values.scheme)
    faces = faces.split("test") if "test" in faces.split_names else faces
    faces = faces.select(np.random.default_rng(5).permutation(len(faces))[: values.faces])
    ways = {
        name: Predictor(values.model, threads=1, retry=retry) for name, retry in (("without", False), ("with", True))
    }
    print(
        f"{'turned':>7} {'found':>6} {'right without':>14} {'right with':>11} {'NME % without':>14} {'NME % with':>11}"
    )
    for quarters in range(4):
        errors: dict[str, list[float]] = {name: [] for name in ways}
        for i, reference in enumerate(faces.images):
            image = np.asarray(read_image(reference))
            height, width = image.shape[:2]
            points = faces.landmarks[i]
            for _ in range(quarters):
                # Clockwise by 90 degrees.
                points = np.stack([height - 1 - points[:, 1], points[:, 0]], axis=1)
                height, width = width, height
            image = np.ascontiguousarray(np.rot90(image, -quarters))
            box = tight_box(points)
            chosen = box[None]
            if values.boxes == "detected":
                boxes = ways["with"].map_boxes(ways["with"].detector(image).boxes)
                match = best_match(box, boxes)
                if match is None:
                    continue
                chosen = boxes[match : match + 1]
            for name, predictor in ways.items():
                found = predictor.locate_boxes(image, chosen)[0][0]
                mean = float(np.nanmean(np.linalg.norm(found - points, axis=1)))
                errors[name].append(100 * mean / float((box[2:] - box[:2]).max()))
        without, with_ = np.array(errors["without"]), np.array(errors["with"])
        right = [int((e < 4).sum()) for e in (without, with_)]
        means = f"{without.mean():>14.2f} {with_.mean():>11.2f}"
        print(f"{90 * quarters:>6}° {len(without):>6} {right[0]:>14} {right[1]:>11} {means}")


if __name__ == "__main__":
    main()
