"""What holds for every format in the table, also for one that is added: nothing here names a format."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any, get_type_hints

import cv2
import numpy as np
import pytest

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.formats import read_annotations, recognise, write_annotations
from acrloss.formats.registry import FORMATS, WRITERS, table
from acrloss.images import read_image
from acrloss.schemes import Scheme, get_scheme

SCHEME = Scheme("four", 4, (1, 0, 2, 3), contours=(((0, 1, 2), True),))
PAGE = Path(__file__).parents[2] / "docs" / "datasets" / "README.md"
EXACT = 1e-5
# File names that a shell, a list or a path of another system would take for something else.
ODD_NAMES = [
    *("a b.png", "ü.png", "'q' & <x>.png", "-rf.png", "...png", "a\\b.png", "..\\c.png", "con.png", "d;e,f.png"),
    *("$(x).png", "%2e%2e%2f.png", "~.png", "C:g.png", "#h.png", "x" * 200 + ".png", "i.json.png", '"j".png'),
]
HOSTILE = [
    *("../evil", "../../evil", "/var/evil", "..", ".", "a/b", "a\\..\\..\\b", "C:\\evil", ".hidden", "x" * 300, "NUL"),
    *("train/../../evil", "~/evil", "evil\u202etxt", "a;b", '<x y="1">', "{0}", "%s", "-", "é"),
]


def draw(path: Path, shade: int) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(cv2.imencode(".png", np.full((60, 80, 3), shade, np.uint8))[1].tobytes())
    return str(path)


def faces_of(images: list[str], **known: Any) -> Annotations:
    """A face in each image, their landmarks well apart."""
    corner = np.stack([np.arange(len(images)) % 8 * 6, np.arange(len(images)) // 8 * 6], axis=1)
    landmarks = corner[:, None] + np.array([[0, 0], [20.25, 1.5], [10.125, 12], [9, 20.0625]])
    return Annotations.create(images, landmarks, SCHEME, source="faces", **known)


def aligned(a: Annotations, b: Annotations) -> Annotations:
    """`b` in the order of `a`, by the known landmarks nearest to each other."""
    distance = np.abs(np.nan_to_num(a.landmarks[:, None], nan=-1e3) - np.nan_to_num(b.landmarks[None], nan=-1e3))
    order = distance.max(axis=(2, 3)).argmin(axis=1)
    assert sorted(order.tolist()) == list(range(len(b)))
    return b.select(order)


def everything_below(folder: Path, but: Path) -> dict[str, bytes]:
    return {
        str(path): path.read_bytes() if path.is_file() else b"folder"
        for path in folder.rglob("*")
        if path != but and not path.is_relative_to(but)
    }


@pytest.mark.parametrize("name", FORMATS)
def test_a_format_says_what_it_is(name: str) -> None:
    format = FORMATS[name]
    assert format.title
    assert format.looks_like
    hints = get_type_hints(format.read)
    for option in format.options:
        assert option.text, f"the Args of read_faces say nothing of {option.name}"
        assert option.name in hints
        format.check_options(name, {option.name: option.default})
        with pytest.raises(DataError, match=f"option {option.name} of format {name} is "):
            format.check_options(name, {option.name: object()})
    with pytest.raises(DataError, match=f"unknown option 'none_such' of format {name}; it has "):
        format.check_options(name, {"none_such": 1})
    assert set(format.more_general) <= set(FORMATS)


@pytest.mark.parametrize("name", FORMATS)
def test_looking_at_anything_never_fails(name: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "dangling.csv").symlink_to("nowhere")
    for content in (b"", b"\0\xff", b"<", b"{", b"image,x0,y0\n"):
        for suffix in ("", ".json", ".xml", ".csv", ".txt", ".mat", ".pts", ".yaml", ".jsonl"):
            (tmp_path / f"file{suffix}").write_bytes(content)
            assert FORMATS[name].recognises(tmp_path / f"file{suffix}") in (True, False)
    for path in (tmp_path, tmp_path / "empty", tmp_path / "none", tmp_path / "folder.json", tmp_path / "dangling.csv"):
        assert FORMATS[name].recognises(path) in (True, False)


@pytest.mark.parametrize("name", WRITERS)
def test_what_every_format_holds_comes_back(name: str, tmp_path: Path) -> None:
    images = [draw(tmp_path / "source" / f"{i}.png", 10 * i) for i in range(5)]
    splits = ["train", "train", "val", "test", ""]
    faces = faces_of(images, splits=splits)
    write_annotations(faces, tmp_path / "out", name)
    assert recognise(tmp_path / "out") == name
    back = aligned(faces, read_annotations(tmp_path / "out", scheme=SCHEME))
    np.testing.assert_allclose(back.landmarks, faces.landmarks, rtol=0, atol=EXACT)
    assert back.splits == tuple(splits)
    assert back.visible.all()
    assert back.notes == ()
    for i, image in enumerate(back.images):
        assert read_image(image)[0, 0, 0] == 10 * i
    if WRITERS[name].images == "named":
        assert back.images == tuple(images)


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("flip", [(1, 0, 2, 3), (0, 1, 2, 3)])
def test_a_scheme_of_ones_own_comes_back(name: str, flip: tuple[int, ...], tmp_path: Path) -> None:
    own = Scheme("four", 4, flip, interocular=(0, 1), regions={"eyes": (0, 1)}, noun="wing")
    faces = replace(faces_of([draw(tmp_path / "source" / f"{i}.png", 10 * i) for i in range(3)]), scheme=own)
    write_annotations(faces, tmp_path / "out", name)
    assert recognise(tmp_path / "out") == name
    assert read_annotations(tmp_path / "out").scheme == own
    assert get_scheme(tmp_path / "out" / "scheme.yaml") == own
    # What the caller says counts more.
    assert read_annotations(tmp_path / "out", scheme=SCHEME).scheme == SCHEME
    assert not read_annotations(tmp_path / "out", scheme="generic").scheme.has_flip_pairs


@pytest.mark.parametrize("name", WRITERS)
def test_nothing_is_lost_without_a_word(name: str, tmp_path: Path) -> None:
    format = WRITERS[name]
    images = [draw(tmp_path / "source" / f"{i}.png", 10 * i) for i in range(4)]
    # Two faces in one image.
    images[1] = images[0]
    faces = faces_of(
        images,
        boxes=[[0, 0, 30.5, 30], [math.nan] * 4, [12.25, 0, 40, 30], [18, 0, 50, 30]],
        persons=["Ann", "Bob & Co", "", "Zoë"],
        splits=["train", "my own", "", "test"],
        subsets=[frozenset({"hard", "full"}), frozenset(), frozenset({"a b"}), frozenset()],
        visible=[[True, False, True, True], [True] * 4, [False] * 4, [True] * 4],
    )
    marks = faces.landmarks.copy()
    marks[3, 2] = math.nan
    faces = Annotations.create(
        images,
        marks,
        SCHEME,
        boxes=faces.boxes,
        persons=faces.persons,
        splits=faces.splits,
        subsets=faces.subsets,
        visible=faces.visible & ~np.isnan(marks[..., 0]),
    )
    said = " ".join(write_annotations(faces, tmp_path / "out", name, copy_images=True))
    if "missing landmarks" in format.cannot_hold:
        assert f"{name} cannot hold missing landmarks, which 1 of 4 faces have" in said
        faces = faces.select([0, 1, 2])
    back = aligned(faces, read_annotations(tmp_path / "out", scheme=SCHEME, repeated="keep"))
    np.testing.assert_allclose(back.landmarks, faces.landmarks, rtol=0, atol=EXACT)
    for field, word in (("visible", "visibility"), ("boxes", "box"), ("persons", "person"), ("subsets", "subset")):
        before, after = np.array(getattr(faces, field)), np.array(getattr(back, field))
        same = np.allclose(before, after, atol=EXACT, equal_nan=True) if field == "boxes" else (before == after).all()
        assert same or word in said, f"{field} changed without a word: {said}"
    assert back.splits == faces.splits or "split" in said
    for i, image in enumerate(back.images):
        assert Path(image).is_relative_to(tmp_path / "out")
        assert read_image(image)[0, 0, 0] == 10 * int(Path(faces.images[i]).stem)


@pytest.mark.parametrize("copy_images", [False, True])
@pytest.mark.parametrize("name", WRITERS)
def test_no_writer_writes_outside_its_folder(name: str, copy_images: bool, tmp_path: Path) -> None:
    source, out = tmp_path / "a/b/source", tmp_path / "a/b/out"
    images = [draw(source / odd, 10 * i) for i, odd in enumerate(ODD_NAMES)]
    # The same names again, by a way round.
    images += [f"{source}/../source/{ODD_NAMES[0]}", draw(source / "deeper" / ODD_NAMES[1], 250)]
    count = len(images)
    texts = [HOSTILE[i % len(HOSTILE)] for i in range(count)]
    faces = faces_of(
        images,
        persons=texts,
        splits=texts,
        subsets=[frozenset({text.replace(";", ",")}) for text in texts],
    )
    before = everything_below(tmp_path, out)
    here = sorted(Path().iterdir())
    write_annotations(faces, out, name, copy_images=copy_images)
    assert everything_below(tmp_path, out) == before
    assert sorted(Path().iterdir()) == here
    assert not any(path.is_symlink() for path in out.rglob("*"))
    back = aligned(faces, read_annotations(out, scheme=SCHEME, repeated="keep"))
    assert [note for note in back.notes if note.kind == "left out"] == []
    shades = [10 * i for i in range(len(ODD_NAMES))] + [0, 250]
    assert [int(read_image(image)[0, 0, 0]) for image in back.images] == shades


def test_the_page_has_the_table() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert "\n".join(table()) in page, "run python tools/format_table.py"
    for name in FORMATS:
        assert f"\n| `{name}` | " in page


def test_the_help_names_every_format() -> None:
    from acrloss.commands.data_options import FORMAT_HELP, OPTIONS_HELP

    for name, format in FORMATS.items():
        assert name in FORMAT_HELP
        assert all(option.name in OPTIONS_HELP for option in format.options)
