"""Schemes by name, from YAML files, or for any number of landmarks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from acrloss.errors import DataError
from acrloss.files import write_atomic
from acrloss.schemes.builtin import SCHEMES
from acrloss.schemes.scheme import Scheme
from acrloss.suggestions import did_you_mean

SCHEME_FILE = "scheme.yaml"
"""A scheme beside annotations of this name is theirs."""


def scheme_names() -> list[str]:
    """Names of the built-in schemes."""
    return list(SCHEMES)


def get_scheme(name_or_yaml: str | Path) -> Scheme:
    """A built-in scheme by its name, or a custom one from a YAML file.

    The file holds `name`, `num_landmarks` and `flip_pairs` (0-based pairs of landmarks that swap when the
    face is mirrored; landmarks on the middle line are in no pair), and optionally `interocular`,
    `interpupil`, `regions`, `contours` (a list of `points` and `closed`) and `profile` (true for half faces).

    Raises:
        DataError: no such scheme or file, or the file is not a scheme; the message names the file and the
            key.
    """
    text = str(name_or_yaml)
    if text in SCHEMES:
        return SCHEMES[text]
    path = Path(text)
    if path.suffix.lower() not in {".yaml", ".yml"}:
        hint = did_you_mean(text.lower(), SCHEMES)
        raise DataError(f"unknown scheme {text!r}{hint}; give one of {', '.join(SCHEMES)} or a .yaml file")
    from acrloss.yaml_file import read_yaml

    try:
        return Scheme.from_dict(read_yaml(path, "a scheme file"))
    except DataError:
        raise
    except ValueError as error:
        raise DataError(f"{path}: {error}") from error


def is_builtin(scheme: Scheme) -> bool:
    """Whether it is one of `scheme_names`, and not merely called so."""
    return SCHEMES.get(scheme.name) == scheme


def scheme_beside(source: Path) -> Path | None:
    """The `SCHEME_FILE` in the folder that holds annotations, or None where there is none."""
    path = (source if source.is_dir() else source.parent) / SCHEME_FILE
    return path if path.is_file() else None


def scheme_text(scheme: Scheme) -> str:
    """A scheme as the text of a YAML file that `get_scheme` reads."""
    import yaml

    return str(yaml.safe_dump(scheme.to_dict(), sort_keys=False, default_flow_style=None, width=110))


def save_scheme(scheme: Scheme, path: str | Path) -> Path:
    """Write a scheme as a YAML file that `get_scheme` reads."""
    return write_atomic(path, scheme_text(scheme))


def generic_scheme(num_landmarks: int, flip: Sequence[int] | None = None, name: str = "custom") -> Scheme:
    """A scheme that knows nothing but the number of landmarks.

    Without `flip` each landmark mirrors to itself, which no real face does: train without horizontal flips
    then.
    """
    return Scheme(name, num_landmarks, tuple(range(num_landmarks)) if flip is None else tuple(flip))
