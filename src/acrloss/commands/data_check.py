"""Look a data set over: unreadable images, the same picture in two splits, faces annotated twice, landmarks out of
place, unusual shapes, swapped sides. Writes a page with pictures and check.json; findings are no errors."""

from pathlib import Path
from typing import Any

from acrloss.commands.data_options import add_data_arguments, list_notes, read_data
from acrloss.commands.terminal import notes, print_table, progress, results_in

_WIDTH = 110


def add_arguments(parser: Any) -> None:
    add_data_arguments(parser, positional=True)
    parser.add_argument("--output", type=Path, default=Path("check"), help="folder of the results")


def run(parsed: Any) -> None:
    from acrloss.data_check.check import check_data
    from acrloss.data_check.findings import summary_rows

    _, values = parsed
    annotations = read_data(values, repeated="keep")
    checked, page = check_data(annotations, Path(values.output), progress=progress)
    for note in checked.notes:
        notes.print(note, markup=False, soft_wrap=True)
    rows = [
        (title, worst if len(worst) <= _WIDTH else f"{worst[: _WIDTH - 3]}...", count)
        for title, count, worst in summary_rows(checked, annotations.scheme)
    ]
    count = len(checked.findings)
    caption = f"{count:,} finding{'' if count == 1 else 's'} in {annotations.scheme.count(len(annotations))}"
    print_table(caption, ("finding", "worst", "count"), rows, words=2)
    list_notes(annotations, Path(values.output))
    results_in(page)
