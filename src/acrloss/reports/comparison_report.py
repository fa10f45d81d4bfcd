"""Several predictors side by side: one CED plot and one table, over the faces that all of them have."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acrloss.annotations import Annotations
from acrloss.evaluation.comparison import nme_difference, rank_evaluations
from acrloss.evaluation.normalizers import normalizer_title
from acrloss.evaluation.scores import Evaluation, plain
from acrloss.figures import errors, style
from acrloss.files import write_atomic
from acrloss.reports.page import ReportContent, Table, write_report
from acrloss.reports.tables import comparison_table, headline, warning


def subset_table(evaluations: Mapping[str, Evaluation]) -> Table:
    """Caption, header and rows of the NME of each predictor on each subset, visible landmarks apart."""
    first = next(iter(evaluations.values()))
    columns = [
        (f"{score.subset}{visible} ({score.faces:,})", kind, i)
        for kind, visible in (("scores", ""), ("visible_scores", ", visible landmarks"))
        for i, score in enumerate(getattr(first, kind))
        if score.normalizer == first.normalizer
    ]
    rows = [
        [name, *(f"{getattr(evaluation, kind)[i].nme:.2f}" for _, kind, i in columns)]
        for name, evaluation in evaluations.items()
    ]
    scheme = first.annotations.scheme
    caption = f"NME by subset, % of the {normalizer_title(first.normalizer, scheme)} ({scheme.called}s)"
    return caption, ["", *(title for title, _, _ in columns)], rows


def write_comparison(
    folder: Path, evaluations: Mapping[str, Evaluation], annotations: Annotations, *, command: str
) -> Path:
    """Write comparison.json, figures/cumulative_error.png and report.html into `folder`; returns the page's path.

    Args:
        folder: made if it is not there.
        evaluations: of the same faces, by name, the one to compare with first.
        annotations: all faces, of which those that a predictor lacks were left out.
        command: how to make this again.
    """
    first = next(iter(evaluations.values()))
    scheme = first.annotations.scheme
    normalizer = normalizer_title(first.normalizer, scheme)
    left_out = sorted(set(annotations.images) - set(first.annotations.images))
    figure = errors.ced_curves(
        {name: e.nme[first.normalizer] for name, e in evaluations.items()},
        normalizer=normalizer,
        threshold=first.thresholds[-1],
        noun=scheme.called,
    )
    png = style.to_png(figure)
    write_atomic(folder / "figures" / "cumulative_error.png", png)
    write_atomic(
        folder / "comparison.json", json.dumps(_to_dict(evaluations, left_out, len(annotations)), indent=2) + "\n"
    )
    nme = {name: evaluation.score.nme for name, evaluation in evaluations.items()}
    details = [("How to make this again", command)]
    if left_out:
        images = f"{len(left_out):,} image{'' if len(left_out) == 1 else 's'}"
        details.append((f"{images} left out: a predictor has no landmarks for what is in them", "\n".join(left_out)))
    faces = scheme.count(first.score.faces)
    if first.score.faces < len(annotations):
        faces = f"{first.score.faces:,} of {scheme.count(len(annotations))}"
    content = ReportContent(
        title="acrloss: comparison of predictions",
        headline=headline(rank_evaluations(evaluations), nme, normalizer, faces),
        warnings=warning(*evaluations.values()),
        summary=f"{annotations.summary()}\n{shared_faces(evaluations, annotations)}",
        tables=[comparison_table(evaluations, intervals=True), subset_table(evaluations)],
        figures=[("Cumulative error", png)],
        details=details,
    )
    return write_report(folder, content)


def shared_faces(evaluations: Mapping[str, Evaluation], annotations: Annotations) -> str:
    """One sentence: over how many faces the comparison is."""
    first = next(iter(evaluations.values()))
    faces = annotations.scheme.count(len(annotations))
    return f"compared on the {len(first.annotations):,} of {faces} that all predictions have"


def _to_dict(evaluations: Mapping[str, Evaluation], left_out: list[str], faces: int) -> dict[str, Any]:
    first = next(iter(evaluations.values()))
    methods = []
    for name, evaluation in evaluations.items():
        difference, interval = nme_difference(evaluation, first)
        compared = {"nme_difference": difference, "nme_difference_interval": interval}
        methods.append({"name": name, **plain(compared), **evaluation.to_dict()})
    return {
        "normalizer": first.normalizer,
        "difference_to": next(iter(evaluations)),
        "faces": len(first.annotations),
        "of_faces": faces,
        **_ranking(evaluations),
        "left_out": left_out,
        "methods": methods,
    }


def _ranking(evaluations: Mapping[str, Evaluation]) -> dict[str, Any]:
    ranking = rank_evaluations(evaluations)
    return {"lowest_nme": ranking.best, "not_told_apart": list(ranking.level), "worse": list(ranking.worse)}
