"""How long work tells what it is doing, without knowing who shows it."""

from collections.abc import Iterable
from typing import Protocol, TypeVar

Item = TypeVar("Item")


class Progress(Protocol):
    """Hands on the items of a loop and may show a bar meanwhile; the command line's is `commands.terminal.progress`."""

    def __call__(self, items: Iterable[Item], what: str, total: int | None = None, /) -> Iterable[Item]:
        """
        Args:
            items: what the work goes through.
            what: the work in a word or two, "decoding".
            total: how many items there are; None where nobody knows.
        """
        ...


def no_progress(items: Iterable[Item], what: str, total: int | None = None) -> Iterable[Item]:
    """Shows nothing: the default of everything that takes a `Progress`."""
    return items
