"""Annotation files as `Annotations`, and back: a module a format, one table of them in `registry`."""

from acrloss.formats.face import Face
from acrloss.formats.read import read_annotations
from acrloss.formats.registry import FORMATS, recognise
from acrloss.formats.write import write_annotations

__all__ = ["FORMATS", "Face", "read_annotations", "recognise", "write_annotations"]
