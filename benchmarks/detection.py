"""The face detectors side by side: what they find, how steady their boxes are, and how long they take.

    python benchmarks/detection.py                      # 200 drawn faces
    python benchmarks/detection.py --data 300w --faces 200

- recall: share of the annotated faces that were found
- extra: detections, of a hundred images, that are none of the annotated faces; in photographs some are faces all the
  same
- centre, size: how far the boxes lie from the boxes around the landmarks, once mapped to these as a network does it
  (`acrloss.detection.box_map`): root mean square distance of the centres, in % of the side, and spread of the
  logarithm of the size, in %. It is what the training's jitter of boxes must cover.
- ms: median of an image; OpenCV has one thread
"""

import argparse
import time

import cv2
import numpy as np

from acrloss.boxes import best_match
from acrloss.detection.box_map import fit_box_map
from acrloss.detection.installed import create_detector, installed_detectors
from acrloss.formats import read_annotations
from acrloss.images import read_image


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="synthetic:200@3")
    parser.add_argument("--faces", type=int, default=200, help="at most so many images")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    faces = read_annotations(options.data)
    faces = faces.split("test") if "test" in faces.split_names else faces
    truth = faces.landmark_boxes()
    in_image: dict[str, list[int]] = {}
    for i in np.random.default_rng(0).permutation(len(faces)).tolist():
        in_image.setdefault(faces.images[i], []).append(i)
    chosen = dict(list(in_image.items())[: options.faces])
    annotated = sum(len(members) for members in chosen.values())
    print(f"{annotated} faces in {len(chosen)} images of {options.data}\n")
    print("| detector | recall % | extra / 100 images | centre % | size % | ms an image |\n|:--|--:|--:|--:|--:|--:|")
    for name in installed_detectors():
        detector = create_detector(name)
        detector(read_image(next(iter(chosen))))
        seconds, extra = [], 0
        detected, wanted = [], []
        for reference, members in chosen.items():
            image = read_image(reference)
            start = time.perf_counter()
            boxes = detector(image).boxes
            seconds.append(time.perf_counter() - start)
            matches = {i: match for i in members if (match := best_match(truth[i], boxes)) is not None}
            detected += [boxes[match] for match in matches.values()]
            wanted += [truth[i] for i in matches]
            extra += len(boxes) - len(set(matches.values()))
        cells = [f"{100 * len(detected) / annotated:.1f}", f"{100 * extra / len(chosen):.1f}", "–", "–"]
        if detected:
            target = np.stack(wanted)
            mapped = fit_box_map(np.stack(detected), target)(np.stack(detected))
            sides = (target[:, 2:] - target[:, :2]).max(axis=1)
            offsets = ((mapped[:, :2] + mapped[:, 2:]) - (target[:, :2] + target[:, 2:])) / 2 / sides[:, None]
            growth = np.log((mapped[:, 2] - mapped[:, 0]) / sides)
            cells[2] = f"{100 * np.sqrt(np.square(offsets).sum(axis=1).mean()):.1f}"
            cells[3] = f"{100 * growth.std():.1f}"
        print(f"| {name} | {' | '.join(cells)} | {1000 * np.median(seconds):.1f} |", flush=True)


if __name__ == "__main__":
    main()
