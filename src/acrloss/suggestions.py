"""What somebody meant who mistyped a name."""

import difflib
from collections.abc import Iterable


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The name that was probably meant by `word`, or None.

    Names of several words are known by their last part ("learning_rate" is "optim.learning_rate") and by their initials
    ("lr"), before spelling is compared.
    """
    names = list(known)
    plain = word.lstrip("-")
    for candidate in names:
        last = candidate.lstrip("-").rpartition(".")[2]
        if plain == last or (len(plain) > 1 and plain == "".join(part[:1] for part in last.split("_"))):
            return candidate
    close = difflib.get_close_matches(word, names, n=1)
    if close:
        return close[0]
    lasts = {candidate.lstrip("-").rpartition(".")[2]: candidate for candidate in reversed(names)}
    close = difflib.get_close_matches(plain.rpartition(".")[2], lasts, n=1)
    return lasts[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """ "; did you mean X?", or "" where nothing is near."""
    near = nearest(word, known)
    return f"; did you mean {near}?" if near else ""
