"""Reading JSON files from anywhere: bounded in size, any fault one line with file and line."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Protocol

from acrloss.errors import DataError
from acrloss.files import read_limited, regular_only
from acrloss.formats.fields.values import text

MAX_BYTES = 1_000_000_000
_HEAD = 1 << 20
_TAIL = 1 << 16
# The keys by which the two JSON formats differ; whichever comes first, for the order of keys is anybody's.
_KEYS = re.compile(rb'"(?:(shapes|imagePath)|(images|annotations|categories))"\s*:')
# What the tasks of Label Studio have, which stand in a list; "completions" until its version 1.0.
_TASKS = re.compile(rb'"(?:annotations|completions)"\s*:\s*\[')


class Described(Protocol):
    """A face, read or half read, that knows where it belongs."""

    person: str
    split: str
    subsets: frozenset[str]


def describe(face: Described, values: dict[str, Any]) -> None:
    """Set what our writers note beside a face: person, split and subsets, where `values` has them."""
    if values.get("person"):
        face.person = text(values["person"], "person")
    if values.get("split"):
        face.split = text(values["split"], "split")
    if isinstance(values.get("subsets"), list):
        face.subsets = frozenset(text(tag, "subsets") for tag in values["subsets"])


def load(file: Path) -> dict[str, Any]:
    """The object that a JSON file holds.

    Raises:
        DataError: too large, not JSON, nested too deep, or no object.
    """
    values = _load(file)
    if not isinstance(values, dict):
        raise DataError(f"{file}: expected a JSON object, got {type(values).__name__}")
    return values


def load_list(file: Path) -> list[Any]:
    """The list that a JSON file holds.

    Raises:
        DataError: too large, not JSON, nested too deep, or no list.
    """
    values = _load(file)
    if not isinstance(values, list):
        raise DataError(f"{file}: expected a JSON list, got {type(values).__name__}")
    return values


def _load(file: Path) -> Any:
    content = read_limited(file, MAX_BYTES, "a JSON file", "split it")
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        raise DataError(f"{file}:{error.lineno}: not a JSON file: {error.msg}") from None
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"{file}:{line}: not a JSON file: not {error.encoding} text; save it as UTF-8") from None
    except RecursionError:
        raise DataError(f"{file}: not a file of annotations: nested too deep") from None
    except ValueError as error:  # a number of thousands of digits
        raise DataError(f"{file}: not a file of annotations: {error}") from None


def kind_of(file: Path) -> str:
    """ "labelme", "coco" or "labelstudio" where a .json file looks like it, else ""; reads its beginning and end."""
    try:
        with open(file, "rb", opener=regular_only) as content:
            head = content.read(_HEAD)
            if head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"["):
                return "labelstudio" if _TASKS.search(head) else ""
            if not head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
                return ""
            content.seek(max(len(head), file.stat().st_size - _TAIL))
            match = _KEYS.search(head) or _KEYS.search(content.read(_TAIL))
    except OSError:
        return ""
    return "" if match is None else "labelme" if match[1] else "coco"
