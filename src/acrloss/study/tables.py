"""The findings of a study as tables: means over seeds, and paired differences with intervals."""

import itertools
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from acrloss.arrays import Float
from acrloss.evaluation.bootstrap import seed_mean_interval
from acrloss.evaluation.comparison import Ranking, rank
from acrloss.evaluation.metrics import METRICS, at_threshold
from acrloss.evaluation.normalizers import NORMALIZERS
from acrloss.evaluation.scores import THRESHOLDS, Interval
from acrloss.printable import printable
from acrloss.reports.page import Table
from acrloss.study.results import Result
from acrloss.study.study_file import Study


def paired_difference(method: Sequence[Result], reference: Sequence[Result]) -> tuple[float, float, float]:
    """Mean NME of a method less that of the reference over the seeds that both have, and its 95 % interval.

    The interval is over faces and seeds at once, see `seed_mean_interval`. Seeds without a known face do not count. NaN
    without a common seed.
    """
    by_seed = {result.run.seed: result for result in reference}
    pairs = [(m, by_seed[m.run.seed]) for m in method if m.run.seed in by_seed]
    pairs = [(m, r) for m, r in pairs if np.isfinite(m.nme - r.nme).any()]
    if not pairs:
        return float("nan"), float("nan"), float("nan")
    images = sorted({image for m, _ in pairs for image in m.images})
    place = {image: i for i, image in enumerate(images)}
    # A row a seed: each face's difference, NaN where that seed does not have the face.
    table = np.full((len(pairs), len(images)), np.nan)
    for row, (m, r) in zip(table, pairs, strict=True):
        row[[place[image] for image in m.images]] = m.nme - r.nme
    return seed_mean_interval(table)


def by_method(study: Study, results: Sequence[Result], data: str) -> dict[str, list[Result]]:
    """The results on one data set by method, in the study's order; methods without any are left out."""
    found = {m: [r for r in results if (r.run.data, r.run.method) == (data, m)] for m in study.methods}
    return {method: runs for method, runs in found.items() if runs}


def score_table(data: str, methods: dict[str, list[Result]], thresholds: Sequence[float] = THRESHOLDS) -> Table:
    """Caption, header and rows: the metrics of each method, mean ± standard deviation over seeds, and the cost.

    `thresholds` are those of failure rate and AUC, in %.
    """
    reference = next(iter(methods.values()))
    rows = []
    for method, runs in methods.items():
        metrics = [_over_seeds([at_threshold(name, r.nme, t) for r in runs]) for name in METRICS for t in thresholds]
        minutes = np.mean([r.seconds for r in runs]) / 60
        rows.append([method, str(len(runs)), *_nme_cells(runs, reference), *metrics, f"{minutes:.1f}"])
    header = ["method", "seeds", "NME %", f"difference to {next(iter(methods))}", "in %"]
    header += [f"{metric.short}@{t:g} %" for metric in METRICS.values() for t in thresholds]
    caption = f"{data}: {faces_of(methods)}, % of the {normalizer_name(methods)}, mean ± sd over seeds"
    if any(result.role == "validation" for runs in methods.values() for result in runs):
        caption += f"; validation {noun_of(methods)}s: they chose the epoch"
    return caption, [*header, "minutes a run"], rows


def subset_table(data: str, methods: dict[str, list[Result]]) -> Table:
    """Caption, header and rows: the NME of each method and its difference to the first on each subset that is not all
    of the faces; no rows if there is none."""
    every = [result for runs in methods.values() for result in runs]
    tags = sorted({tag for result in every for face in result.subsets for tag in face})
    tags = [tag for tag in tags if any(tag not in face for result in every for face in result.subsets)]
    header = ["method"]
    rows = [[method] for method in methods]
    for tag in tags:
        parts = {method: [only_subset(result, tag) for result in runs] for method, runs in methods.items()}
        # A seed may hold out no face of a small subset.
        parts = {method: [part for part in runs if len(part.nme)] for method, runs in parts.items()}
        reference = next(iter(parts.values()))
        header += [f"{tag} ({faces_of(parts)}), NME %", f"difference to {next(iter(parts))}", "in %"]
        for row, runs in zip(rows, parts.values(), strict=True):
            row += _nme_cells(runs, reference)
    return f"{data}: subsets, % of the {normalizer_name(methods)}", header, rows if tags else []


def faces_of(methods: dict[str, list[Result]]) -> str:
    """How many faces were scored, from the fewest in a run to the most: "543 faces", "76 to 80 faces"."""
    counts = sorted({len(result.nme) for runs in methods.values() for result in runs})
    if not counts:
        return "0 faces"
    several = f"{counts[0]:,} to {counts[-1]:,}" if len(counts) > 1 else f"{counts[0]:,}"
    return f"{several} {noun_of({'': [r for runs in methods.values() for r in runs]})}{'' if counts == [1] else 's'}"


def _nme_cells(runs: Sequence[Result], reference: Sequence[Result]) -> list[str]:
    """NME, difference to the reference, and the difference in %."""
    if not runs:
        return ["–", "–", "–"]
    nme = _over_seeds([float(np.nanmean(r.nme)) for r in runs])
    if runs is reference:
        return [nme, "–", "–"]
    difference, low, high = paired_difference(runs, reference)
    if np.isnan(difference):
        return [nme, "–", "–"]
    relative = 100 * difference / mean_nme(reference)
    return [nme, f"{difference:+.2f} [{low:+.2f}, {high:+.2f}]", f"{relative:+.1f}"]


def only_subset(result: Result, subset: str) -> Result:
    """The result on the faces of one subset: their NME; regions, difficulty and curves stay those of all faces."""
    chosen = np.array([subset in tags for tags in result.subsets])
    images = tuple(itertools.compress(result.images, chosen))
    return replace(result, images=images, subsets=(frozenset({subset}),) * len(images), nme=result.nme[chosen])


def region_table(data: str, methods: dict[str, list[Result]]) -> Table:
    """Caption, header and rows: the mean error of each method in each region, over seeds."""
    regions = list(next(iter(methods.values()))[0].regions)
    rows = [
        [method, *(_over_seeds([r.regions[region] for r in runs]) for region in regions)]
        for method, runs in methods.items()
    ]
    return f"{data}: error by region", ["method", *regions], rows if regions else []


def difficulty_table(data: str, methods: dict[str, list[Result]]) -> Table:
    """Caption, header and rows: the mean error of each method on easy to hard landmarks, over seeds.

    See `Result.by_difficulty`.
    """
    rows = []
    for method, runs in methods.items():
        by_fifth = np.array([r.by_difficulty for r in runs])
        rows.append([method, *(_over_seeds(column) for column in by_fifth.T)])
    fifths = len(next(iter(methods.values()))[0].by_difficulty)
    header = ["method", *(f"fifth {i + 1}" for i in range(fifths))]
    return f"{data}: error by difficulty, from the easiest fifth of the landmarks to the hardest", header, rows


def normalizer_name(methods: dict[str, list[Result]]) -> str:
    first = next(iter(methods.values()))[0]
    return first.title or NORMALIZERS[first.normalizer].title


def noun_of(methods: dict[str, list[Result]]) -> str:
    """What one of the things is called that were scored."""
    return next(iter(methods.values()))[0].noun


def ranking_of(methods: dict[str, list[Result]]) -> Ranking:
    """Which method is best, and which are not told apart from it."""

    def difference(method: str, best: str) -> tuple[float, Interval]:
        mean, low, high = paired_difference(methods[method], methods[best])
        return mean, (low, high)

    return rank({method: mean_nme(runs) for method, runs in methods.items()}, difference)


def mean_nme(results: Sequence[Result]) -> float:
    """Mean over seeds of the mean NME over faces, in %."""
    return float(np.mean([np.nanmean(r.nme) for r in results]))


def _over_seeds(values: Sequence[float] | Float) -> str:
    numbers = np.asarray(values, dtype=np.float64)
    return f"{numbers.mean():.2f}" + (f" ± {numbers.std(ddof=1):.2f}" if len(numbers) > 1 else "")


def markdown_table(table: Table) -> str:
    """Caption and table in Markdown."""
    caption, header = escape_markdown(table[0]), [escape_markdown(cell) for cell in table[1]]
    rows = [[escape_markdown(cell) for cell in row] for row in table[2]]
    lines = [header, [":--", *["--:"] * (len(header) - 1)], *rows]
    return caption + "\n\n" + "\n".join("| " + " | ".join(line) + " |" for line in lines)


def escape_markdown(text: str) -> str:
    """The text so that nothing in it is Markdown or HTML, in one line: names are a user's."""
    text = " ".join(printable(text).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return re.sub(r"([\\`*_|])", r"\\\1", text).replace("](", "]\\(")
