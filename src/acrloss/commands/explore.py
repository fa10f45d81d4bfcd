"""Draw what ACR loss sees in a data set: mean face and modes, Smooth-Face, Φ, the readings of k and the loss curves."""

from pathlib import Path
from typing import Any

from acrloss.commands.data_options import add_data_arguments, list_notes, read_data
from acrloss.commands.terminal import progress, results_in


def add_arguments(parser: Any) -> None:
    add_data_arguments(parser)
    parser.add_argument("--output", type=Path, default=Path("explore"), help="folder of the results")


def run(parsed: Any) -> None:
    from acrloss.reports.explore import explore

    _, values = parsed
    annotations = read_data(values)
    page = explore(annotations, Path(values.output), progress=progress)
    list_notes(annotations, Path(values.output))
    results_in(page)
