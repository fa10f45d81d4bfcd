"""Any file of any data set, changed at random: one clear line, never another error, a hang or a huge allocation."""

import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrloss.formats.face import Face
from acrloss.formats.registry import FORMATS
from acrloss.images import IMAGE_SUFFIXES
from acrloss.notes import Note
from format_fakes import FAKES
from hostile import changed, read_anyhow


@pytest.fixture(scope="module", params=FAKES, ids=[f"{name}-{make.__name__}" for name, make in FAKES])
def data_set(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Path]:
    """Format, folder, and what in it is read; whoever changes a file of it puts it back."""
    name, make = request.param
    root = tmp_path_factory.mktemp("data") / "set"
    return name, root, make(root)


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_files_changed_at_random(data_set: tuple[str, Path, Path], data: st.DataObject) -> None:
    name, root, path = data_set
    format = FORMATS[name]
    files = sorted(file for file in root.rglob("*") if file.is_file() and file.suffix not in IMAGE_SUFFIXES)
    file = data.draw(st.sampled_from(files))
    content = file.read_bytes()
    file.write_bytes(data.draw(changed(content)))

    def everything(notes: list[Note]) -> Iterator[Face]:
        """As `read_annotations` reads it."""
        yield from format.read(path, notes)
        if format.scheme is not None:
            format.scheme(path)

    tracemalloc.start()
    try:
        assert format.recognises(path) in (True, False)
        read_anyhow(everything, root)
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()
        file.write_bytes(content)
