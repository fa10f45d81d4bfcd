"""What to answer where options cannot be understood: the file and line, and what was probably meant."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from acrloss.errors import DataError
from acrloss.suggestions import did_you_mean, plain_types, wrong_value


def configurations(given: Sequence[str], options: Sequence[str]) -> Iterator[tuple[Path, str]]:
    """The configuration files that are named, each with the group of options that it is of ("" for --config)."""
    for word, following in zip(given, [*given, ""][1:], strict=True):
        option, equals, value = word.partition("=")
        value = value if equals else following
        group = option.removeprefix("--")
        if not value:
            continue  # jsonargparse says what is missing
        if option == "--config":
            yield Path(value), ""
        elif option in options and any(other.startswith(f"{option}.") for other in options):
            yield Path(value), f"{group}."


def check_names(path: Path, group: str, options: Sequence[str], defaults: Any) -> None:
    """Refuse a configuration that is none, has a name that is no option, or no value where one is needed.

    Raises:
        DataError: names the file, and the nearest option.
    """
    # Only here: without YAML's package what is missing is told by another.
    from acrloss.yaml_file import read_yaml

    groups = {option.rpartition(".")[0] for option in options if "." in option}

    def check(values: dict[str, Any], before: str) -> None:
        for key, value in values.items():
            option = f"--{before}{key}"
            if option not in options and option not in groups:
                meant = did_you_mean(f"{before}{key}", [known.removeprefix("--") for known in options])
                raise DataError(f"{_place(str(key), [path])}unknown option {before}{key}{meant}")
            if option in groups:
                if not isinstance(value, dict):
                    raise DataError(
                        f"{path}: {before}{key} is a group of options, as in {key}: {{...: ...}}, not {value!r}"
                    )
                check(value, f"{before}{key}.")
            elif value is None and defaults.get(f"{before}{key}") is not None:
                raise DataError(f"{_place(str(key), [path])}{before}{key} has no value; give one, or leave it out")

    check(read_yaml(path, "a configuration"), group)


def explain(error: str, given: Sequence[str], options: Sequence[str], configs: Sequence[Path]) -> str:
    """jsonargparse's view of a mistake as the user's.

    Args:
        error: its message.
        given: the words of the command line.
        options: all that there are, with their dashes.
        configs: the configuration files that were given.
    """
    for word in (word.split("=")[0] for word in given):
        if word.startswith("--") and word not in options and word in error:
            return f"unknown option {word}{did_you_mean(word, options)}"
    if wrong := wrong_value(error):
        key, what = wrong
        on_line = any(word.split("=")[0] == f"--{key}" for word in given)
        where = "" if on_line else _place(key.rpartition(".")[2], configs)
        return f"{where}--{key}: {what}"
    return plain_types(error)


def _place(key: str, configs: Sequence[Path]) -> str:
    """ "FILE:LINE: " of a key in the last of the files that has it, or ""."""
    for path in reversed(configs):
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeError):
            continue
        for number, line in enumerate(lines, start=1):
            if re.search(rf"(?:^|[\s{{,])[\"']?{re.escape(key)}[\"']?\s*:", line):
                return f"{path}:{number}: "
    return ""
