"""Brings the tables of docs/metrics.md up to date with the tables of the code.

    python tools/metrics_document.py

The document is written by hand, but for what stands between `<!-- metrics -->` or `<!-- normalisers -->` and
`<!-- end -->`: the rows of `acrloss.evaluation.metrics.METRICS` and of `acrloss.evaluation.normalizers.NORMALIZERS`.
"""

import re
from pathlib import Path

from acrloss.evaluation.metrics import METRICS
from acrloss.evaluation.normalizers import NORMALIZERS
from acrloss.files import write_atomic

DOCUMENT = Path(__file__).parents[1] / "docs" / "metrics.md"
_BLOCK = re.compile(r"(<!-- (metrics|normalisers) -->\n).*?(<!-- end -->)", re.DOTALL)
_NEEDS = {
    None: "always",
    "interocular": "the scheme names the outer eye corners",
    "interpupil": "the scheme names the pupils or eyes",
    "boxes": "the data has boxes",
}


def metrics_table() -> str:
    """A row a metric, in Markdown."""
    rows = [f"| {row.short}@*t* | {row.meaning} | `{name}` |" for name, row in METRICS.items()]
    return "\n".join(["| metric at a threshold *t* | what it is, in % | in evaluation.json |", "|---|---|---|", *rows])


def normalizers_table() -> str:
    """A row a normaliser, in Markdown."""
    rows = [f"| `{name}` | {row.title} | {row.meaning} | {_NEEDS[row.needs]} |" for name, row in NORMALIZERS.items()]
    head = ["| name | normaliser *d* | measured on the annotation | there where |", "|---|---|---|---|"]
    return "\n".join([*head, *rows])


def updated(text: str) -> str:
    """The document with its tables as the code has them."""
    tables = {"metrics": metrics_table, "normalisers": normalizers_table}
    return _BLOCK.sub(lambda match: f"{match[1]}{tables[match[2]]()}\n{match[3]}", text)


if __name__ == "__main__":
    write_atomic(DOCUMENT, updated(DOCUMENT.read_text(encoding="utf-8")))
    print(f"results: {DOCUMENT}")
