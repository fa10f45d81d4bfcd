"""Scores as tables of text, for pages and terminals."""

from collections import Counter
from collections.abc import Mapping

import numpy as np

from acrloss.evaluation.comparison import Ranking, nme_difference
from acrloss.evaluation.metrics import METRICS
from acrloss.evaluation.normalizers import normalizer_title
from acrloss.evaluation.scores import Evaluation, Interval, Role, Scores
from acrloss.reports.page import Table

_ROLES: dict[Role, str] = {
    "test": "",
    "validation": "validation {0}s: they chose the epoch",
    "training": "training {0}s among them",
}


def score_table(evaluation: Evaluation, intervals: bool = False, baseline: Evaluation | None = None) -> Table:
    """Caption, header and rows of the metrics of each subset under the evaluation's normaliser, one row for each.

    Args:
        evaluation: what is scored.
        intervals: give the 95 % interval of every figure, not of the NME alone.
        baseline: the mean shape on the same faces, for a last row.
    """
    called = evaluation.annotations.scheme.called
    mark = _ROLES[evaluation.role].format(called)
    caption = f"Metrics, {_normalizer(evaluation)} [95 % interval over {called}s]" + (f"; {mark}" if mark else "")
    rows = []
    for scores, visible in ((evaluation.scores, ""), (evaluation.visible_scores, ", visible landmarks")):
        for score in scores:
            if score.normalizer == evaluation.normalizer:
                official = f" ({official_note(score)})" if official_note(score) else ""
                rows.append([f"{score.subset}{official}{visible}", f"{score.faces:,}", *_metrics(score, intervals)])
    if baseline is not None:
        metrics = _metrics(_same(baseline, evaluation.normalizer), intervals)
        rows.append([f"the mean {called} everywhere", f"{baseline.score.faces:,}", *metrics])
    return caption, [f"{called}s", "number", *_metric_names(evaluation.score)], rows


def normalizer_table(evaluation: Evaluation) -> Table:
    """Caption, header and rows of all metrics under every normaliser, without intervals."""
    scheme = evaluation.annotations.scheme
    header = [f"{scheme.called}s", "normaliser", "number", *_metric_names(evaluation.score)]
    rows = [
        [score.subset, normalizer_title(score.normalizer, scheme), f"{score.faces:,}", *map(_number, _values(score))]
        for score in evaluation.scores
    ]
    return f"The same {scheme.called}s under every normaliser", header, rows


def comparison_table(evaluations: Mapping[str, Evaluation], intervals: bool = False) -> Table:
    """Caption, header and rows that set predictors side by side on the same faces.

    The difference to the first predictor is taken face by face, so that what is hard for both cancels out; where its
    interval leaves out 0, the two differ by more than the choice of faces explains.
    """
    first = next(iter(evaluations.values()))
    scheme = first.annotations.scheme
    caption = (
        f"Comparison on the same {scheme.count(first.score.faces)}, {_normalizer(first)} [95 % interval over "
        f"{scheme.called}s]; difference: NME less that of the first, {scheme.called} by {scheme.called}"
    )
    rows = []
    for name, evaluation in evaluations.items():
        difference, ends = nme_difference(evaluation, first)
        shown = _with_interval(difference, ends, "+.2f") if evaluation is not first else "–"
        nme, *others = _metrics(evaluation.score, intervals)
        mark = _ROLES[evaluation.role].format(scheme.called)
        rows.append([f"{name} ({mark})" if mark else name, nme, shown, *others])
    nme, *others = _metric_names(first.score)
    return caption, ["", nme, "difference", *others], rows


def occlusion_table(evaluation: Evaluation) -> Table:
    """Caption, header and row of how well hidden landmarks were told; only where occlusion was predicted."""
    scores = evaluation.occlusion
    assert scores is not None
    row = [evaluation.score.subset, f"{scores.occluded}", f"{scores.predicted}"]
    row += [_number(scores.precision), _number(scores.recall)]
    called = evaluation.annotations.scheme.called
    return "Hidden landmarks", [f"{called}s", "hidden", "predicted hidden", "precision %", "recall %"], [row]


def region_table(evaluation: Evaluation) -> Table:
    """Caption, header and rows of the mean error in each region, a column for each subset."""
    scores = [s for s in evaluation.scores if s.normalizer == evaluation.normalizer]
    rows = [
        [region, *(_number(score.regions[region]) for score in scores)]
        for region in evaluation.annotations.scheme.regions
    ]
    caption = f"Mean error by region, {_normalizer(evaluation)}"
    return caption, ["region", *(f"{s.subset} ({s.faces:,})" for s in scores)], rows


def _normalizer(evaluation: Evaluation) -> str:
    return f"% of the {normalizer_title(evaluation.normalizer, evaluation.annotations.scheme)}"


def _same(evaluation: Evaluation, normalizer: str) -> Scores:
    """The scores of all faces under a normaliser."""
    return next(score for score in evaluation.scores if score.normalizer == normalizer)


def headline(ranking: Ranking, nme: Mapping[str, float], normalizer: str, faces: str) -> str:
    """Which predictor is best, in one sentence that says no more than the intervals do.

    Args:
        ranking: of the predictors.
        nme: in %, by name.
        normalizer: what it is divided by, e.g. "inter-ocular distance".
        faces: on how many faces, e.g. "125 faces".
    """
    best, where = ranking.best, f"% of the {normalizer}, on {faces}"
    if not ranking.level and not ranking.worse:
        return f"{best}: NME {nme[best]:.2f} {where}"
    if not ranking.level:
        return f"{best} has the lowest NME, {nme[best]:.2f} {where}"
    named = [f"{name} ({nme[name]:.2f} %)" for name in (best, *ranking.level)]
    if len(named) > 4:
        named = [*named[:3], f"{len(named) - 3} others"]
    text = f"{', '.join(named[:-1])} and {named[-1]} are not told apart: NME in {where}"
    if ranking.worse:
        text += f"; {_listed(ranking.worse)} {'is' if len(ranking.worse) == 1 else 'are'} worse"
    return text


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) if len(names) < 4 else f"{len(names)} others"


def warning(*evaluations: Evaluation, baseline: Evaluation | None = None) -> list[str]:
    """What must be known before a figure is quoted: a network that is no better than the mean shape, faces that
    training has seen, and faces that are not scored.

    Args:
        evaluations: of predictors on the same faces.
        baseline: the mean shape on these faces; the first predictor is compared with it.
    """
    first = evaluations[0]
    scheme = first.annotations.scheme
    lines = [] if baseline is None else _against_the_mean(first, baseline)
    roles = {evaluation.role for evaluation in evaluations}
    if "training" in roles:
        lines.append(
            f"THE NETWORK WAS TRAINED ON SOME OF THESE {scheme.called.upper()}S: its error on new ones is larger; give "
            "data of a split 'test'"
        )
    if "validation" in roles:
        lines.append(
            f"VALIDATION, NOT TEST: these {scheme.called}s chose the epoch, so the error on new ones is larger; give "
            "data of a split 'test' for a figure to quote"
        )
    for reason, count in Counter(first.reasons.values()).items():
        lines.append(f"{scheme.count(count)} of {len(first.annotations):,} not scored: {reason}")
    others = [s for s in first.scores if s.subset == first.score.subset and s.faces > first.score.faces]
    if others:
        title = normalizer_title(others[0].normalizer, scheme)
        lines[-1] += f"; the {title} scores {others[0].faces:,} (--normalizer {others[0].normalizer})"
    return lines


def _against_the_mean(evaluation: Evaluation, baseline: Evaluation) -> list[str]:
    """Says so where a network is worse than the mean shape, or not told apart from it."""
    difference, ends = nme_difference(evaluation, baseline)
    called = evaluation.annotations.scheme.called
    if ends[1] < 0:
        return []
    shown = f"NME {_number(evaluation.score.nme)} %, that of the mean {called} {_number(baseline.score.nme)} %"
    if not np.isnan(difference):
        shown += f", difference {_with_interval(difference, ends, '+.2f')}"
    if ends[0] > 0 or (np.isinf(evaluation.score.nme) and np.isfinite(baseline.score.nme)):
        return [
            f"WORSE THAN THE MEAN {called.upper()}, which looks at no picture: {shown}; look at the learning curves "
            "and the pictures, lower --optim.learning_rate, or train longer"
        ]
    return [
        f"NOT TOLD APART FROM THE MEAN {called.upper()}, which looks at no picture: {shown}; train longer, or on more "
        f"{called}s"
    ]


def official_note(score: Scores) -> str:
    """Says so where faces of the protocol are missing, so that nobody compares with published figures unawares."""
    official = score.official_faces
    return f"{score.faces} of the official {official}" if official and score.faces < official else ""


def _metric_names(score: Scores) -> list[str]:
    return ["NME %", *(f"{METRICS[name].short}@{t} %" for name, values in score.metrics.items() for t in values)]


def _values(score: Scores) -> list[float]:
    return [score.nme, *(value for values in score.metrics.values() for value in values.values())]


def _metrics(score: Scores, intervals: bool) -> list[str]:
    ends = [score.nme_interval, *(pair for pairs in score.intervals.values() for pair in pairs.values())]
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
