"""Reading XML files from anywhere: streamed, with line numbers, and without what makes XML dangerous.

A document type is refused, and with it entities (billion laughs, external files) and attribute defaults. Depth,
length of a tag and size of the file are bounded. So neither a small file can grow in memory nor a large one surprise.
"""

from __future__ import annotations

from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

from acrloss.errors import DataError
from acrloss.files import regular_only

_MAX_BYTES = 4_000_000_000
_MAX_TAG = 16_000_000
_MAX_DEPTH = 100
_MAX_TEXT = 10_000
_CHUNK = 1 << 20
_HEAD = 1 << 16


class Document:
    """An XML file; sub-classes override `start` and `end`.

    Attributes:
        file: the file.
        stack: names of the open elements, outermost first.
        text: the text of the current element so far, shortened to 10,000 characters.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.stack: list[str] = []
        self.text = ""
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters
        self._parser.StartDoctypeDeclHandler = self._doctype

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins; `stack` does not hold it yet."""

    def end(self, tag: str) -> None:
        """An element ends; `stack` does not hold it any more, `text` is its text."""

    @property
    def line(self) -> int:
        """The line at which the current element's tag begins."""
        return self._parser.CurrentLineNumber

    def parse(self) -> None:
        """Read the file.

        Raises:
            DataError: not well-formed, or beyond the bounds; the message names file and line.
        """
        try:
            if (size := self.file.stat().st_size) > _MAX_BYTES:
                raise DataError(f"{self.file}: {size} bytes; an XML file may have at most {_MAX_BYTES}, split it")
            with open(self.file, "rb", opener=regular_only) as content:
                fed = 0
                while chunk := content.read(_CHUNK):
                    self.feed(chunk)
                    fed += len(chunk)
                    if fed - self._parser.CurrentByteIndex > _MAX_TAG:
                        self.fail(f"a tag of more than {_MAX_TAG} bytes; this is no file of annotations")
            self.feed(b"", final=True)
        except OSError as error:
            raise DataError(f"{self.file}: cannot be read: {error.strerror or error}") from error

    def feed(self, content: bytes, final: bool = False) -> None:
        try:
            self._parser.Parse(content, final)
        except expat.ExpatError as error:
            raise DataError(
                f"{self.file}:{error.lineno}: not well-formed XML: {expat.ErrorString(error.code)}"
            ) from None
        except DataError:
            raise
        except (ValueError, LookupError) as error:  # an encoding that expat and Python cannot decode
            raise DataError(f"{self.file}:1: not an XML file that can be read: {error}; save it as UTF-8") from error

    def fail(self, what: str) -> NoReturn:
        raise DataError(f"{self.file}:{self.line}: {what}")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        self.start(tag, attributes)
        self.stack.append(tag)
        self.text = ""
        if len(self.stack) > _MAX_DEPTH:
            self.fail(f"elements nested more than {_MAX_DEPTH} deep; this is no file of annotations")

    def _end(self, tag: str) -> None:
        self.stack.pop()
        self.end(tag)
        self.text = ""

    def _characters(self, text: str) -> None:
        if len(self.text) < _MAX_TEXT:
            self.text += text[:_MAX_TEXT]

    def _doctype(self, *_: object) -> None:
        self.fail("a document type declaration (<!DOCTYPE>) is refused, as entities can harm; remove it")


class _Root(Document):
    """Stops at the first element."""

    name = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.name = tag
        raise StopIteration


def root_of(file: Path) -> str:
    """The name of the root element, "" where the file does not begin as XML."""
    document = _Root(file)
    try:
        with open(file, "rb", opener=regular_only) as content:
            document.feed(content.read(_HEAD))
    except (DataError, OSError, StopIteration):
        pass
    return document.name
