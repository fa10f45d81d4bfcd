"""How commands speak: results to standard output, everything else to standard error."""

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.progress import track
from rich.table import Table
from rich.text import Text

from acrloss.progress_hook import Item

out = Console(highlight=False)
notes = Console(stderr=True, highlight=False)


def progress(items: Iterable[Item], what: str, total: int | None = None) -> Iterable[Item]:
    """`items` with a progress bar that disappears when they are done; nothing without a terminal."""
    return track(items, what, total=total, console=notes, transient=True, disable=not notes.is_terminal)


def print_table(caption: str, header: Sequence[str], rows: Sequence[Sequence[str]], words: int = 1) -> None:
    """Print rows of text; all columns but the first `words` are set to the right."""
    # As text: names from a user's file may hold what rich takes for markup.
    table = Table(title=Text(caption, style="table.title"), title_justify="left")
    for index, title in enumerate(header):
        # Where the terminal is too narrow cells go on in the next line: a figure that is cut is a wrong figure.
        table.add_column(Text(title), justify="left" if index < words else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    # A pipe has no width; a table cut to a guess would lose figures.
    (out if out.is_terminal else Console(width=200, highlight=False)).print(table)


def is_wide() -> bool:
    """Whether a table of many figures fits; into a pipe anything does."""
    return not out.is_terminal or out.width >= 170


def results_in(path: object) -> None:
    """The last line of a command: where its results are."""
    out.print(f"results: {path}", markup=False, soft_wrap=True)
