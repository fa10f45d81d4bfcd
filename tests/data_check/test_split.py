"""Splitting a data set: nobody on both sides, shares met, hard faces everywhere."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from acrloss.annotations import Annotations
from acrloss.commands.main import main
from acrloss.data_check.split import split_faces
from acrloss.errors import DataError
from acrloss.formats import read_annotations
from acrloss.images.encode import save_png
from acrloss.schemes import Scheme

SQUARE = Scheme("square", 4, (1, 0, 3, 2))
CORNERS = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])


def annotated(images: list[str], persons: list[str], bend: list[float]) -> Annotations:
    """Faces whose last corner is pulled out by `bend`."""
    marks = np.tile(CORNERS, (len(images), 1, 1))
    marks[:, 3] += np.array(bend)[:, None]
    return Annotations.create(images, marks, SQUARE, persons=persons, source="made")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(0, 12)), min_size=40, max_size=120), st.integers(0, 5))
def test_no_person_and_no_picture_is_on_two_sides(faces: list[tuple[int, int]], seed: int) -> None:
    # Person 0 is unknown. There are no picture files: annotations only.
    images = [f"no-image://{image}" for image, _ in faces]
    data = annotated(images, [f"p{person}" if person else "" for _, person in faces], [0.0] * len(faces))
    try:
        split = split_faces(data, 0.3, 0.2, seed)
    except DataError:
        return
    where: dict[str, set[str]] = {}
    for image, person, name in zip(data.images, data.persons, split.annotations.splits, strict=True):
        assert name in ("train", "val", "test")
        for key in (image, person):
            where.setdefault(key, set()).add(name)
    assert all(len(names) == 1 for key, names in where.items() if key)
    assert replace(split.annotations, splits=data.splits).images == data.images


def test_shares_are_met_and_hard_faces_are_everywhere() -> None:
    rng = np.random.default_rng(0)
    bend = rng.uniform(0, 8, 1000).tolist()
    data = annotated([f"no-image://{i}" for i in range(1000)], [""] * 1000, bend)
    split = split_faces(data, 0.2, 0.1, seed=1)
    names = np.array(split.annotations.splits)
    assert Counter(split.annotations.splits) == {"train": 700, "test": 200, "val": 100}
    assert split.units == 1000
    hardest = np.argsort(bend)[-100:]
    # Of the hardest tenth each part has its share; by chance alone it would be off by more now and then.
    assert (names[hardest] == "test").sum() == pytest.approx(20, abs=3)
    assert (names[hardest] == "val").sum() == pytest.approx(10, abs=3)
    assert split_faces(data, 0.2, 0.1, seed=1).annotations.splits == split.annotations.splits
    assert split_faces(data, 0.2, 0.1, seed=2).annotations.splits != split.annotations.splits


def test_pictures_that_look_the_same_stay_together(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    images, persons = [], []
    for i in range(30):
        picture = np.kron(rng.integers(0, 256, (8, 9, 3)), np.ones((12, 12, 1))).astype(np.uint8)
        for copy, shade in enumerate((0, 3)):
            path = tmp_path / f"{i}_{copy}.png"
            save_png(path, (picture // 2 + shade).astype(np.uint8))
            images.append(str(path))
            persons.append("")
    split = split_faces(annotated(images, persons, [0.0] * 60), 0.3, 0.2)
    names = split.annotations.splits
    assert (split.units, split.duplicates, split.people) == (30, 30, 0)
    assert all(names[2 * i] == names[2 * i + 1] for i in range(30))
    assert Counter(names) == {"train": 30, "test": 18, "val": 12}


def test_too_few_groups_and_wrong_shares_are_refused() -> None:
    data = annotated(["no-image://a", "no-image://b"], ["p", "p"], [0, 0])
    with pytest.raises(DataError, match="made: 1 persons or pictures"):
        split_faces(data)
    for test, val in ((0.5, 0.5), (-0.1, 0.1), (1.0, 0.0)):
        with pytest.raises(ValueError, match="shares"):
            split_faces(data, test, val)


def test_the_command_writes_what_train_reads(
    faces_csv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], fails: Callable[..., str]
) -> None:
    out = tmp_path / "split"
    assert main(["data", "split", str(faces_csv), "--output", str(out), "--test", "0.25", "--val", "0.25"]) == 0
    shown = capsys.readouterr()
    assert "the splits that it has (train, val, test) are replaced" in shown.err
    assert "8 named people" in shown.err
    assert shown.out.splitlines()[-1] == f"results: {out}"
    before, after = read_annotations(faces_csv), read_annotations(out)
    assert Counter(after.splits) == {"train": 12, "val": 6, "test": 6}
    order = [before.images.index(image) for image in after.images]
    np.testing.assert_allclose(after.landmarks, before.landmarks[order], atol=1e-5)
    people = {name: {p for p, s in zip(after.persons, after.splits, strict=True) if s == name} for name in after.splits}
    assert sum(map(len, people.values())) == 8
    assert "not an empty folder" in fails("data", "split", faces_csv, "--output", out)
    assert "shares" in fails("data", "split", faces_csv, "--output", tmp_path / "x", "--test", "1")
