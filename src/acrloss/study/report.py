"""The findings of a study: means over seeds, paired differences, curves, and cost, as a page and as Markdown."""

import re
from collections.abc import Sequence
from html import escape
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from acrloss.evaluation.scores import THRESHOLDS
from acrloss.figures import errors, learning, style
from acrloss.files import write_atomic
from acrloss.printable import printable
from acrloss.reports.page import ReportContent, Table, write_report
from acrloss.reports.tables import headline
from acrloss.study.results import Result
from acrloss.study.study_file import Study
from acrloss.study.tables import (
    by_method,
    difficulty_table,
    escape_markdown,
    faces_of,
    markdown_table,
    mean_nme,
    normalizer_name,
    noun_of,
    paired_difference,
    ranking_of,
    region_table,
    score_table,
    subset_table,
)


def write_study_report(
    study: Study,
    results: Sequence[Result],
    failed: Sequence[str],
    folder: Path,
    command: str,
    thresholds: Sequence[float] = THRESHOLDS,
) -> Path:
    """Write report.html and report.md into `folder`; returns the page's path.

    `thresholds`, rising, are those of failure rate and AUC in %; the curve ends beyond the last.
    """
    tables: list[Table] = []
    figures: list[tuple[str, bytes]] = []
    headlines = []
    roles: set[str] = set()
    for data in study.data:
        here = by_method(study, results, data)
        if not here:
            continue
        nme = {method: mean_nme(runs) for method, runs in here.items()}
        headlines.append(f"{data}: {headline(ranking_of(here), nme, normalizer_name(here), faces_of(here))}")
        roles |= {result.role for runs in here.values() for result in runs}
        tables += [score_table(data, here, thresholds), subset_table(data, here), region_table(data, here)]
        tables += [difficulty_table(data, here)]
        if len(here) > 1:
            caption = f"{data}: differences to {next(iter(here))}, {noun_of(here)} by {noun_of(here)}"
            figures.append((caption, style.to_png(difference_figure(here))))
        figures.append((f"{data}: cumulative error, all seeds", style.to_png(ced_figure(here, thresholds))))
        figures.append((f"{data}: learning", style.to_png(learning_figure(here))))
    details = [("How to make this again", command), ("Study", study.text)]
    if failed:
        details.insert(0, (f"{len(failed)} runs failed", "\n".join(failed)))
    which = "validation" if study.score == "val" or "validation" in roles else "test"
    chosen = (
        "these faces chose each run's epoch, so that the error on new ones is larger: good for choosing between methods"
    )
    content = ReportContent(
        title=f"acrloss study {study.name}",
        headline="; ".join(headlines) or "no run is done",
        warnings=[f"VALIDATION, NOT TEST: {chosen}; score 'test' once, at the end"] if which == "validation" else [],
        summary=f"{len(results)} of {len(study.runs)} runs are done, scored on the {which} faces. Differences are "
        "face by face and seed by seed, with 95 % bootstrap intervals over faces and seeds.",
        tables=[table for table in tables if table[2]],
        figures=figures,
        details=details,
    )
    write_atomic(folder / "report.md", _markdown(content))
    return write_report(folder, content)


def difference_figure(methods: dict[str, list[Result]]) -> Figure:
    """The paired difference of each method to the first."""
    reference, *others = methods
    differences = {method: paired_difference(methods[method], methods[reference]) for method in others}
    return errors.paired_differences(differences, reference=reference, normalizer=normalizer_name(methods))


def ced_figure(methods: dict[str, list[Result]], thresholds: Sequence[float] = THRESHOLDS) -> Figure:
    """The cumulative error of each method, over the faces of all seeds."""
    curves = {method: np.concatenate([r.nme for r in runs]) for method, runs in methods.items()}
    return errors.ced_curves(
        curves, normalizer=normalizer_name(methods), threshold=thresholds[-1], noun=noun_of(methods)
    )


def learning_figure(methods: dict[str, list[Result]]) -> Figure:
    """The validation error of each method over its epochs."""
    curves = {method: [r.curves["val_nme"] for r in runs] for method, runs in methods.items()}
    return learning.compared_learning(curves, normalizer=normalizer_name(methods))


def _markdown(content: ReportContent) -> str:
    parts = [f"# {escape_markdown(content.title)}", escape_markdown(content.headline) + "."]
    parts += [f"**{escape_markdown(line)}**" for line in content.warnings]
    parts += [content.summary, *(markdown_table(table) for table in content.tables)]
    for summary, text in content.details:
        parts.append(f"{escape_markdown(summary)}:\n\n{_verbatim(printable(text).rstrip())}")
    return "\n\n".join(parts) + "\n"


def _verbatim(text: str) -> str:
    """A block of text as it is; as HTML where it holds tags, which not everything that shows Markdown leaves alone."""
    if "<" in text:
        return f"<pre>{escape(text, quote=False)}</pre>"
    # Longer than any fence in the text.
    fence = "`" * max([3, *(len(run) + 1 for run in re.findall("`+", text))])
    return f"{fence}text\n{text}\n{fence}"
