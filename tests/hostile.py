"""What a stranger's file may hold, and what reading it must end in: sound faces, and lines that say where."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from acrloss.errors import DataError
from acrloss.formats.face import Face
from acrloss.notes import Note

# What is put in: values at the edge of what the formats allow, and beyond.
ODD = [
    *(b"", b"0", b"-1", b"1e999", b"NaN", b"nan", b"1_0", b"null", b"true", b'""', b"[]", b"{}", b"'", b'"', b"[[1]]"),
    *(b"<", b">", b"/", b",", b";", b":", b"- ", b"&a ", b"*a", b"#", b"}", b"{", b"\x00", b"\xff", b"\n", b"\t"),
    *(b"&#10;", b"&amp;", b"&x;", b"<box/>", b"<points/>", b"<image>", b"</image>", b"<part/>", b"<!--", b"<![CDATA["),
    *(b"10000000000", b"999999999999", b'"\\ud800"', b'"\\u0000"', b"106\n", b"../../../etc", b"/dev/zero", b"data:"),
    *(b"!!python/object:os.system", b"parentID", b"images", b"%00", b"?d="),
]


@st.composite
def changed(draw: st.DrawFn, content: bytes) -> bytes:
    """`content` with a few pieces removed, doubled or replaced, and now and then without its end."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 40)))
        put = draw(st.sampled_from(ODD) | st.just(content[start:end] * 2) | st.binary(max_size=8))
        content = content[:start] + put + (b"" if draw(st.integers(0, 9)) == 0 else content[end:])
    return content


def overwritten(content: bytes) -> st.SearchStrategy[bytes]:
    """`content` with up to four bytes replaced by none to three others each."""
    changes = st.lists(st.tuples(st.integers(0, len(content) - 1), st.binary(max_size=3)), max_size=4)
    return changes.map(lambda made: b"".join(dict(made).get(i, content[i : i + 1]) for i in range(len(content))))


def read_anyhow(read: Callable[[list[Note]], Iterable[Face]], place: Path) -> tuple[list[Face], list[Note], list[str]]:
    """What reading gives: the faces that came, which are sound, the notes, and the line that it ended in, if any.

    Each note and the line name `place` and are of one line.
    """
    faces: list[Face] = []
    notes: list[Note] = []
    fault: list[str] = []
    try:
        faces.extend(read(notes))
    except DataError as error:
        fault = [str(error)]
    for face in faces:
        assert face.landmarks.ndim == 2
        assert face.landmarks.shape[1] == 2
        assert not np.isinf(face.landmarks).any()
        assert face.visible is None or face.visible.shape == face.landmarks.shape[:1]
        assert face.box is None or (face.box[0] < face.box[2] and face.box[1] < face.box[3])
        for text in (face.image, face.person, face.split, *face.subsets):
            text.encode()
            assert "\n" not in text
    for line in [*map(str, notes), *fault]:
        line.encode()
        assert str(place) in line
        assert "\n" not in line
    return faces, notes, fault
