"""Scores as tables of text, for pages and terminals."""

from collections.abc import Mapping

import numpy as np

from acrloss.evaluation.comparison import nme_difference
from acrloss.evaluation.metrics import NORMALIZER_NAMES
from acrloss.evaluation.scores import Evaluation, Interval, Scores
from acrloss.reports.page import Table


def score_table(evaluation: Evaluation, intervals: bool = False) -> Table:
    """Caption, header and rows of the metrics of each subset under the usual normaliser, one row for each.

    Args:
        evaluation: what is scored.
        intervals: give the 95 % interval of every figure, not of the NME alone.
    """
    caption = f"Metrics, {_normalizer(evaluation)} [95 % interval over faces]"
    rows = []
    for scores, visible in ((evaluation.scores, ""), (evaluation.visible_scores, ", visible landmarks")):
        for score in scores:
            if score.normalizer == evaluation.normalizer:
                official = f" ({official_note(score)})" if official_note(score) else ""
                rows.append([f"{score.subset}{official}{visible}", str(score.faces), *_metrics(score, intervals)])
    return caption, ["faces", "number", *_metric_names(evaluation.score)], rows


def normalizer_table(evaluation: Evaluation) -> Table:
    """Caption, header and rows of all metrics under every normaliser, without intervals."""
    header = ["faces", "normaliser", *_metric_names(evaluation.score)]
    rows = [
        [score.subset, NORMALIZER_NAMES[score.normalizer], *map(_number, _values(score))] for score in evaluation.scores
    ]
    return "The same faces under every normaliser", header, rows


def comparison_table(evaluations: Mapping[str, Evaluation], intervals: bool = False) -> Table:
    """Caption, header and rows that set predictors side by side on the same faces.

    The difference to the first predictor is taken face by face, so that what is hard for both cancels out; where its
    interval leaves out 0, the two differ by more than the choice of faces explains.
    """
    first = next(iter(evaluations.values()))
    caption = (
        f"Comparison on the same {first.score.faces} faces, {_normalizer(first)} [95 % interval over faces]; "
        "difference: NME less that of the first, face by face"
    )
    rows = []
    for name, evaluation in evaluations.items():
        difference, ends = nme_difference(evaluation, first)
        shown = _with_interval(difference, ends, "+.2f") if evaluation is not first else "–"
        nme, *others = _metrics(evaluation.score, intervals)
        rows.append([name, nme, shown, *others])
    nme, *others = _metric_names(first.score)
    return caption, ["", nme, "difference", *others], rows


def occlusion_table(evaluation: Evaluation) -> Table:
    """Caption, header and row of how well hidden landmarks were told; only where occlusion was predicted."""
    scores = evaluation.occlusion
    assert scores is not None
    row = [evaluation.score.subset, f"{scores.occluded}", f"{scores.predicted}"]
    row += [_number(scores.precision), _number(scores.recall)]
    return "Hidden landmarks", ["faces", "hidden", "predicted hidden", "precision %", "recall %"], [row]


def region_table(evaluation: Evaluation) -> Table:
    """Caption, header and rows of the mean error in each region, a column for each subset."""
    scores = [s for s in evaluation.scores if s.normalizer == evaluation.normalizer]
    rows = [
        [region, *(_number(score.regions[region]) for score in scores)]
        for region in evaluation.annotations.scheme.regions
    ]
    caption = f"Mean error by region, {_normalizer(evaluation)}"
    return caption, ["region", *(f"{s.subset} ({s.faces})" for s in scores)], rows


def _normalizer(evaluation: Evaluation) -> str:
    return f"% of the {NORMALIZER_NAMES[evaluation.normalizer]}"


def official_note(score: Scores) -> str:
    """Says so where faces of the protocol are missing, so that nobody compares with published figures unawares."""
    official = score.official_faces
    return f"{score.faces} of the official {official}" if official and score.faces < official else ""


def _metric_names(score: Scores) -> list[str]:
    return ["NME %", *(f"FR@{t} %" for t in score.failure_rate), *(f"AUC@{t} %" for t in score.auc)]


def _values(score: Scores) -> list[float]:
    return [score.nme, *score.failure_rate.values(), *score.auc.values()]


def _metrics(score: Scores, intervals: bool) -> list[str]:
    ends = [score.nme_interval, *score.failure_rate_interval.values(), *score.auc_interval.values()]
    # The ends of a failure rate or AUC are some percent apart: one decimal of them is enough, and the table fits.
    return [
        _with_interval(value, interval, ".2f" if i == 0 else ".1f") if intervals or i == 0 else _number(value)
        for i, (value, interval) in enumerate(zip(_values(score), ends, strict=True))
    ]


def _with_interval(value: float, ends: Interval, style: str) -> str:
    shown = f"{value:+.2f}" if style.startswith("+") and np.isfinite(value) else _number(value)
    return shown if np.isnan(ends).any() else f"{shown} [{ends[0]:{style}}, {ends[1]:{style}}]"


def _number(value: float) -> str:
    return "–" if np.isnan(value) else f"{value:.2f}"
