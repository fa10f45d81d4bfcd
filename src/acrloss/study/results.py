"""What a study keeps of each run: the figures of its report, small enough to keep with the study for good."""

import csv
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from acrloss.arrays import Float
from acrloss.errors import DataError
from acrloss.evaluation.normalizers import find_normalizer, normalizer_title
from acrloss.evaluation.predictions import read_predictions
from acrloss.evaluation.predictions_file import read_scored_faces
from acrloss.evaluation.scores import evaluate
from acrloss.files import write_atomic
from acrloss.reports.by_difficulty import BINS, errors_by_difficulty
from acrloss.shapes.shape_model import ShapeModel
from acrloss.study.study_file import Run, Study, run_key

FORMAT, VERSION = "acrloss-study-results", 1
_MAX_BYTES = 200_000_000
_CURVES = ("train_nme", "val_nme")


@dataclass(frozen=True)
class Result:
    """The figures of one run.

    Attributes:
        run: which one.
        images: the N faces that were scored, each by its file's path below the data.
        subsets: (N,) the subsets that each is in.
        normalizer: of all figures, which are in %.
        nme: (N,) NME of each face.
        regions: region of the scheme -> mean error.
        by_difficulty: mean error of the landmarks in fifths, from the easiest to the hardest: ranked by how far each is
            from what the first modes of the run's shape model explain.
        curves: "train_nme" and "val_nme", one number an epoch.
        seconds: how long the run took, with interruptions left out.
        environment: versions and machine.
        fingerprint: of the data it was trained on, which need not be on this machine any more.
        role: what the scored faces were to the training, see `acrloss.evaluation.scores.Role`; "" where unknown.
        noun: what one of them is called.
        title: of the normaliser, where they are no faces; "" is its own.
    """

    run: Run
    images: tuple[str, ...]
    subsets: tuple[frozenset[str], ...]
    normalizer: str
    nme: Float
    regions: dict[str, float]
    by_difficulty: Float
    curves: dict[str, Float]
    seconds: float
    environment: dict[str, Any]
    fingerprint: str | None
    role: str = ""
    noun: str = "face"
    title: str = ""


def result_of(run: Run) -> Result:
    """The figures of a run that was trained here."""
    folder = run.folder / "train"
    faces = read_scored_faces(folder)
    found = read_predictions(folder, faces)
    evaluation = evaluate(faces, found.landmarks)
    noun = faces.scheme.called
    # Faces without any variation make none.
    path = folder / "shape_model.safetensors"
    model = ShapeModel.load(path) if path.is_file() else None
    with (folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return Result(
        run,
        tuple(_below(image, run.source) for image in faces.images),
        faces.subsets,
        evaluation.normalizer,
        evaluation.nme[evaluation.normalizer],
        evaluation.score.regions,
        errors_by_difficulty(evaluation, model) if model else np.full(BINS, np.nan),
        {name: np.array([float(row[name]) for row in rows]) for name in _CURVES},
        float(json.loads((run.folder / "done.json").read_text())["seconds"]),
        json.loads((folder / "environment.json").read_text()),
        run.fingerprint,
        found.role,
        noun,
        "" if noun == "face" else normalizer_title(evaluation.normalizer, faces.scheme),
    )


def write_results(path: Path, results: Iterable[Result]) -> None:
    """Write figures as one JSON file, atomically. Faces that several runs share are listed once."""
    faces: dict[tuple[tuple[str, ...], tuple[frozenset[str], ...]], int] = {}
    runs = []
    for result in results:
        run = result.run
        runs.append(
            {
                "data": run.data,
                "method": run.method,
                "options": run.options,
                "fingerprint": result.fingerprint,
                "seconds": result.seconds,
                "environment": result.environment,
                "normalizer": result.normalizer,
                "faces": faces.setdefault((result.images, result.subsets), len(faces)),
                "nme": _short(result.nme),
                "regions": dict(zip(result.regions, _short(result.regions.values()), strict=True)),
                "by_difficulty": _short(result.by_difficulty),
                **{name: _short(values) for name, values in result.curves.items()},
                **({"role": result.role} if result.role else {}),
                **({"noun": result.noun, "title": result.title} if result.noun != "face" else {}),
            }
        )
    # A line a run or list of faces, so that versions can be compared.
    lists = ",\n".join(json.dumps(list(images)) for images, _ in faces)
    tags = ",\n".join(json.dumps(_members(subsets)) for _, subsets in faces)
    lines = ",\n".join(json.dumps(run) for run in runs)
    parts = f'"faces": [\n{lists}\n],\n"subsets": [\n{tags}\n],\n"runs": [\n{lines}\n]'
    write_atomic(path, f'{{"format": "{FORMAT}", "version": {VERSION},\n{parts}}}\n')


def keep_old_results(path: Path, runs: Iterable[Run]) -> Path | None:
    """Rename a file of results that has others than of `runs`, so that none is lost when it is written anew.

    Returns:
        The new name, or None where nothing would be lost.
    """
    if not path.is_file():
        return None
    kept = {run.key: run for run in runs}
    items = json.loads(path.read_text(encoding="utf-8"))["runs"]
    found = [(kept.get(run_key(item["data"], item["options"])), item["fingerprint"]) for item in items]
    if all(run is not None and run.is_on(fingerprint) for run, fingerprint in found):
        return None
    made = datetime.fromtimestamp(path.stat().st_mtime, tz=UTC)
    return path.rename(path.with_name(f"results-until-{made:%Y-%m-%d-%H%M%S}.json"))


def read_results(path: Path, study: Study) -> list[Result]:
    """The figures that a file has of the study's runs, in the study's order; none if there is no such file.

    Runs on other data than is on this machine are left out; where the data is not here at all, they count.

    Raises:
        DataError: the file is no file of results.
    """
    if not path.is_file():
        return []
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ValueError(f"more than {_MAX_BYTES} bytes")
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["format"] != FORMAT or content["version"] > VERSION:
            raise ValueError(f"not of format {FORMAT}, version {VERSION}")
        known = {run_key(item["data"], item["options"]): item for item in content["runs"]}
        results = []
        for run in study.runs:
            item = known.get(run_key(run.data, run.options))
            if item is None or not run.is_on(item["fingerprint"]):
                continue
            images = content["faces"][item["faces"]]
            members = content["subsets"][item["faces"]] if "subsets" in content else {}
            results.append(_result(run, item, images, members))
    except (OSError, UnicodeError, KeyError, IndexError, TypeError, ValueError) as error:
        raise DataError(
            f"{path}: no results of a study ({type(error).__name__}: {error}); move it away, and the runs are made anew"
        ) from error
    return results


def _members(subsets: Iterable[frozenset[str]]) -> dict[str, list[int]]:
    """Subset -> numbers of the faces in it."""
    members: dict[str, list[int]] = {}
    for number, tags in enumerate(subsets):
        for tag in sorted(tags):
            members.setdefault(tag, []).append(number)
    return members


def _result(run: Run, item: dict[str, Any], images: list[str], members: dict[str, list[int]]) -> Result:
    # None becomes NaN.
    nme = np.array(item["nme"], dtype=np.float64)
    if nme.shape != (len(images),):
        raise ValueError(f"{len(images)} faces with {nme.size} figures")
    normalizer = str(item["normalizer"])
    find_normalizer(normalizer)
    tags: list[set[str]] = [set() for _ in images]
    for tag, numbers in members.items():
        for number in numbers:
            tags[number].add(tag)
    return Result(
        run,
        tuple(images),
        tuple(map(frozenset, tags)),
        normalizer,
        nme,
        dict(zip(item["regions"], np.array([*item["regions"].values()], dtype=np.float64).tolist(), strict=True)),
        np.array(item["by_difficulty"], dtype=np.float64),
        {name: np.array(item[name], dtype=np.float64) for name in _CURVES},
        float(item["seconds"]),
        dict(item["environment"]),
        item["fingerprint"],
        str(item.get("role", "")),
        str(item.get("noun", "face")),
        str(item.get("title", "")),
    )


def _short(values: Iterable[float]) -> list[float | None]:
    """Four decimals, and None for NaN, which JSON does not have."""
    return [round(float(value), 4) if np.isfinite(value) else None for value in values]


def _below(image: str, source: str) -> str:
    path, root = Path(image).absolute(), Path(source).absolute()
    root = root.parent if root.is_file() else root
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else image
