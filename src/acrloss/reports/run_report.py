"""The report of a training run: its figures as files, and one page that shows them all."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from acrloss import arrays
from acrloss.crops.crop import apply_matrix
from acrloss.errors import DataError
from acrloss.evaluation.metrics import NORMALIZER_NAMES, mean_known
from acrloss.evaluation.predictions_file import write_predictions
from acrloss.evaluation.scores import Evaluation
from acrloss.figures import draw, errors, learning, style
from acrloss.files import write_atomic
from acrloss.images import encode, read_image
from acrloss.reports.page import ReportContent, write_report
from acrloss.reports.tables import (
    comparison_table,
    normalizer_table,
    occlusion_table,
    official_note,
    region_table,
    score_table,
)
from acrloss.shapes.shape_model import ShapeModel

DRAWN_FACES = 12


def write_run_report(
    folder: Path,
    evaluation: Evaluation,
    *,
    command: str,
    comparison: Mapping[str, Evaluation] | None = None,
    title: str | None = None,
) -> Path:
    """Write evaluation.json, predictions.npz, figures/ and report.html into `folder`; returns the page's path.

    Args:
        folder: a run folder; what it holds of config.yaml, environment.json, metrics.csv and shape_model.safetensors
            goes into the page.
        evaluation: the run's network on its test faces.
        command: how to make the run again.
        comparison: other predictors on the same faces, by name, for a table and the CED.
        title: of the page; names the run folder if not given.
    """
    write_atomic(folder / "evaluation.json", json.dumps(evaluation.to_dict(), indent=2) + "\n")
    write_predictions(folder / "predictions.npz", evaluation)
    figures = _figures(folder, evaluation, comparison or {})
    for name, (_, picture) in figures.items():
        write_atomic(folder / "figures" / name, picture)
    score, faces = evaluation.score, evaluation.annotations
    name = NORMALIZER_NAMES[evaluation.normalizer]
    details = [
        ("How to make this again", command),
        *((title, text) for title, file in (("Configuration", "config.yaml"), ("Environment", "environment.json"))
          if (text := _text(folder / file))),
    ]  # fmt: skip
    left_out = dict.fromkeys([*faces.skipped, *_text(folder / "left_out.txt").splitlines(), *evaluation.unscored])
    if left_out:
        details.append((f"{len(left_out)} faces left out, with reasons", "\n".join(left_out)))
    tables = [score_table(evaluation, intervals=True), normalizer_table(evaluation), region_table(evaluation)]
    if comparison:
        tables.insert(0, comparison_table({"this run": evaluation, **comparison}, intervals=True))
    if evaluation.occlusion is not None:
        tables.insert(-1, occlusion_table(evaluation))
    content = ReportContent(
        title=title or f"acrloss run {folder.resolve().name}",
        headline=f"NME {score.nme:.2f} % of the {name} on {official_note(score) or score.faces} faces",
        summary=faces.summary(),
        highlights=[
            (f"{score.nme:.2f} %", f"NME, {name}"),
            *((f"{value:.2f} %", f"FR@{t} %, {name}") for t, value in score.failure_rate.items()),
            *((f"{value:.1f} %", f"AUC@{t} %, {name}") for t, value in score.auc.items()),
        ],
        tables=tables,
        figures=list(figures.values()),
        details=details,
    )
    return write_report(folder, content)


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""


def _figures(
    folder: Path, evaluation: Evaluation, comparison: Mapping[str, Evaluation]
) -> dict[str, tuple[str, bytes]]:
    """File name -> (caption, PNG or JPEG bytes)."""
    scheme, usual = evaluation.annotations.scheme, evaluation.normalizer
    name = NORMALIZER_NAMES[usual]
    figures: dict[str, tuple[str, bytes]] = {}
    if (folder / "metrics.csv").is_file():
        with (folder / "metrics.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        figures["learning_curves.png"] = (
            "Learning curves",
            style.to_png(learning.learning_curves(rows, normalizer=name)),
        )
    curves = {"this run": evaluation.nme[usual], **{key: other.nme[usual] for key, other in comparison.items()}}
    if not comparison:
        tags = evaluation.annotations.subsets
        curves = {
            s.subset: evaluation.nme[usual][[s is evaluation.score or s.subset in t for t in tags]]
            for s in evaluation.scores
            if s.normalizer == usual and s.faces
        }
    if any(np.isfinite(values).any() for values in curves.values()):
        figures["cumulative_error.png"] = "Cumulative error", style.to_png(errors.ced_curves(curves, normalizer=name))
    if (folder / "shape_model.safetensors").is_file():
        mean_face = ShapeModel.load(folder / "shape_model.safetensors").mean.reshape(-1, 2).numpy()
        figure = errors.landmark_errors(
            mean_face, mean_known(evaluation.errors[usual], axis=0), scheme, normalizer=name
        )
        figures["landmark_errors.png"] = "Error of each landmark on the mean face", style.to_png(figure)
    if scheme.regions:
        regions = {s.subset: s.regions for s in evaluation.scores if s.normalizer == usual and s.faces}
        figures["regions.png"] = "Error by region", style.to_png(errors.region_bars(regions, normalizer=name))
    order = np.argsort(evaluation.nme[usual])
    order = order[np.isfinite(evaluation.nme[usual][order])]
    for title, stem, chosen in (
        ("Worst faces: prediction blue, annotation yellow", "worst_faces", order[::-1][:DRAWN_FACES]),
        ("Best faces: prediction blue, annotation yellow", "best_faces", order[:DRAWN_FACES]),
    ):
        pictures, captions = _face_pictures(evaluation, chosen.tolist())
        if pictures:
            figures[f"{stem}.jpg"] = title, encode.encode_jpeg(draw.contact_sheet(pictures, captions))
    return figures


def _face_pictures(evaluation: Evaluation, chosen: Sequence[int]) -> tuple[list[arrays.Image], list[str]]:
    """Faces with prediction and annotation, and their captions; faces whose image cannot be read are passed over."""
    pictures, captions = [], []
    for i in chosen:
        try:
            image = read_image(evaluation.annotations.images[i])
        except DataError:
            continue
        truth = evaluation.annotations.landmarks[i]
        tile, matrix = draw.face_tile(image, truth)
        pictures.append(
            draw.draw_landmarks(
                tile,
                apply_matrix(matrix, evaluation.predictions[i]),
                evaluation.annotations.scheme,
                reference=apply_matrix(matrix, truth),
            )
        )
        captions.append(
            f"{evaluation.nme[evaluation.normalizer][i]:.2f} %  {Path(evaluation.annotations.images[i]).name}"
        )
    return pictures, captions
