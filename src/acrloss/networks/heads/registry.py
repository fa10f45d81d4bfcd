"""The heads by name: a new one is a module of this folder and a line here."""

import difflib

from acrloss.errors import DataError
from acrloss.networks.heads.head import Head
from acrloss.networks.heads.pooled import PooledHead
from acrloss.networks.heads.soft_argmax import SoftArgmaxHead

HEADS: dict[str, type[Head]] = {
    "pooled": PooledHead,
    "soft_argmax": SoftArgmaxHead,
}


def find_head(name: str) -> type[Head]:
    """The head of that name.

    Raises:
        DataError: there is none.
    """
    if name not in HEADS:
        near = difflib.get_close_matches(str(name), HEADS, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise DataError(f"unknown head {name!r}; {hint}known: {', '.join(HEADS)} (a newer acrloss may have more)")
    return HEADS[name]
