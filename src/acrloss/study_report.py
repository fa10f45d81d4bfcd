"""The findings of a study: means over seeds, paired differences, curves, and cost, as a page and as Markdown."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from acrloss import plots
from acrloss.bootstrap import RESAMPLES
from acrloss.evaluate import Evaluation, evaluate
from acrloss.files import write_atomic
from acrloss.metrics import NORMALIZER_NAMES, mean_known
from acrloss.predictions import read_predictions, read_scored_faces
from acrloss.report import ReportContent, Table, write_report
from acrloss.shape_model import ShapeModel
from acrloss.study import Run, Study

Float = NDArray[np.float64]

# Modes of the shape model whose residual tells a landmark's difficulty: those agree best with networks' errors.
_MODES = 4
_BINS = 5


@dataclass(frozen=True)
class Finished:
    """A run with its scores and learning curve."""

    run: Run
    evaluation: Evaluation
    history: list[dict[str, str]]

    @property
    def nme(self) -> Float:
        """(N,) NME of each face in % of the usual normaliser."""
        return self.evaluation.nme[self.evaluation.normalizer]


def read_finished(run: Run) -> Finished:
    """The results of a run that is done."""
    folder = run.folder / "train"
    faces = read_scored_faces(folder)
    evaluation = evaluate(faces, read_predictions(folder, faces).landmarks)
    with (folder / "metrics.csv").open(newline="") as file:
        return Finished(run, evaluation, list(csv.DictReader(file)))


def paired_difference(method: Sequence[Finished], reference: Sequence[Finished]) -> tuple[float, float, float]:
    """Mean NME of a method less that of the reference over the seeds that both have, and its 95 % interval.

    Percentile bootstrap over faces and seeds at once: each resample draws seeds, and faces, which are the same ones in
    every seed where seeds share them. NaN without a common seed; with one seed the interval is over faces alone.
    """
    by_seed = {finished.run.seed: finished for finished in reference}
    pairs = [(m, by_seed[m.run.seed]) for m in method if m.run.seed in by_seed]
    if not pairs:
        return float("nan"), float("nan"), float("nan")
    images = sorted({image for m, _ in pairs for image in m.evaluation.annotations.images})
    place = {image: i for i, image in enumerate(images)}
    # A row a seed: each face's difference, NaN where that seed does not have the face.
    table = np.full((len(pairs), len(images)), np.nan)
    for row, (m, r) in zip(table, pairs, strict=True):
        row[[place[image] for image in m.evaluation.annotations.images]] = m.nme - r.nme
    known = np.isfinite(table)
    values = np.where(known, table, 0)
    rng = np.random.default_rng(0)
    times = rng.multinomial(len(images), np.full(len(images), 1 / len(images)), RESAMPLES).astype(np.float64)
    by_seeds = (times @ values.T) / np.maximum(times @ known.T.astype(np.float64), 1)
    drawn = rng.integers(0, len(pairs), (RESAMPLES, len(pairs)))
    low, high = np.quantile(np.take_along_axis(by_seeds, drawn, axis=1).mean(axis=1), [0.025, 0.975])
    return float((values.sum(axis=1) / known.sum(axis=1)).mean()), float(low), float(high)


def write_study_report(
    study: Study, finished: Sequence[Finished], failed: Sequence[str], folder: Path, command: str
) -> Path:
    """Write report.html and report.md into `folder`; returns the page's path."""
    tables: list[Table] = []
    figures: list[tuple[str, bytes]] = []
    headlines = []
    for data in study.data:
        here = {m: [f for f in finished if f.run.data == data and f.run.method == m] for m in study.methods}
        here = {method: runs for method, runs in here.items() if runs}
        if not here:
            continue
        first = next(iter(here.values()))[0].evaluation
        name = NORMALIZER_NAMES[first.normalizer]
        best = min(here, key=lambda m: np.mean([f.evaluation.score.nme for f in here[m]]))
        mean = np.mean([f.evaluation.score.nme for f in here[best]])
        headlines.append(f"{data}: {best} has the lowest NME, {mean:.2f} % of the {name}")
        tables += [score_table(data, here), region_table(data, here), difficulty_table(data, here)]
        curves = {m: np.concatenate([f.nme for f in runs]) for m, runs in here.items()}
        figures.append(
            (f"{data}: cumulative error, all seeds", plots.to_png(plots.ced_curves(curves, normalizer=name)))
        )
        histories = {m: [f.history for f in runs] for m, runs in here.items()}
        figures.append((f"{data}: learning", plots.to_png(plots.compared_learning(histories, normalizer=name))))
    details = [("How to make this again", command), ("Study", study.text)]
    if failed:
        details.insert(0, (f"{len(failed)} runs failed", "\n".join(failed)))
    which = "validation" if study.score == "val" else "test"
    content = ReportContent(
        title=f"acrloss study {study.name}",
        headline="; ".join(headlines) or "no run is done",
        summary=f"{len(finished)} of {len(study.runs)} runs are done, scored on the {which} faces. Differences are to "
        "the first method, face by face and seed by seed, with 95 % bootstrap intervals over faces and seeds.",
        tables=[table for table in tables if table[2]],
        figures=figures,
        details=details,
    )
    write_atomic(folder / "report.md", _markdown(content))
    return write_report(folder, content)


def score_table(data: str, methods: dict[str, list[Finished]]) -> Table:
    """Caption, header and rows: the metrics of each method, mean ± standard deviation over seeds, and the cost."""
    reference = next(iter(methods.values()))
    first = reference[0].evaluation
    rows = []
    for method, runs in methods.items():
        scores = [f.evaluation.score for f in runs]
        difference, low, high = paired_difference(runs, reference)
        base = float(np.mean([f.evaluation.score.nme for f in reference]))
        shown = "–" if runs is reference else f"{difference:+.2f} [{low:+.2f}, {high:+.2f}]"
        relative = "–" if runs is reference else f"{100 * difference / base:+.1f}"
        metrics = [_over_seeds([s.nme for s in scores])]
        metrics += [_over_seeds([s.failure_rate[t] for s in scores]) for t in first.score.failure_rate]
        metrics += [_over_seeds([s.auc[t] for s in scores]) for t in first.score.auc]
        minutes = np.mean([f.run.seconds for f in runs]) / 60
        rows.append([method, str(len(runs)), metrics[0], shown, relative, *metrics[1:], f"{minutes:.1f}"])
    header = ["method", "seeds", "NME %", "difference", "in %"]
    header += [f"FR@{t} %" for t in first.score.failure_rate] + [f"AUC@{t} %" for t in first.score.auc]
    faces = sorted({len(f.nme) for runs in methods.values() for f in runs})
    count = f"{faces[0]}" if len(faces) == 1 else f"{faces[0]} to {faces[-1]}"
    caption = f"{data}: {count} faces, % of the {NORMALIZER_NAMES[first.normalizer]}, mean ± sd over seeds"
    return caption, [*header, "minutes a run"], rows


def region_table(data: str, methods: dict[str, list[Finished]]) -> Table:
    """Caption, header and rows: the mean error of each method in each region, over seeds."""
    regions = list(next(iter(methods.values()))[0].evaluation.annotations.scheme.regions)
    rows = [
        [method, *(_over_seeds([f.evaluation.score.regions[region] for f in runs]) for region in regions)]
        for method, runs in methods.items()
    ]
    return f"{data}: error by region", ["method", *regions], rows if regions else []


def difficulty_table(data: str, methods: dict[str, list[Finished]]) -> Table:
    """Caption, header and rows: the mean error of each method on easy to hard landmarks, over seeds.

    Landmarks are ranked by how far they are from what the first modes of the run's shape model explain, in units of
    the normaliser, and divided into fifths.
    """
    rows = []
    for method, runs in methods.items():
        by_bin = np.array([_errors_by_difficulty(finished) for finished in runs])
        rows.append([method, *(_over_seeds(column) for column in by_bin.T)])
    header = ["method", *(f"fifth {i + 1}" for i in range(_BINS))]
    return f"{data}: error by difficulty, from the easiest fifth of the landmarks to the hardest", header, rows


def _errors_by_difficulty(finished: Finished) -> Float:
    faces = finished.evaluation.annotations
    # The shape model is of crops; faces are laid into its frame by their tight box.
    model = ShapeModel.load(finished.run.folder / "train" / "shape_model.safetensors")
    boxes = faces.landmark_boxes()
    sides = (boxes[:, 2:] - boxes[:, :2]).max(axis=1)
    mean = model.mean.reshape(-1, 2).numpy()
    scale = (mean.max(axis=0) - mean.min(axis=0)).max()
    middle = (mean.max(axis=0) + mean.min(axis=0)) / 2
    centres = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2
    framed = (faces.landmarks - centres) / sides[:, None, None] * scale + middle
    smooth = model.smooth(framed, min(_MODES, len(model.eigenvalues)))
    residual = np.linalg.norm(np.asarray(smooth) - framed, axis=-1)
    errors = finished.evaluation.errors[finished.evaluation.normalizer]
    known = np.isfinite(residual) & np.isfinite(errors)
    order = np.argsort(residual[known], kind="stable")
    return np.array([mean_known(part, axis=0) for part in np.array_split(errors[known][order], _BINS)])


def _over_seeds(values: Sequence[float] | Float) -> str:
    numbers = np.asarray(values, dtype=np.float64)
    return f"{numbers.mean():.2f}" + (f" ± {numbers.std(ddof=1):.2f}" if len(numbers) > 1 else "")


def _markdown(content: ReportContent) -> str:
    parts = [f"# {content.title}", content.headline + ".", content.summary]
    for caption, header, rows in content.tables:
        lines = [header, [":--", *["--:"] * (len(header) - 1)], *rows]
        parts.append(caption + "\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines))
    parts += [f"{summary}:\n\n```text\n{text.rstrip()}\n```" for summary, text in content.details]
    return "\n\n".join(parts) + "\n"
