"""What somebody meant who mistyped a name or gave an option a value that it cannot have."""

import difflib
import re
from collections.abc import Iterable

# As jsonargparse says it.
_WRONG_VALUE = re.compile(r'Parser key "(?P<key>[\w.]+)":\s*(?P<what>.*)', re.DOTALL)
_CLASS = re.compile(r"<class '(\w+)'>")
_CHOICE = re.compile(r"typing\.Literal\[(.*?)\]")
_SEVERAL = re.compile(r"any of the Union subtypes Subtypes: \[(?P<kinds>.*)\] Errors: .*Given value: (?P<value>.*)")
# Not within brackets.
_NEXT_KIND = re.compile(r", (?![^\[]*\])(?=list|str|int|NoneType|one of)")
_EXPECTED = re.compile(r"Expected an? (.+?)\. Got value: ")


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


def wrong_value(error: str) -> tuple[str, str] | None:
    """The option that jsonargparse complains of, and what is wrong with its value, in one line; None where that is not
    what it complains of."""
    wrong = _WRONG_VALUE.search(error)
    if wrong is None:
        return None
    what = " ".join(_CHOICE.sub(r"one of \1", plain_types(wrong["what"])).split())
    if several := _SEVERAL.search(what):
        kinds = " or ".join(dict.fromkeys(_NEXT_KIND.split(several["kinds"])))
        return wrong["key"], f"expected {kinds.replace('NoneType', 'null')}, got {several['value']}"
    return wrong["key"], _EXPECTED.sub(r"expected \1, got ", what)


def plain_types(text: str) -> str:
    """A message in which types are called as they are written."""
    return _CLASS.sub(r"\1", text)
