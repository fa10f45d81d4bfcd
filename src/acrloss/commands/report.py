"""Compare runs and prediction files: one CED plot and one table, over the faces that all of them have.

Differences are to the first one, face by face, with 95 % bootstrap intervals. Run folders bring their annotated faces
along; prediction files in other forms, or faces with subsets, need --data.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from acrloss.annotations import choose_split
from acrloss.commands.command_line import command_line, in_this_folder
from acrloss.commands.data_options import add_data_arguments, list_notes, read_data
from acrloss.commands.score_options import add_score_arguments, score_options
from acrloss.commands.terminal import is_wide, notes, print_table, results_in


def add_arguments(parser: Any) -> None:
    parser.add_argument(
        "runs", type=Path, nargs="+", help="run folders, or prediction files as acrloss evaluate --predictions takes"
    )
    add_data_arguments(parser, required=False)
    parser.add_argument(
        "--split", type=str | None, default=None, help='split of --data; "test" if the data has it, else all'
    )
    add_score_arguments(parser)
    parser.add_argument("--output", type=Path, default=Path("comparison"), help="folder of the results")


def run(parsed: Any) -> None:
    from acrloss.evaluation.comparison import compare
    from acrloss.evaluation.predictions import read_predictions
    from acrloss.evaluation.predictions_file import read_scored_faces
    from acrloss.reports.comparison_report import shared_faces, subset_table, write_comparison
    from acrloss.reports.tables import comparison_table, warning

    parser, values = parsed
    paths = [Path(path) for path in values.runs]
    annotations = read_scored_faces(paths[0]) if values.data is None else choose_split(read_data(values), values.split)
    found = {
        name: read_predictions(path, annotations, complete=False)
        for name, path in zip(distinct_names(paths), paths, strict=True)
    }
    for name, predictions in found.items():
        if predictions.by_overlap:
            notes.print(f"{name}: in {predictions.by_overlap} images predictions were matched by their overlap")
    evaluations = compare(annotations, found, **score_options(values))
    command = in_this_folder(command_line("report", parser, values))
    report = write_comparison(Path(values.output), evaluations, annotations, command=command)
    notes.print(shared_faces(evaluations, annotations))
    print_table(*comparison_table(evaluations, intervals=is_wide()))
    print_table(*subset_table(evaluations))
    for line in warning(*evaluations.values()):
        notes.print(line, style="yellow", soft_wrap=True)
    list_notes(annotations, Path(values.output))
    results_in(report)


def distinct_names(paths: list[Path]) -> list[str]:
    """The last part of each path; all of it where two would be the same, and a number before it if they still are."""
    names = [path.stem if path.suffix.lower() in (".npz", ".csv", ".txt") else path.resolve().name for path in paths]
    times = Counter(names)
    names = [str(path) if times[name] > 1 else name for name, path in zip(names, paths, strict=True)]
    return (
        list(dict.fromkeys(names)) if len(set(names)) == len(names) else [f"{i + 1}: {n}" for i, n in enumerate(names)]
    )
