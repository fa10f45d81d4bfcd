"""What a run was trained and scored on, as a table for its page."""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import quote

import numpy as np

from acrloss.annotations import Annotations
from acrloss.evaluation.normalizers import available_normalizers, normalizer_title
from acrloss.evaluation.scores import Evaluation
from acrloss.files import write_atomic
from acrloss.reports.by_difficulty import MODES, agreement
from acrloss.reports.page import Table
from acrloss.schemes import Scheme
from acrloss.shapes.shape_model import ShapeModel


@dataclass(frozen=True)
class TrainingFacts:
    """What a run was trained on.

    Attributes:
        train: number of training faces.
        val: number of validation faces.
        held_out: whether those were held out of the training faces, because the data has no split "val".
        unreadable: number of training images that could not be decoded.
        seconds: that all epochs took; None where it is not known.
    """

    train: int
    val: int
    held_out: bool
    unreadable: int = 0
    seconds: float | None = None


def write_training_facts(folder: Path, facts: TrainingFacts) -> Path:
    """Keep them in a run folder, as training.json."""
    return write_atomic(folder / "training.json", json.dumps(asdict(facts), indent=2) + "\n")


def read_training_facts(folder: Path) -> TrainingFacts | None:
    """Those that a run folder keeps; None where it does not, or not as `write_training_facts` writes them."""
    try:
        kept = json.loads((folder / "training.json").read_text(encoding="utf-8"))
        seconds = None if kept["seconds"] is None else float(kept["seconds"])
        counts = int(kept["train"]), int(kept["val"]), bool(kept["held_out"]), int(kept["unreadable"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return TrainingFacts(*counts, seconds)


def data_table(
    evaluation: Evaluation,
    baseline: Evaluation | None,
    training: TrainingFacts | None,
    rows: Sequence[Mapping[str, str]],
    model: ShapeModel | None,
) -> Table:
    """Caption, header and rows: counts, where the validation came from, time, baseline and difficulty.

    Args:
        evaluation: what was scored.
        baseline: the mean shape on the same faces.
        training: what the run was trained on.
        rows: of metrics.csv.
        model: the shape model of the training faces.
    """
    faces, score = evaluation.annotations, evaluation.score
    scheme, called = faces.scheme, faces.scheme.called
    facts = [("data", faces.source or "not named")]
    facts.append(("scored", f"{score.faces:,} of {scheme.count(len(faces))}, {_splits(faces)}"))
    facts += [("not scored", f"{count:,}: {reason}") for reason, count in Counter(evaluation.reasons.values()).items()]
    if faces.skipped:
        facts.append(("left out when reading", f"{len(faces.skipped):,} (listed below)"))
    if training is not None:
        facts.append(("trained on", scheme.count(training.train)))
        origin = (
            "held out of the training data, which has no split 'val'" if training.held_out else "the data's split 'val'"
        )
        facts.append(
            ("epoch chosen by", f"{scheme.count(training.val)}, {origin}" if training.val else "none: the last epoch")
        )
        if training.unreadable:
            facts.append(("training images that cannot be decoded", f"{training.unreadable:,} (listed below)"))
        if training.seconds is not None:
            facts.append(("time of training", _time(training.seconds)))
    if rows:
        facts.append(("epochs", _epochs(rows, training_normalizer(scheme))))
    if baseline is not None and evaluation.normalizer in baseline.nme:
        title = normalizer_title(evaluation.normalizer, scheme)
        there = baseline.nme[evaluation.normalizer]
        mean = float(np.mean(there[~np.isnan(there)])) if not np.isnan(there).all() else float("nan")
        facts.append(
            (f"the mean {called} everywhere", f"NME {mean:.2f} % of the {title}; the network {score.nme:.2f} %")
        )
    if model is not None:
        facts += _difficulty(evaluation, model)
    return f"What was trained and scored on which {called}s", ["", ""], [list(fact) for fact in facts]


def _splits(faces: Annotations) -> str:
    counts = Counter(faces.splits)
    if set(counts) == {""}:
        return "no split given"
    return ", ".join(
        f"split {name!r}" if len(counts) == 1 else f"{name or 'no split'} {n:,}" for name, n in counts.items()
    )


def _epochs(rows: Sequence[Mapping[str, str]], normalizer: str) -> str:
    errors = np.array([float(row.get("val_nme") or "nan") for row in rows])
    if np.isnan(errors).all():
        return f"{len(rows):,}, not validated"
    best = int(np.nanargmin(errors))
    nme = f"validation NME {errors[best]:.2f} % of the {normalizer}"
    return f"{len(rows):,}; the network of epoch {rows[best]['epoch']} is scored ({nme})"


def training_normalizer(scheme: Scheme) -> str:
    """What training divides the NME of its epochs by, whatever the scores of a page are given in."""
    if scheme.num_landmarks == 1:
        return "longer side of the box that is cropped around"
    return normalizer_title(available_normalizers(scheme)[0], scheme)


def _time(seconds: float) -> str:
    minutes, hours = round(seconds / 60), round(seconds / 3600, 1)
    return f"{seconds:.0f} s" if seconds < 120 else f"{minutes} min" if minutes < 120 else f"{hours:g} h"


def _difficulty(evaluation: Evaluation, model: ShapeModel) -> list[tuple[str, str]]:
    modes = min(MODES, len(model.eigenvalues))
    share = 100 * float(model.eigenvalues[:modes].sum() / model.eigenvalues.sum())
    facts = [("shape model", f"{modes} modes explain {share:.1f} % of the variance of the training shapes")]
    correlation = agreement(evaluation, model)
    if np.isfinite(correlation):
        text = (
            f"rank correlation {correlation:+.2f} of what those modes leave over with the network's error, by landmark"
        )
        facts.append(("difficulty Φ and error", text))
    return facts


def link_to_check(folder: Path, faces: Annotations) -> list[tuple[str, str]]:
    """(text, address) of the page of `acrloss data check` about the same data, where it lies in its usual place."""
    for place in (Path("check"), folder / "check"):
        try:
            source = json.loads((place / "check.json").read_text(encoding="utf-8"))["source"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        if source == faces.source and (place / "check.html").is_file():
            return [("What acrloss data check found", quote(os.path.relpath(place / "check.html", folder)))]
    return []
