"""Brings the tables and figures of docs/study.md up to date with the studies' results.

    python tools/study_document.py

The document is written by hand, but for what stands between `<!-- table: STUDY DATA KIND -->` and `<!-- end -->`: the
table of that kind (score, subsets, regions or difficulty) of studies/STUDY.yaml, from studies/STUDY/results.json.
Pictures that it shows as images/study-STUDY-DATA-KIND.png, KIND being learning, errors or differences, are drawn anew.
Between `<!-- gains -->` and `<!-- end -->`, and in images/study-gains.png, acr-3 and L2 are compared over `CONDITIONS`.
"""

import re
from functools import cache
from pathlib import Path

from matplotlib.figure import Figure

from acrloss.figures import errors, style
from acrloss.files import write_atomic
from acrloss.study.report import ced_figure, difference_figure, learning_figure
from acrloss.study.results import Result, read_results
from acrloss.study.study_file import read_study
from acrloss.study.tables import (
    by_method,
    difficulty_table,
    markdown_table,
    mean_nme,
    only_subset,
    paired_difference,
    region_table,
    score_table,
    subset_table,
)

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "study.md"
# What is changed, the study and data that change it, and the subset that is scored where it is not all faces.
CONDITIONS = (
    ("as everywhere else", "20-epochs", "300-W", ""),
    ("10 epochs", "10-epochs", "300-W", ""),
    ("60 epochs", "60-epochs", "300-W", ""),
    ("48 px", "48-px", "300-W", ""),
    ("test faces, 64 px", "confirmation", "300-W", ""),
    ("test faces, 112 px", "112-px", "300-W", ""),
    ("EfficientNet-Lite2", "larger-network", "300-W", ""),
    ("161 faces, 60 epochs", "few", "10%", ""),
    ("483 faces, 60 epochs", "few", "30%", ""),
    ("noisy labels", "hard", "noisy", ""),
    ("scored on covered faces", "hard", "hard", "covered"),
    ("scored on turned faces", "hard", "hard", "turned"),
)
METHOD, REFERENCE = "acr-3", "L2"
_GAINS = re.compile(r"(<!-- gains -->\n).*?(<!-- end -->)", re.DOTALL)
_BLOCK = re.compile(r"(<!-- table: (\S+) (\S+) (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_PICTURE = re.compile(r"\((images/study-([^()]+?)-((?:300-W|YTF-68))-(learning|errors|differences)\.png)\)")
_TABLES = {"score": score_table, "subsets": subset_table, "regions": region_table, "difficulty": difficulty_table}
_FIGURES = {"learning": learning_figure, "errors": ced_figure, "differences": difference_figure}


@cache
def results_of(name: str, data: str) -> dict[str, list[Result]]:
    """The results of a study on one data set, by method."""
    study = read_study(ROOT / "studies" / f"{name}.yaml", ROOT / "studies")
    found = by_method(study, read_results(ROOT / "studies" / name / "results.json", study), data)
    if not found:
        raise SystemExit(f"studies/{name}/results.json has nothing on {data}; run acrloss compare studies/{name}.yaml")
    return found


@cache
def gains() -> dict[str, tuple[list[Result], list[Result], tuple[float, float, float]]]:
    """Condition -> results of acr-3 and of L2, and their paired difference with its interval, in % of L2's NME."""
    found = {}
    for condition, name, data, subset in CONDITIONS:
        runs = results_of(name, data)
        method, reference = (
            [only_subset(r, subset) for r in runs[m]] if subset else runs[m] for m in (METHOD, REFERENCE)
        )
        difference, low, high = (100 * value / mean_nme(reference) for value in paired_difference(method, reference))
        found[condition] = method, reference, (difference, low, high)
    return found


def gains_table() -> str:
    """A line a condition, in Markdown."""
    lines = [f"| | faces | {METHOD}, NME % | {REFERENCE}, NME % | difference, in % of {REFERENCE} |"]
    lines += ["| :-- | --: | --: | --: | --: |"]
    for condition, (method, reference, (difference, low, high)) in gains().items():
        lines.append(
            f"| {condition} | {len(method[0].nme)} | {mean_nme(method):.2f} | {mean_nme(reference):.2f} "
            f"| {difference:+.1f} [{low:+.1f}, {high:+.1f}] |"
        )
    return "\n".join(lines)


def gains_figure() -> Figure:
    """The differences of `gains_table` with their intervals."""
    differences = {condition: difference for condition, (_, _, difference) in gains().items()}
    return errors.paired_differences(differences, reference=REFERENCE, normalizer=f"{REFERENCE}'s NME")


def updated(text: str) -> str:
    """The document with its tables as the results have them."""

    def block(match: re.Match[str]) -> str:
        table = _TABLES[match[4]](match[3], results_of(match[2], match[3]))
        if not table[2]:
            raise SystemExit(f"studies/{match[2]}/results.json has no {match[4]} on {match[3]}; take the table out")
        return f"{match[1]}{markdown_table(table)}\n{match[5]}"

    return _GAINS.sub(lambda match: f"{match[1]}{gains_table()}\n{match[2]}", _BLOCK.sub(block, text))


def main() -> None:
    text = updated(DOCUMENT.read_text(encoding="utf-8"))
    write_atomic(DOCUMENT, text)
    for place, name, data, kind in dict.fromkeys(_PICTURE.findall(text)):
        write_atomic(DOCUMENT.parent / place, style.to_png(_FIGURES[kind](results_of(name, data))))
    write_atomic(DOCUMENT.parent / "images" / "study-gains.png", style.to_png(gains_figure()))
    print(f"results: {DOCUMENT}")


if __name__ == "__main__":
    main()
