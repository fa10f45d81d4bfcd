"""The report of a training run: its figures as files, and one page that shows them all."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from acrloss import draw, plots
from acrloss.crop import apply_matrix
from acrloss.errors import DataError
from acrloss.evaluate import Evaluation, Scores
from acrloss.files import write_atomic
from acrloss.images import read_image
from acrloss.metrics import NORMALIZER_NAMES, mean_known
from acrloss.report import ReportContent, write_report
from acrloss.shape_model import ShapeModel

DRAWN_FACES = 12


def write_run_report(
    folder: Path, evaluation: Evaluation, *, command: str, comparison: Mapping[str, Evaluation] | None = None
) -> Path:
    """Write evaluation.json, predictions.npz, figures/ and report.html into `folder`; returns the page's path.

    Args:
        folder: a run folder; what it holds of config.yaml, environment.json, metrics.csv and shape_model.safetensors
            goes into the page.
        evaluation: the run's network on its test faces.
        command: how to make the run again.
        comparison: other predictors on the same faces, by name, for a table and the CED.
    """
    write_atomic(folder / "evaluation.json", json.dumps(evaluation.to_dict(), indent=2) + "\n")
    write_predictions(folder / "predictions.npz", evaluation)
    figures = _figures(folder, evaluation, comparison or {})
    for name, (_, png) in figures.items():
        write_atomic(folder / "figures" / f"{name}.png", png)
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
    tables = [score_table(evaluation)]
    if comparison:
        tables.insert(0, comparison_table({"this run": evaluation, **comparison}))
    content = ReportContent(
        title=f"acrloss run {folder.resolve().name}",
        headline=f"NME {score.nme:.2f} % of the {name} on {score.faces} faces",
        summary=faces.summary(),
        highlights=[
            (f"{score.nme:.2f} %", f"NME, {name}"),
            *((f"{value:.2f} %", f"FR@{t} %, {name}") for t, value in score.failure_rate.items()),
            *((f"{value:.1f} %", f"AUC@{t} %, {name}") for t, value in score.auc.items()),
        ],
        tables=[*tables, region_table(evaluation)],
        figures=list(figures.values()),
        details=details,
    )
    return write_report(folder, content)


def write_predictions(path: Path, evaluation: Evaluation) -> Path:
    """Predictions and truth of every face, in pixels, as a NumPy archive without pickled objects."""
    buffer = io.BytesIO()
    faces = evaluation.annotations
    np.savez_compressed(
        buffer,
        images=np.array(faces.images),
        predictions=evaluation.predictions.astype(np.float32),
        landmarks=faces.landmarks.astype(np.float32),
        nme=evaluation.nme[evaluation.normalizer],
    )
    return write_atomic(path, buffer.getvalue())


def score_table(evaluation: Evaluation) -> tuple[str, list[str], list[list[str]]]:
    """Caption, header and rows of all metrics, a row for each subset and normaliser."""
    header, rows = ["faces", "normaliser", "number", "NME %"], []
    header += [f"FR@{t} %" for t in evaluation.scores[0].failure_rate] + [
        f"AUC@{t} %" for t in evaluation.scores[0].auc
    ]
    for score in evaluation.scores:
        rows.append([score.subset, NORMALIZER_NAMES[score.normalizer], str(score.faces), *_metrics(score)])
    return "Metrics by subset and normaliser", header, rows


def comparison_table(evaluations: Mapping[str, Evaluation]) -> tuple[str, list[str], list[list[str]]]:
    """Caption, header and rows that set predictors side by side on the same faces."""
    first = next(iter(evaluations.values()))
    score = first.score
    caption = f"Comparison on the same {score.faces} faces; normaliser: {NORMALIZER_NAMES[first.normalizer]}"
    header = ["", "NME %", *(f"FR@{t} %" for t in score.failure_rate), *(f"AUC@{t} %" for t in score.auc)]
    return caption, header, [[name, *_metrics(evaluation.score)] for name, evaluation in evaluations.items()]


def region_table(evaluation: Evaluation) -> tuple[str, list[str], list[list[str]]]:
    """Caption, header and rows of the mean error in each region, a column for each subset."""
    scores = [s for s in evaluation.scores if s.normalizer == evaluation.normalizer]
    rows = [
        [region, *(_number(score.regions[region]) for score in scores)]
        for region in evaluation.annotations.scheme.regions
    ]
    caption = f"Mean error by region, % of the {NORMALIZER_NAMES[evaluation.normalizer]}"
    return caption, ["region", *(f"{s.subset} ({s.faces})" for s in scores)], rows


def _metrics(score: Scores) -> list[str]:
    return [_number(v) for v in (score.nme, *score.failure_rate.values(), *score.auc.values())]


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.2f}"


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""


def _figures(
    folder: Path, evaluation: Evaluation, comparison: Mapping[str, Evaluation]
) -> dict[str, tuple[str, bytes]]:
    """File stem -> (caption, PNG)."""
    scheme, usual = evaluation.annotations.scheme, evaluation.normalizer
    name = NORMALIZER_NAMES[usual]
    figures: dict[str, tuple[str, bytes]] = {}
    if (folder / "metrics.csv").is_file():
        with (folder / "metrics.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        figures["learning_curves"] = "Learning curves", plots.to_png(plots.learning_curves(rows, normalizer=name))
    curves = {"this run": evaluation.nme[usual], **{key: other.nme[usual] for key, other in comparison.items()}}
    if not comparison:
        tags = evaluation.annotations.subsets
        curves = {
            s.subset: evaluation.nme[usual][[s is evaluation.score or s.subset in t for t in tags]]
            for s in evaluation.scores
            if s.normalizer == usual and s.faces
        }
    if any(np.isfinite(values).any() for values in curves.values()):
        figures["cumulative_error"] = "Cumulative error", plots.to_png(plots.ced_curves(curves, normalizer=name))
    if (folder / "shape_model.safetensors").is_file():
        mean_face = ShapeModel.load(folder / "shape_model.safetensors").mean.reshape(-1, 2).numpy()
        figure = plots.landmark_errors(mean_face, mean_known(evaluation.errors[usual], axis=0), scheme, normalizer=name)
        figures["landmark_errors"] = "Error of each landmark on the mean face", plots.to_png(figure)
    if scheme.regions:
        regions = {s.subset: s.regions for s in evaluation.scores if s.normalizer == usual and s.faces}
        figures["regions"] = "Error by region", plots.to_png(plots.region_bars(regions, normalizer=name))
    order = np.argsort(evaluation.nme[usual])
    order = order[np.isfinite(evaluation.nme[usual][order])]
    for title, stem, chosen in (
        ("Worst faces: prediction blue, annotation yellow", "worst_faces", order[::-1][:DRAWN_FACES]),
        ("Best faces: prediction blue, annotation yellow", "best_faces", order[:DRAWN_FACES]),
    ):
        pictures, captions = _face_pictures(evaluation, chosen.tolist())
        if pictures:
            figures[stem] = title, draw.encode_png(draw.contact_sheet(pictures, captions))
    return figures


def _face_pictures(evaluation: Evaluation, chosen: Sequence[int]) -> tuple[list[draw.Image], list[str]]:
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
