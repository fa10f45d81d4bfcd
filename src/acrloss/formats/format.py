"""What a format says of itself; everything else about it follows from this one object of its module."""

from __future__ import annotations

import inspect
import re
import types
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.formats.face import Face
from acrloss.schemes import Scheme

# What not every format has a place for.
Part = Literal["missing landmarks", "visibility", "boxes", "persons", "subsets", "splits"]


@dataclass(frozen=True)
class Option:
    """An option of a format's reader.

    Attributes:
        name: its name.
        type: as in the source, such as "str | None".
        default: its value where it is not given.
        text: what it does.
    """

    name: str
    type: str
    default: Any
    text: str


@dataclass(frozen=True)
class Format:
    """A format of annotations: how it is recognised, read and written, and what sets it apart.

    Attributes:
        title: who writes such files, for the table of formats: "COCO keypoints".
        looks_like: what they look like: "JSON, any category".
        recognises: a quick look whether a file or folder is of this format; never raises, whatever is there.
        read: `read(path, notes, *, option=default, …)` yields every face as it stands in the files. A face that cannot
            be parsed is left out with a `Note` in `notes`; a problem of the whole source is a DataError. Options are
            keywords with types and defaults, documented in the Args of its docstring, and nowhere else.
        write: `write(folder, annotations, images)` writes the faces into an empty folder; `images` names the image of
            each, by an absolute path or, if it was copied, relative to the folder. Files are written into the folder
            only, whatever the faces' images, splits and persons are called. Returns a line for each thing that was
            changed. None where the format is read only.
        add_faceless: `add_faceless(folder, images)` adds images without a face to what `write` wrote; None where the
            files list faces only.
        cannot_hold: what has no place in the format at all. Missing landmarks cannot be left out of a face, so such
            faces are not handed to `write`; of anything else `write_annotations` says that it is lost. "splits" are
            those besides train, val and test.
        images: "named" where files name their images, which can then stay where they are; "beside" where an image is
            found by its place, so that it is always copied; "one each" where, besides, each face needs an image of its
            own.
        image_folder: split and subsets of a face -> the folder, in that of the data set, that its image is copied to.
        refuses: the folder that is to be written and the faces -> why they cannot be written there, or "".
        more_general: formats that such files look like as well; they are not asked then.
        scheme: the landmark scheme that the files themselves tell, or None, used where the caller names none.
    """

    title: str
    looks_like: str
    recognises: Callable[[Path], bool]
    read: Callable[..., Iterator[Face]]
    write: Callable[[Path, Annotations, Sequence[str]], list[str]] | None = None
    add_faceless: Callable[[Path, Sequence[str]], None] | None = None
    cannot_hold: frozenset[Part] = frozenset()
    images: Literal["named", "beside", "one each"] = "named"
    image_folder: Callable[[str, frozenset[str]], str] = lambda split, subsets: "images"
    refuses: Callable[[Path, Annotations], str] = lambda folder, annotations: ""
    more_general: tuple[str, ...] = ()
    scheme: Callable[[Path], Scheme | None] | None = None

    @cached_property
    def options(self) -> tuple[Option, ...]:
        """The keywords of `read`, with what its docstring says of them."""
        texts = _documented(inspect.getdoc(self.read) or "")
        return tuple(
            Option(name, _spelled(parameter.annotation), parameter.default, texts.get(name, ""))
            for name, parameter in inspect.signature(self.read).parameters.items()
            if parameter.kind is parameter.KEYWORD_ONLY
        )

    def check_options(self, name: str, options: Mapping[str, Any]) -> None:
        """
        Raises:
            DataError: an option that `read`, of the format called `name`, does not have, or of another type.
        """
        known = {option.name: option for option in self.options}
        hints = get_type_hints(self.read)
        for key, value in options.items():
            if key not in known:
                raise DataError(f"unknown option {key!r} of format {name}; it has {', '.join(known) or 'no options'}")
            if not _is_of(value, hints[key]):
                raise DataError(f"option {key} of format {name} is {known[key].type}, got {value!r}")


def _documented(docstring: str) -> dict[str, str]:
    """Name -> text of each entry below Args."""
    _, _, below = docstring.partition("\nArgs:\n")
    texts: dict[str, str] = {}
    name = ""
    for line in below.splitlines():
        if line and not line.startswith(" "):
            break
        if entry := re.match(r" {4}(\w+): (.*)", line):
            name, texts[entry[1]] = entry[1], entry[2].strip()
        elif name and line.strip():
            texts[name] += f" {line.strip()}"
    return texts


def _spelled(annotation: object) -> str:
    """A type as in the source, whether or not the module keeps annotations as texts."""
    return annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)


def _is_of(value: Any, hint: Any) -> bool:
    """Whether a value is of a type as readers' options have them."""
    origin, inside = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return any(_is_of(value, each) for each in inside)
    if origin is Literal:
        return value in inside
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return isinstance(value, list | tuple) and all(_is_of(each, inside[0]) for each in value)
    if hint in (int, float) and isinstance(value, bool):
        return False
    return isinstance(value, int | float if hint is float else hint)
