"""YAML files from anywhere: bounded in size and depth, without aliases, any fault one line with file and line."""

from pathlib import Path
from typing import Any

import yaml

from acrloss.errors import DataError
from acrloss.files import read_limited

_MAX_BYTES = 1_000_000
_MAX_DEPTH = 20
_MAX_VALUE = 10_000
# libyaml's is ten times as fast; not every build of PyYAML has it.
_Safe: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_Base: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def read_yaml(path: str | Path, what: str = "such a file", texts: bool = False) -> dict[str, Any]:
    """The mapping that a YAML file holds; its keys are texts, also within.

    Args:
        path: the file.
        what: its kind, as a message calls it.
        texts: every key and value that is no list or mapping is the text that stands there, "" for nothing.

    Raises:
        DataError: the file cannot be read, is larger than a megabyte, is not YAML or no mapping, has a key twice or one
            that is no text, an alias, or more than 20 levels.
    """
    content = read_limited(path, _MAX_BYTES, what)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{path}: not a YAML file: line {line} is no UTF-8 text; save it as UTF-8") from None
    try:
        _refuse_costly(path, text)
        values = yaml.load(text, _Texts if texts else _Loader)
    except yaml.YAMLError as error:
        raise DataError(f"{path}: not a YAML file: {_problem(error)}; mend the YAML") from error
    except DataError:
        raise
    except Exception as error:  # PyYAML raises whatever odd values lead to, not YAMLError alone
        raise DataError(f"{path}: not a YAML file: {' '.join(str(error).split())[:200]}") from error
    if not isinstance(values, dict):
        found = "nothing" if values is None else f"a {type(values).__name__}"
        raise DataError(f"{path}: {what} is a mapping of keys to values, but it holds {found}")
    _check_keys(values, str(path))
    return values


def _refuse_costly(path: str | Path, text: str) -> None:
    """Aliases let a small file mean a huge one, depth exhausts the stack, and long numbers take minutes to convert."""
    depth = 0
    for event in yaml.parse(text, _Safe):
        line = 0 if event.start_mark is None else event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            raise DataError(
                f"{path}: the alias *{event.anchor} in line {line} is refused; write out what it stands for"
            )
        if isinstance(event, yaml.ScalarEvent) and len(event.value) > _MAX_VALUE:
            raise DataError(f"{path}: a value of more than {_MAX_VALUE} characters in line {line}")
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _MAX_DEPTH:
            raise DataError(f"{path}: more than {_MAX_DEPTH} levels within each other, line {line}")


class _Once:
    """Refuses a key that is there twice: YAML keeps the last one without a word, and the first would be gone."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            # By its text: 1 and '1' would be one name in tables.
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"key {key.value!r} is there twice", key.start_mark)
            seen.add(str(key.value))
        mapping: dict[Any, Any] = super().construct_mapping(node, deep)  # type: ignore[misc]
        return mapping


class _Loader(_Once, _Safe):  # type: ignore[misc]
    """Numbers, truth values, dates and texts."""


class _Texts(_Once, _Base):  # type: ignore[misc]
    """Texts only."""


def _problem(error: yaml.YAMLError) -> str:
    said = getattr(error, "problem", None) or getattr(error, "reason", None) or error
    mark = getattr(error, "problem_mark", None)
    return " ".join(str(said).split())[:200] + ("" if mark is None else f" in line {mark.line + 1}")


def _check_keys(content: Any, where: str) -> None:
    """Refuse keys that are no text, such as YAML's `on`."""
    for key, value in content.items() if isinstance(content, dict) else enumerate(content):
        if isinstance(content, dict) and not isinstance(key, str):
            raise DataError(f"{where}: key {key!r} is no text; put it in quotes")
        if isinstance(value, dict | list):
            _check_keys(value, where)
