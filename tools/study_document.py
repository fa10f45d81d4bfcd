"""Brings the tables and figures of docs/study.md up to date with the studies' results.

    python tools/study_document.py

The document is written by hand, but for what stands between `<!-- table: STUDY DATA KIND -->` and `<!-- end -->`: the
table of that kind (score, subsets, regions or difficulty) of studies/STUDY.yaml, from studies/STUDY/results.json.
Pictures that it shows as images/study-STUDY-DATA-KIND.png, KIND being learning, errors or differences, are drawn anew.
"""

import re
from pathlib import Path

from acrloss import plots
from acrloss.files import write_atomic
from acrloss.study import read_study
from acrloss.study_report import (
    by_method,
    ced_figure,
    difference_figure,
    difficulty_table,
    learning_figure,
    markdown_table,
    region_table,
    score_table,
    subset_table,
)
from acrloss.study_results import Result, read_results

ROOT = Path(__file__).parents[1]
DOCUMENT = ROOT / "docs" / "study.md"
_BLOCK = re.compile(r"(<!-- table: (\S+) (\S+) (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_PICTURE = re.compile(r"\((images/study-([^()]+?)-((?:300-W|YTF-68))-(learning|errors|differences)\.png)\)")
_TABLES = {"score": score_table, "subsets": subset_table, "regions": region_table, "difficulty": difficulty_table}
_FIGURES = {"learning": learning_figure, "errors": ced_figure, "differences": difference_figure}


def results_of(name: str, data: str) -> dict[str, list[Result]]:
    """The results of a study on one data set, by method."""
    study = read_study(ROOT / "studies" / f"{name}.yaml", ROOT / "studies")
    found = by_method(study, read_results(ROOT / "studies" / name / "results.json", study), data)
    if not found:
        raise SystemExit(f"studies/{name}/results.json has nothing on {data}; run acrloss compare studies/{name}.yaml")
    return found


def updated(text: str) -> str:
    """The document with its tables as the results have them."""

    def block(match: re.Match[str]) -> str:
        table = _TABLES[match[4]](match[3], results_of(match[2], match[3]))
        if not table[2]:
            raise SystemExit(f"studies/{match[2]}/results.json has no {match[4]} on {match[3]}; take the table out")
        return f"{match[1]}{markdown_table(table)}\n{match[5]}"

    return _BLOCK.sub(block, text)


def main() -> None:
    text = updated(DOCUMENT.read_text(encoding="utf-8"))
    write_atomic(DOCUMENT, text)
    for place, name, data, kind in dict.fromkeys(_PICTURE.findall(text)):
        write_atomic(DOCUMENT.parent / place, plots.to_png(_FIGURES[kind](results_of(name, data))))
    print(f"results: {DOCUMENT}")


if __name__ == "__main__":
    main()
