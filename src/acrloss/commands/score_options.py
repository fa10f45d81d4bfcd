"""The options that say in which figures predictions are scored."""

from typing import Any

from acrloss.errors import DataError
from acrloss.evaluation.normalizers import NORMALIZERS


def add_score_arguments(parser: Any) -> None:
    parser.add_argument(
        "--thresholds",
        type=float,
        nargs="+",
        default=[8.0, 10.0],
        help="NME in % at which failure rate and AUC are given, such as 5 7 8 10",
    )
    parser.add_argument(
        "--normalizer",
        type=str | None,
        default=None,
        help=f"what headlines divide errors by, all others are in a table: {', '.join(NORMALIZERS)}; the usual one of "
        "the scheme if not given",
    )


def score_options(values: Any) -> dict[str, Any]:
    """The options as `acrloss.evaluation.scores.evaluate` takes them.

    Raises:
        DataError: a threshold is not positive, or the normaliser is unknown.
    """
    for threshold in values.thresholds:
        if not 0 < threshold < float("inf"):
            raise DataError(f"--thresholds are NME in % above 0, not {threshold:g}")
    if values.normalizer is not None and values.normalizer not in NORMALIZERS:
        raise DataError(f"unknown --normalizer {values.normalizer}; choose from {', '.join(NORMALIZERS)}")
    return {"thresholds": values.thresholds, "normalizer": values.normalizer}
