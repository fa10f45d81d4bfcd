"""What packing saves: training samples a second from photographs and from the packed faces, each decoded anew.

    python benchmarks/packing.py                 # 200 drawn faces in photographs of 12 megapixels
    python benchmarks/packing.py --data PATH

The first epoch is what counts where the faces do not fit in memory; after it `LandmarkDataset` keeps what does.
"""

import os

os.environ["OMP_NUM_THREADS"] = "1"

import argparse
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from acrloss.annotations import Annotations
from acrloss.crops.augmentation import Augmentation
from acrloss.crops.crop import CropSpec
from acrloss.crops.dataset import LandmarkDataset
from acrloss.crops.pack import pack
from acrloss.formats import read_annotations
from acrloss.formats.synthetic import generate
from acrloss.images import read_image


def photographs(folder: Path, count: int) -> Annotations:
    """Synthetic faces of 800 px somewhere in photographs of 4000 x 3000 px."""
    faces = generate(count, seed=0, size=800)
    rng = np.random.default_rng(0)
    images, landmarks = [], []
    for index, reference in enumerate(faces.images):
        coarse = rng.integers(0, 255, (30, 40, 3), np.uint8)
        photograph = cv2.resize(coarse, (4000, 3000), interpolation=cv2.INTER_CUBIC)
        x, y = int(rng.integers(0, 3200)), int(rng.integers(0, 2200))
        photograph[y : y + 800, x : x + 800] = cv2.cvtColor(read_image(reference), cv2.COLOR_RGB2BGR)
        images.append(str(folder / f"{index}.jpg"))
        cv2.imwrite(images[-1], photograph)
        landmarks.append(faces.landmarks[index] + (x, y))
    return Annotations.create(images, np.stack(landmarks), faces.scheme, source="photographs")


def samples_per_second(annotations: Annotations, crop: CropSpec, count: int) -> float:
    """Augmented samples a second of one process that keeps nothing."""
    dataset = LandmarkDataset(annotations, crop, Augmentation(), keep=False)
    dataset[0, 0]
    start = time.perf_counter()
    for index in range(min(count, len(dataset))):
        dataset[0, index]
    return min(count, len(dataset)) / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="read these faces in place of drawn ones")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--size", type=int, default=112, help="side of the crop")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    crop = CropSpec(size=options.size)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.data:
            annotations = read_annotations(options.data)
            annotations = annotations.select(np.arange(min(options.count, len(annotations))))
        else:
            annotations = photographs(folder, options.count)
        start = time.perf_counter()
        pack(annotations, folder / "packed", crop)
        seconds = time.perf_counter() - start
        packed = read_annotations(folder / "packed")
        before = sum(Path(image).stat().st_size for image in annotations.images if Path(image).is_file())
        after = sum(path.stat().st_size for path in (folder / "packed").rglob("*") if path.is_file())
        print(f"packed {len(packed)} faces in {seconds:.1f} s: {before / 1e6:.1f} MB to {after / 1e6:.1f} MB")
        for title, faces in (("photographs", annotations), ("packed", packed)):
            rate = samples_per_second(faces, crop, options.count)
            print(f"{title}: {rate:.0f} training samples/s of one process ({crop.size} px, augmented)")


if __name__ == "__main__":
    main()
