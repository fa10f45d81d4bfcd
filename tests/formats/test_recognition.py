"""Every data set is recognised as one format: the one that it is."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from acrloss.errors import DataError
from acrloss.formats import recognise
from acrloss.formats.registry import FORMATS
from format_fakes import FAKES
from matlab import write_mat5

# What `acrloss data pack` writes has its own tests.
NOT_FAKED = {"packed"}


@pytest.mark.parametrize(("name", "make"), FAKES, ids=[f"{name}-{make.__name__}" for name, make in FAKES])
def test_a_data_set_is_recognised_as_what_it_is(name: str, make: Callable[[Path], Path], tmp_path: Path) -> None:
    path = make(tmp_path / "data")
    assert recognise(path) == name
    # Whatever looks like it as well is said to be more general.
    others = {other for other, format in FORMATS.items() if format.recognises(path)} - {name}
    assert others <= set(FORMATS[name].more_general)
    # And from the folder itself, where people stand in it.
    assert recognise(Path(f"{path}/.")) == name


def test_every_format_has_a_data_set_here() -> None:
    assert {name for name, _ in FAKES} == set(FORMATS) - NOT_FAKED


def test_files_that_say_too_little(tmp_path: Path) -> None:
    for name, text in (
        ("scheme.yaml", "name: cat9\nnum_landmarks: 9\nflip_pairs: []\n"),
        ("train.yaml", "# kpt_shape: none\nepochs: 3\n"),
        ("results.json", '[{"image_id": 1, "category_id": 1, "keypoints": [1, 2, 2], "score": 0.5}]'),
        ("landmarks/classes.txt", "face\n"),
        ("landmarks/count.txt", "3\n1 2\n"),
        ("annot/readme.pts.txt", "1\n"),
        ("image00002.mat", "MATLAB 7.3"),
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    write_mat5(tmp_path / "image00003.mat", other=np.zeros((3, 68)))
    with pytest.raises(DataError, match="no annotated faces of a known format"):
        recognise(tmp_path)
