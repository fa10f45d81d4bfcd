"""The options that say in which figures predictions are scored."""

from typing import Any

from acrloss.errors import DataError
from acrloss.evaluation.normalizers import NORMALIZERS
from acrloss.evaluation.scores import THRESHOLDS


def add_thresholds(parser: Any) -> None:
    parser.add_argument(
        "--thresholds",
        type=float,
        nargs="+",
        default=list(THRESHOLDS),
        help="NME in % at which failure rate and AUC are given, such as 5 7 8 10",
    )


def add_score_arguments(parser: Any) -> None:
    add_thresholds(parser)
    parser.add_argument(
        "--normalizer",
        type=str | None,
        default=None,
        help=f"what headlines divide errors by, all others are in a table: {', '.join(NORMALIZERS)}; the usual one of "
        "the scheme if not given",
    )


def thresholds_of(values: Any) -> tuple[float, ...]:
    """--thresholds, each once, rising.

    Raises:
        DataError: one is not positive, or there is none.
    """
    if not values.thresholds:
        raise DataError("--thresholds are NME in %, such as 8 10; give one at least")
    for threshold in values.thresholds:
        if not 0 < threshold < float("inf"):
            raise DataError(f"--thresholds are NME in % above 0, not {threshold:g}")
    return tuple(sorted(set(values.thresholds)))


def score_options(values: Any) -> dict[str, Any]:
    """The options as `acrloss.evaluation.scores.evaluate` takes them.

    Raises:
        DataError: a threshold is not positive, or the normaliser is unknown.
    """
    thresholds = thresholds_of(values)
    if values.normalizer is not None and values.normalizer not in NORMALIZERS:
        raise DataError(f"unknown --normalizer {values.normalizer}; choose from {', '.join(NORMALIZERS)}")
    return {"thresholds": thresholds, "normalizer": values.normalizer}
