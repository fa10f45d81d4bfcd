"""Any file of any data set, changed at random: one clear line, never another error, a hang or a huge allocation."""

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acrloss.errors import DataError
from acrloss.formats.face import Face
from acrloss.formats.registry import FORMATS
from acrloss.images import IMAGE_SUFFIXES
from acrloss.notes import Note
from format_fakes import FAKES

ODD = [
    *(
        b"",
        b"0",
        b"-1",
        b"1e999",
        b"nan",
        b"1_0",
        b"null",
        b"true",
        b'""',
        b"[]",
        b"{}",
        b"'",
        b'"',
        b":",
        b"- ",
        b"&a ",
    ),
    *(b"*a", b"\x00", b"\xff", b"\n", b"\t", b"999999999999", b"[[1]]", b"../../../etc", b"/", b"106\n", b"}", b"{"),
    *(b'"\\ud800"', b"!!python/object:os.system", b"parentID", b"images", b"/dev/zero", b"data:", b"%00", b"?d=", b"#"),
]


def read(name: str, path: Path, root: Path) -> None:
    """Read as `read_annotations` does; whatever comes must be sound faces, and lines that name a file below `root`."""
    notes: list[Note] = []
    faces: list[Face] = []
    message = str(root)
    tracemalloc.start()
    try:
        faces += FORMATS[name].read(path, notes)
        if (scheme := FORMATS[name].scheme) is not None:
            scheme(path)
    except DataError as error:
        message = str(error)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < 50_000_000
    assert "\n" not in message
    assert str(root) in message
    for face in faces:
        assert face.landmarks.ndim == 2
        assert face.landmarks.shape[1] == 2
        assert not np.isinf(face.landmarks).any()
        assert face.visible is None or face.visible.shape == face.landmarks.shape[:1]
        assert face.box is None or (face.box[0] < face.box[2] and face.box[1] < face.box[3])
        for text in (face.image, face.person, face.split, *face.subsets):
            text.encode()
            assert "\n" not in text
    for note in notes:
        assert str(root) in note.where or str(root) in note.message
        assert "\n" not in str(note)
        str(note).encode()


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
@pytest.mark.parametrize(("name", "make"), FAKES, ids=[f"{name}-{make.__name__}" for name, make in FAKES])
def test_files_changed_at_random(
    name: str, make: Callable[[Path], Path], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("data") / "set"
    path = make(root)
    files = sorted(file for file in root.rglob("*") if file.is_file() and file.suffix not in IMAGE_SUFFIXES)
    file = data.draw(st.sampled_from(files))
    content = file.read_bytes()
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(content)))
        end = min(len(content), start + data.draw(st.integers(0, 40)))
        put = data.draw(st.sampled_from(ODD) | st.just(content[start:end] * 2) | st.binary(max_size=8))
        content = content[:start] + put + (b"" if data.draw(st.integers(0, 9)) == 0 else content[end:])
    file.write_bytes(content)
    assert FORMATS[name].recognises(path) in (True, False)
    read(name, path, root)
