"""Reading many annotations: seconds and memory for 100,000 generated faces as CSV and as .pts.

    python benchmarks/reading.py
    python benchmarks/reading.py --count 10000 --format pts

Each format is read in a process of its own, so that its peak of memory is its own.
"""

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from acrloss.commands.terminal import progress
from acrloss.formats import read_annotations
from acrloss.formats.synthetic import generate

SIZE = 64


def write(folder: Path, count: int, format: str) -> None:
    """Faces of tiny images: of a hundred different shapes, each in an image of its own."""
    shapes = generate(100, seed=0, size=SIZE).landmarks.round(3)
    ok, data = cv2.imencode(".jpg", np.zeros((SIZE, SIZE, 3), np.uint8))
    assert ok
    bodies = ["".join(f"{x + 1} {y + 1}\n" for x, y in shape) for shape in shapes.tolist()]
    cells = [",".join(str(v) for v in shape.ravel()) for shape in shapes]
    rows = ["image,subject,split," + ",".join(f"{axis}{i}" for i in range(68) for axis in "xy")]
    for index in range(count):
        name = f"{index // 1000:03d}/{index}.jpg"
        if index % 1000 == 0:
            (folder / name).parent.mkdir()
        (folder / name).write_bytes(bytes(data))
        if format == "pts":
            (folder / name).with_suffix(".pts").write_text(f"version: 1\nn_points: 68\n{{\n{bodies[index % 100]}}}\n")
        else:
            rows.append(f"{name},person{index // 10},train,{cells[index % 100]}")
    if format == "csv":
        (folder / "faces.csv").write_text("\n".join(rows) + "\n")


def read(folder: Path, format: str) -> None:
    before = _peak()
    clock, processor = time.perf_counter(), time.process_time()
    annotations = read_annotations(folder, progress=progress)
    clock, processor = time.perf_counter() - clock, time.process_time() - processor
    used, marks = (_peak() - before) / 1e6, annotations.landmarks.nbytes / 1e6
    print(f"{format}: {len(annotations)} faces in {clock:.1f} s ({processor:.1f} s of processor time)", end=", ")
    print(f"{used:.0f} MB of memory at most; the landmarks themselves are {marks:.0f} MB", flush=True)


def _peak() -> float:
    """Most memory that this process has had, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--format", choices=("csv", "pts"), default=None, help="only this one")
    options = parser.parse_args()
    for format in [options.format] if options.format else ["csv", "pts"]:
        with tempfile.TemporaryDirectory() as name:
            write(Path(name), options.count, format)
            process = multiprocessing.get_context("spawn").Process(target=read, args=(Path(name), format))
            process.start()
            process.join()
            if process.exitcode:
                sys.exit(process.exitcode)


if __name__ == "__main__":
    main()
