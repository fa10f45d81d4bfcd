"""Small faces in large pictures: how many each face detector finds, in what time; and whether its memory grows.

    python benchmarks/large_pictures.py --data 300w
    python benchmarks/large_pictures.py --data 300w --smallest_face 20
    python benchmarks/large_pictures.py --memory 2000

Faces of the data are pasted, with their surroundings, on a soft background of random colours, none over another. Their
size is the longer side of the box around their landmarks. Times are of the processor, with one thread of OpenCV.
"""

import argparse
import time
from pathlib import Path

import cv2
import numpy as np

from acrloss.annotations import Annotations
from acrloss.arrays import Float, Image
from acrloss.boxes import best_match
from acrloss.detection.detector import SMALLEST_FACE
from acrloss.detection.installed import create_detector, installed_detectors
from acrloss.formats import read_annotations
from acrloss.images import read_image

# Width, height, faces.
PICTURES = ((4000, 3000, 20), (9000, 600, 8), (1080, 12_000, 8), (1920, 1080, 6))
SIZES = (40, 60, 80, 120)


def compose(faces: Annotations, picture: tuple[int, int, int], size: int, seed: int) -> tuple[Image, Float]:
    """A picture, and the (N, 4) boxes around the landmarks of the faces in it."""
    rng = np.random.default_rng((*picture, size, seed))
    width, height, count = picture
    colours = rng.integers(60, 200, (height // 200 + 2, width // 200 + 2, 3), dtype=np.uint8)
    soft = np.asarray(cv2.resize(colours, (width, height), interpolation=cv2.INTER_CUBIC), dtype=np.int16)
    page = (soft + rng.integers(-8, 9, (height, width, 1))).clip(0, 255).astype(np.uint8)
    boxes = faces.landmark_boxes()
    taken, truth = np.empty((0, 4)), []
    for i in rng.integers(0, len(faces), 3000).tolist():
        factor = size / float((boxes[i, 2:] - boxes[i, :2]).max())
        if factor > 1.2:
            continue
        face = cv2.resize(read_image(faces.images[i]), None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        rows, columns = face.shape[:2]
        if columns >= width or rows >= height:
            continue
        x, y = int(rng.integers(0, width - columns)), int(rng.integers(0, height - rows))
        place = np.array([x, y, x + columns, y + rows])
        if (np.minimum(place[2:], taken[:, 2:]) > np.maximum(place[:2], taken[:, :2])).all(axis=1).any():
            continue
        page[y : y + rows, x : x + columns] = face
        taken = np.concatenate([taken, place[None]])
        truth.append((boxes[i] + 0.5) * factor - 0.5 + (x, y, x, y))
        if len(truth) == count:
            break
    return page, np.stack(truth)


def measure_memory(pictures: int) -> None:
    """How much the process grows over so many pictures, in KiB a picture."""
    image = np.random.default_rng(0).integers(0, 256, (240, 320, 3), dtype=np.uint8)
    for name in installed_detectors():
        detector, kib = create_detector(name), []
        for i in range(pictures + 50):
            detector(image)
            if i in (49, pictures + 49):  # the first ones fill what is kept for reuse
                kib.append(int(Path("/proc/self/statm").read_text().split()[1]) * 4)
        print(f"{name}: {(kib[1] - kib[0]) / pictures:.2f} KiB a picture over {pictures} pictures", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="synthetic:200@3")
    parser.add_argument("--smallest_face", type=float, default=SMALLEST_FACE)
    parser.add_argument("--pictures", type=int, default=2, help="of each kind and size")
    parser.add_argument("--memory", type=int, default=0, help="look at so many pictures, and at the memory, instead")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    if options.memory:
        measure_memory(options.memory)
        return
    faces = read_annotations(options.data)
    faces = faces.split("test") if "test" in faces.split_names else faces
    print("| picture | detector | face, px | found | of | others | ms |\n|:--|:--|--:|--:|--:|--:|--:|")
    for picture in PICTURES:
        for name in installed_detectors():
            detector = create_detector(name, options.smallest_face)
            for size in SIZES:
                found = there = others = 0
                seconds = []
                for seed in range(options.pictures):
                    page, truth = compose(faces, picture, size, seed)
                    start = time.process_time()
                    boxes = detector(page).boxes
                    seconds.append(time.process_time() - start)
                    matches = {match for box in truth if (match := best_match(box, boxes)) is not None}
                    found, there, others = found + len(matches), there + len(truth), others + len(boxes) - len(matches)
                row = (f"{picture[0]} × {picture[1]}", name, size, found, there, others)
                print(f"| {' | '.join(map(str, row))} | {1000 * np.median(seconds):.0f} |", flush=True)


if __name__ == "__main__":
    main()
