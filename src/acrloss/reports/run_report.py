"""The report of a training run: its figures as files, and one page that shows them all."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from acrloss import arrays
from acrloss.crops.crop import apply_matrix
from acrloss.errors import DataError
from acrloss.evaluation.metrics import METRICS, mean_known
from acrloss.evaluation.normalizers import normalizer_title
from acrloss.evaluation.predictions_file import write_predictions
from acrloss.evaluation.scores import Evaluation
from acrloss.figures import draw, errors, learning, style
from acrloss.files import write_atomic
from acrloss.images import encode, read_image
from acrloss.reports.data_facts import data_table, link_to_check, read_training_facts, training_normalizer
from acrloss.reports.face_list import face_list, write_face_list
from acrloss.reports.page import Gallery, ReportContent, write_report
from acrloss.reports.tables import (
    comparison_table,
    normalizer_table,
    occlusion_table,
    official_note,
    region_table,
    score_table,
    warning,
)
from acrloss.shapes.shape_model import ShapeModel

DRAWN_FACES = 12
_FILES = (("Configuration", "config.yaml"), ("Environment", "environment.json"), ("Notes on the training", "notes.txt"))
_TILE = 640


def write_run_report(
    folder: Path,
    evaluation: Evaluation,
    *,
    command: str,
    comparison: Mapping[str, Evaluation] | None = None,
    title: str | None = None,
    baseline: Evaluation | None = None,
    run: Path | None = None,
) -> Path:
    """Write evaluation.json, predictions.npz, faces.csv, figures/ and report.html into `folder`; returns its path.

    Args:
        folder: made if it is not there.
        evaluation: the run's network on its test faces.
        command: how to make the run again.
        comparison: other predictors on the same faces, by name, for a table and the CED.
        title: of the page; names the run folder if not given.
        baseline: the mean shape of the training on the same faces: what any network must beat.
        run: the run folder, if it is another; what it holds of config.yaml, environment.json, training.json,
            metrics.csv and shape_model.safetensors goes into the page.
    """
    run = run or folder
    write_atomic(folder / "evaluation.json", json.dumps(evaluation.to_dict(), indent=2) + "\n")
    write_predictions(folder / "predictions.npz", evaluation)
    write_face_list(folder / "faces.csv", evaluation)
    rows = _metrics(run / "metrics.csv")
    shape_model = run / "shape_model.safetensors"
    model = ShapeModel.load(shape_model) if shape_model.is_file() else None
    figures = _figures(evaluation, comparison or {}, rows, model)
    for name, (_, picture) in figures.items():
        write_atomic(folder / "figures" / name, picture)
    galleries = _galleries(folder, evaluation)
    score, faces = evaluation.score, evaluation.annotations
    name = normalizer_title(evaluation.normalizer, faces.scheme)
    details = [
        ("How to make this again", command),
        *((title, text) for title, file in _FILES
          if (text := _text(run / file))),
    ]  # fmt: skip
    left_out = dict.fromkeys([*faces.skipped, *_text(run / "left_out.txt").splitlines(), *evaluation.unscored])
    if left_out:
        details.append((f"{faces.scheme.count(len(left_out))} left out, with reasons", "\n".join(left_out)))
    tables = [score_table(evaluation, intervals=True, baseline=baseline), normalizer_table(evaluation)]
    if faces.scheme.regions:
        tables.append(region_table(evaluation))
    if comparison:
        tables.insert(0, comparison_table({"this run": evaluation, **comparison}, intervals=True))
    if evaluation.occlusion is not None:
        tables.append(occlusion_table(evaluation))
    number = (
        f"{official_note(score)} {faces.scheme.called}s" if official_note(score) else faces.scheme.count(score.faces)
    )
    links = [(f"All {faces.scheme.called}s with their errors (faces.csv)", "faces.csv")]
    content = ReportContent(
        title=title or f"acrloss run {folder.resolve().name}",
        headline=f"NME {score.nme:.2f} % of the {name} on {number}" if score.faces else "nothing could be scored",
        warnings=warning(evaluation, baseline=baseline),
        summary="; ".join([faces.summary(), *evaluation.remarks]),
        highlights=[
            (f"{score.nme:.2f} %", f"NME, {name}"),
            *(
                (f"{value:.2f} %", f"{METRICS[metric].short}@{threshold} %, {name}")
                for metric, values in score.metrics.items()
                for threshold, value in values.items()
            ),
        ],
        tables=tables,
        facts=[data_table(evaluation, baseline, read_training_facts(run), rows, model)],
        links=[*links, *link_to_check(folder, faces)],
        figures=list(figures.values()),
        galleries=galleries,
        lists=[face_list(evaluation)],
        details=details,
    )
    return write_report(folder, content)


def _metrics(path: Path) -> list[dict[str, str]]:
    """The rows of metrics.csv; none where there is no such file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _text(path: Path) -> str:
    return path.read_text(errors="replace") if path.is_file() else ""


def _figures(
    evaluation: Evaluation,
    comparison: Mapping[str, Evaluation],
    rows: Sequence[Mapping[str, str]],
    model: ShapeModel | None,
) -> dict[str, tuple[str, bytes]]:
    """File name -> (caption, PNG bytes)."""
    scheme, usual = evaluation.annotations.scheme, evaluation.normalizer
    name, noun = normalizer_title(usual, scheme), scheme.called
    figures: dict[str, tuple[str, bytes]] = {}
    if rows:
        figures["learning_curves.png"] = (
            "Learning curves",
            style.to_png(learning.learning_curves(rows, normalizer=training_normalizer(scheme))),
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
        figure = errors.ced_curves(curves, normalizer=name, threshold=evaluation.thresholds[-1], noun=noun)
        figures["cumulative_error.png"] = "Cumulative error", style.to_png(figure)
    if model is not None:
        mean_shape = model.mean.reshape(-1, 2).numpy()
        figure = errors.landmark_errors(
            mean_shape, mean_known(evaluation.errors[usual], axis=0), scheme, normalizer=name
        )
        figures["landmark_errors.png"] = f"Error of each landmark on the mean {noun}", style.to_png(figure)
    regions = {s.subset: s.regions for s in evaluation.scores if s.normalizer == usual and s.faces}
    if scheme.regions and regions:
        figures["regions.png"] = (
            "Error by region",
            style.to_png(errors.region_bars(regions, normalizer=name, noun=noun)),
        )
    return figures


def _galleries(folder: Path, evaluation: Evaluation) -> list[Gallery]:
    """The worst and the best faces, also as sheets in figures/; faces whose image cannot be read are passed over."""
    nme, faces = evaluation.nme[evaluation.normalizer], evaluation.annotations
    order = np.argsort(nme)
    order = order[np.isfinite(nme[order])]
    worst, best = order[::-1][:DRAWN_FACES].tolist(), order[:DRAWN_FACES].tolist()
    # Of few faces, the best are among the worst.
    drawn = {i: picture for i in {*worst, *best} if (picture := _face_picture(evaluation, i)) is not None}
    encoded = {i: encode.encode_jpeg(picture, 82) for i, picture in drawn.items()}
    galleries = []
    for title, stem, chosen in (("Worst", "worst_faces", worst), ("Best", "best_faces", best)):
        shown = [i for i in chosen if i in drawn]
        if shown:
            captions = [f"{nme[i]:.2f} %  {Path(faces.images[i]).name}" for i in shown]
            sheet = draw.contact_sheet([drawn[i] for i in shown], captions)
            write_atomic(folder / "figures" / f"{stem}.jpg", encode.encode_jpeg(sheet))
            pictures = [(caption, encoded[i]) for caption, i in zip(captions, shown, strict=True)]
            galleries.append(Gallery(f"{title} {faces.scheme.called}s: prediction blue, annotation yellow", pictures))
    return galleries


def _face_picture(evaluation: Evaluation, face: int) -> arrays.Image | None:
    """A face with prediction and annotation; None where its image cannot be read."""
    try:
        image = read_image(evaluation.annotations.images[face])
    except DataError:
        return None
    truth = evaluation.annotations.landmarks[face]
    tile, matrix = draw.face_tile(image, truth, _TILE)
    return draw.draw_landmarks(
        tile,
        apply_matrix(matrix, evaluation.predictions[face]),
        evaluation.annotations.scheme,
        reference=apply_matrix(matrix, truth),
    )
