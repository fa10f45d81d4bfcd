"""Reading YAML files from anywhere: bounded in size, without aliases, and every scalar as the text that stands there.

Aliases are what makes a small YAML file grow (444 bytes can ask for gigabytes). As texts, numbers and dates cost and
raise nothing; who needs a number reads it with `acrloss.formats.fields.values`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml

from acrloss.errors import DataError
from acrloss.formats.containers.plain_file import read_bounded

_MAX_BYTES = 200_000
# PyYAML takes minutes over thousands of open brackets.
_MAX_DEPTH = 100


class _Loader(yaml.BaseLoader):
    """Texts, lists and mappings; no aliases."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            problem = "an alias (*name) is refused; write out what it stands for"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
        return super().compose_node(parent, index)


def load_yaml(file: Path) -> dict[str, Any]:
    """The mapping that a YAML file holds: str -> str, list or mapping.

    Raises:
        DataError: too large, not YAML, with aliases, nested too deep, or no mapping; the message names file and line.
    """
    content = read_bounded(file, _MAX_BYTES, "a YAML file that describes a data set")
    if _depth(content) > _MAX_DEPTH:
        raise DataError(f"{file}: not a YAML file that can be read: nested too deep")
    try:
        values = yaml.load(content, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark is not None else ""
        raise DataError(f"{file}{line}: not a YAML file that can be read: {error.problem}") from None
    except RecursionError:
        raise DataError(f"{file}: not a YAML file that can be read: nested too deep") from None
    except (yaml.YAMLError, ValueError, TypeError) as error:
        raise DataError(f"{file}: not a YAML file that can be read: {' '.join(str(error).split())[:200]}") from None
    if not isinstance(values, dict):
        raise DataError(f"{file}: expected keys such as kpt_shape, got {type(values).__name__}")
    return {str(key): value for key, value in values.items()}


def _depth(content: bytes) -> int:
    """How many brackets are open at once, wherever they stand."""
    codes = np.frombuffer(content, np.uint8)
    opened, closed = np.isin(codes, tuple(b"[{")), np.isin(codes, tuple(b"]}"))
    return int(np.cumsum(opened.astype(np.int64) - closed).max(initial=0))
