"""Jitter on a still video and lag on a moving one: raw landmarks, a moving average, and the 1 € filter that we use.

    python benchmarks/video.py [--data FOLDER] [--faces 12] [--model default]

Each face gives two videos of 90 frames with fresh sensor noise: one still, and one in which the picture swings by half
a face to each side and turns by 10 degrees, once in 30 frames (at 30 frames a second, a brisk shake of the head). The
raw landmarks follow the same tracker without a filter.

- jitter: root mean square step of a landmark from frame to frame on the still video, in % of the face's size
- lag: the delay, in frames, of the raw landmarks that comes closest to the filtered ones on the moving video
- error: mean distance from where the motion took the landmarks, in % of the face's size, on the moving video
"""

import argparse
from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.formats import read_annotations
from acrloss.images import read_image
from acrloss.prediction.one_euro import OneEuroFilter
from acrloss.prediction.predictor import Predictor
from acrloss.prediction.tracker import Tracker

Float = NDArray[np.float64]
FRAMES, PERIOD = 90, 30


class MovingAverage:
    """What people do first."""

    def __init__(self) -> None:
        self.past: list[Float] = []

    def __call__(self, landmarks: Float) -> Float:
        self.past = [*self.past[-4:], landmarks]
        return np.asarray(np.mean(self.past, axis=0))


def lag(filtered: Float, raw: Float) -> float:
    """The delay of (T, M, 2) `raw` in frames, in steps of 0.05, that comes closest to `filtered`."""
    times = np.arange(10, len(raw))
    delays = np.arange(0, 4, 0.05)

    def delayed(delay: float) -> Float:
        low = np.floor(times - delay).astype(int)
        share = (times - delay - low)[:, None, None]
        return np.asarray(raw[low] * (1 - share) + raw[np.minimum(low + 1, len(raw) - 1)] * share)

    return float(delays[np.argmin([np.square(filtered[times] - delayed(d)).mean() for d in delays])])


def videos(
    image: NDArray[np.uint8], size: float, moving: bool, rng: np.random.Generator
) -> tuple[list[NDArray[np.uint8]], list[Float]]:
    """Frames, and for each the (2, 3) map from the image to it."""
    height, width = image.shape[:2]
    pictures, maps = [], []
    for t in range(FRAMES):
        phase = 2 * np.pi * t / PERIOD if moving else 0.0
        matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 10 * np.sin(phase), 1.0)
        matrix[0, 2] += 0.5 * size * np.sin(phase)
        frame = cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
        pictures.append((frame + rng.normal(0, 5, frame.shape)).clip(0, 255).astype(np.uint8))
        maps.append(np.asarray(matrix, dtype=np.float64))
    return pictures, maps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="synthetic:40@3")
    parser.add_argument("--faces", type=int, default=12)
    parser.add_argument("--model", default="default")
    values = parser.parse_args()
    faces: Annotations = read_annotations(values.data)
    faces = faces.split("test") if "test" in faces.split_names else faces
    faces = faces.select(np.random.default_rng(0).permutation(len(faces))[: values.faces])
    predictor = Predictor(values.model, threads=1)
    filters: dict[str, Callable[[], Callable[[Float], Float]]] = {
        "raw": lambda: np.array,
        "moving average of 5": MovingAverage,
        "1 euro (default)": OneEuroFilter,
    }
    figures: dict[str, list[tuple[float, float, float]]] = {name: [] for name in filters}
    rng = np.random.default_rng(1)
    for i, box in enumerate(faces.landmark_boxes()):
        image = read_image(faces.images[i])
        size = float(np.linalg.norm(box[2:] - box[:2]))
        raw = {}
        for moving in (False, True):
            pictures, maps = videos(image, size / 2, moving, rng)
            tracker = Tracker(predictor, smooth=False)
            found = [tracker(picture).landmarks for picture in pictures]
            if not all(len(f) == 1 for f in found):
                print(f"{faces.images[i]}: not one face in every frame; left out")
                break
            raw[moving] = np.concatenate(found)
        else:
            truth = np.stack([faces.landmarks[i] @ m[:, :2].T + m[:, 2] for m in maps])
            for name, make in filters.items():
                run = make()
                still = np.stack([run(x) for x in raw[False]])
                run = make()
                swing = np.stack([run(x) for x in raw[True]])
                figures[name].append(
                    (
                        100 * float(np.sqrt(np.square(np.diff(still[20:], axis=0)).sum(-1).mean())) / size,
                        lag(swing, raw[True]),
                        100 * float(np.linalg.norm(swing - truth, axis=-1)[10:].mean()) / size,
                    )
                )
    base = np.mean([f[0] for f in figures["raw"]])
    print(f"{len(figures['raw'])} faces    jitter %   of raw   lag frames   error %")
    for name, rows in figures.items():
        jitter, delay, error = np.mean(rows, axis=0)
        print(f"{name:<30}{jitter:8.4f} {jitter / base:8.2f} {delay:10.2f} {error:10.3f}")


if __name__ == "__main__":
    main()
