"""The heads by name: a new one is a module of this folder and a line here."""

from acrloss.errors import DataError
from acrloss.networks.heads.head import Head
from acrloss.networks.heads.pooled import PooledHead
from acrloss.networks.heads.soft_argmax import SoftArgmaxHead
from acrloss.suggestions import did_you_mean

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
        hint = did_you_mean(str(name), HEADS)
        raise DataError(f"unknown head {name!r}{hint}; known: {', '.join(HEADS)} (a newer acrloss may have more)")
    return HEADS[name]
