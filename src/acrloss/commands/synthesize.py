"""Write synthetic faces with exact landmarks (scheme ibug68) as images and .pts files that every command reads."""

import os
from pathlib import Path
from typing import Any

from acrloss.commands.terminal import progress, results_in
from acrloss.errors import DataError


def add_arguments(parser: Any) -> None:
    parser.add_argument("--count", type=int, default=2000, help="how many faces")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same faces")
    parser.add_argument("--output", type=Path, required=True, help="folder to write; new or empty")


def run(parsed: Any) -> None:
    from acrloss.formats.synthetic import write_dataset

    _, values = parsed
    folder = Path(values.output)
    if values.count < 1 or values.seed < 0:
        raise DataError("--count must be at least 1 and --seed must not be negative")
    if folder.is_dir() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty; give another --output")
    write_dataset(folder, values.count, values.seed, progress=progress, jobs=drawing_processes(values.count))
    results_in(folder)


def drawing_processes(count: int) -> int:
    """How many processes draw `count` faces fastest: one a core, but a process begins no sooner than 50 are drawn."""
    return max(1, min(os.cpu_count() or 1, count // 50))
