"""How commands speak: results to standard output, everything else to standard error."""

import io
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from acrloss.printable import printable
from acrloss.progress_hook import Item


class PlainConsole(Console):
    """A console that takes text as text: no markup unless it is asked for, and no control characters.

    What is printed holds names from a user's files.
    """

    def print(self, *objects: Any, markup: bool | None = False, **options: Any) -> None:
        super().print(*(printable(o) if isinstance(o, str) else o for o in objects), markup=markup, **options)


out = PlainConsole(highlight=False)
notes = PlainConsole(stderr=True, highlight=False)


class _Count(ProgressColumn):
    """How many items are done, and of how many where that is known."""

    def render(self, task: Task) -> Text:
        done = f"{task.completed:,.0f}"
        return Text(done if task.total is None else f"{done} of {task.total:,.0f}", style="progress.download")


def use_any_encoding() -> None:
    """Let the streams of a console whose encoding lacks Φ print a ? for it, instead of ending in an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


def progress(items: Iterable[Item], what: str, total: int | None = None) -> Iterable[Item]:
    """`items` with a progress bar that disappears when they are done; without a terminal, a line that says it began."""
    if not notes.is_terminal:
        notes.print(what if total is None else f"{what} ({total:,})")
        return items
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), _Count(), TimeRemainingColumn())
    return _with_bar(items, what, total, Progress(*columns, console=notes, transient=True))


def _with_bar(items: Iterable[Item], what: str, total: int | None, bar: Progress) -> Iterable[Item]:
    with bar:
        yield from bar.track(items, total=total, description=what)


def print_table(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> None:
    """Print rows of text; all columns but the first `words` are set to the right."""
    # As text: names from a user's file may hold what rich takes for markup.
    table = Table(title=Text(printable(caption), style="table.title"), title_justify="left")
    for index, title in enumerate(header):
        # Where the terminal is too narrow cells go on in the next line: a figure that is cut is a wrong figure.
        table.add_column(Text(printable(title)), justify="left" if index < words else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    # A pipe has no width; a table cut to a guess would lose figures.
    (out if out.is_terminal else Console(width=200, highlight=False)).print(table)


def is_wide() -> bool:
    """Whether a table of many figures fits; into a pipe anything does."""
    return not out.is_terminal or out.width >= 170


def results_in(path: object) -> None:
    """The last line of a command: where its results are."""
    out.print(f"results: {path}", soft_wrap=True)
