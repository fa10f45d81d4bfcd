"""Every face with its errors: a file for programs, and a table for the page."""

import csv
import io
from pathlib import Path

import numpy as np

from acrloss.evaluation.scores import Evaluation
from acrloss.files import write_atomic
from acrloss.reports.page import Table

LISTED = 5000
"""A page with more rows than this would be slow to open; the file has them all."""


def write_face_list(path: Path, evaluation: Evaluation) -> Path:
    """Write a CSV file with a row for each face, the worst first: image, split, subsets, NME in % under each normaliser
    (empty where it is not known, "inf" where landmarks were lost), and why it is not scored."""
    faces = evaluation.annotations
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["image", "split", "subsets", *(f"nme_{name}" for name in evaluation.nme), "not_scored"])
    for i in _worst_first(evaluation):
        errors = ("" if np.isnan(values[i]) else f"{values[i]:.6g}" for values in evaluation.nme.values())
        tags = ";".join(sorted(faces.subsets[i]))
        rows.writerow([faces.images[i], faces.splits[i], tags, *errors, evaluation.reasons.get(i, "")])
    return write_atomic(path, text.getvalue())


def face_list(evaluation: Evaluation) -> Table:
    """Caption, header and rows: the NME of every face, the worst first, those that are not scored last."""
    faces, usual = evaluation.annotations, evaluation.nme[evaluation.normalizer]
    order = _worst_first(evaluation)
    called = faces.scheme.called
    rows = [
        [
            f"{place + 1:,}",
            f"{usual[i]:.2f}" if not np.isnan(usual[i]) else evaluation.reasons[i],
            faces.images[i],
            ", ".join(sorted(faces.subsets[i])) or faces.splits[i],
        ]
        for place, i in enumerate(order[:LISTED])
    ]
    shown = f"the worst {LISTED:,} of {len(order):,}" if len(order) > LISTED else f"all {len(order):,}"
    return f"NME of each {called}, worst first ({shown}; all in faces.csv)", ["", "NME %", "image", "set"], rows


def _worst_first(evaluation: Evaluation) -> list[int]:
    usual = evaluation.nme[evaluation.normalizer]
    # NaN sorts last as it is.
    return [int(i) for i in np.argsort(-usual, kind="stable")]
