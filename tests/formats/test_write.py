"""Round trips through every writable format."""

import resource
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.formats import read_annotations, write_annotations
from acrloss.formats.csv import write_faces as write_csv
from acrloss.formats.csv_header import MISSING
from acrloss.formats.fields.splits import split_meant
from acrloss.formats.pts import image_folder, read_pts
from acrloss.formats.registry import WRITERS
from acrloss.images import read_image
from acrloss.schemes import Scheme
from real_data import FACES_300W, needs_300w

SCHEME = Scheme("four", 4, (1, 0, 2, 3), contours=(((0, 1, 2), True),))
# Six decimals are written.
EXACT = 1e-6


def faces_in(folder: Path) -> Annotations:
    """Five faces in four pictures, with everything that annotations can have."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    images = [str(folder / name) for name in ("a.jpg", "a.jpg", "sub/a.jpg", "b & <c>.png", "d.bmp")]
    for i, image in enumerate(images):
        Path(image).parent.mkdir(exist_ok=True)
        cv2.imwrite(image, np.full((60, 80, 3), 40 * i, np.uint8))
    corner = np.array([[0, 0], [40, 20], [5, 5], [0, 0], [30, 30]])
    landmarks = corner[:, None] + rng.uniform(0, 25, (5, 4, 2))
    landmarks[1, 2] = landmarks[4, :2] = np.nan
    visible = rng.random((5, 4)) < 0.6
    boxes = np.concatenate([corner - 2.25, corner + 27.5], axis=1)
    boxes[3] = np.nan
    return Annotations.create(
        images,
        landmarks,
        SCHEME,
        visible=visible & ~np.isnan(landmarks[..., 0]),
        boxes=boxes,
        persons=["Ann", "Bob & Co", "", "Ann", "Zoë"],
        splits=["train", "train", "val", "my own", ""],
        subsets=[frozenset({"hard", "full"}), frozenset(), frozenset({"a b"}), frozenset(), frozenset({"full"})],
        source="five",
    )


def aligned(a: Annotations, b: Annotations) -> Annotations:
    """`b` in the order of `a`, by the known landmarks nearest to each other."""
    distance = np.abs(np.nan_to_num(a.landmarks[:, None], nan=-1e3) - np.nan_to_num(b.landmarks[None], nan=-1e3))
    order = distance.max(axis=(2, 3)).argmin(axis=1)
    assert sorted(order.tolist()) == list(range(len(b)))
    return b.select(order)


@pytest.mark.parametrize("copy_images", [False, True])
@pytest.mark.parametrize("name", WRITERS)
def test_round_trip_of_everything(name: str, copy_images: bool, tmp_path: Path) -> None:
    faces = faces_in(tmp_path / "source")
    notes = write_annotations(faces, tmp_path / "out", name, copy_images=copy_images)
    held = {"missing landmarks", "visibility", "boxes", "persons", "subsets"} - WRITERS[name].cannot_hold
    for what in WRITERS[name].cannot_hold:
        assert sum(note.startswith(f"{name} cannot hold {what}, which ") for note in notes) == 1
    if "missing landmarks" not in held:
        faces = faces.select([0, 2, 3])
    back = aligned(faces, read_annotations(tmp_path / "out", scheme=SCHEME, repeated="keep"))
    assert back.skipped == ()
    np.testing.assert_allclose(back.landmarks, faces.landmarks, rtol=0, atol=EXACT)
    if "visibility" in held:
        np.testing.assert_array_equal(back.visible, faces.visible)
    if name in ("imglab", "labelstudio", "yolo"):
        # These have no face without a box.
        np.testing.assert_allclose(back.boxes[[0, 1, 2, 4]], faces.boxes[[0, 1, 2, 4]], rtol=0, atol=EXACT)
        np.testing.assert_allclose(back.boxes[3], faces.landmark_boxes()[3], rtol=0, atol=EXACT)
        assert any("1 faces got the box around their landmarks" in note for note in notes)
    elif "boxes" in held:
        np.testing.assert_allclose(back.boxes, faces.boxes, rtol=0, atol=EXACT)
    if "persons" in held:
        assert back.persons == faces.persons
    if name == "pts":
        assert back.splits == ("train", "val", "")
        assert any("3 faces lose theirs" in note for note in notes)
    elif name == "imglab":
        assert back.splits == ("train", "train", "val", "", "")
        assert any("the split of 1 faces is left out" in note for note in notes)
    elif name == "yolo":
        assert back.splits == ("train", "train", "val", "", "")
        assert back.subsets == (frozenset(),) * 5
        assert any("2 faces of none of them are in unsplit" in note for note in notes)
    else:
        assert back.splits == faces.splits
        assert back.subsets == faces.subsets
        assert [note for note in notes if "faces got the box around" not in note] == []
    for image, original in zip(back.images, faces.images, strict=True):
        assert Path(image).is_relative_to(tmp_path / "out") == (copy_images or WRITERS[name].images != "named")
        assert Path(image).read_bytes() == Path(original).read_bytes()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("name", WRITERS)
def test_round_trip_of_synthetic_faces(name: str, tmp_path: Path) -> None:
    faces = read_annotations("synthetic:32@5").select([0, 1, 12, 31])
    if WRITERS[name].images == "named":
        with pytest.raises(DataError, match=r"synthetic://5/0 is no image file; give --copy_images true"):
            write_annotations(faces, tmp_path / "out", name)
    seen: list[int] = []

    def watch(items: Iterable[Any], what: str, total: int | None = None) -> Iterable[Any]:
        for i in items:
            seen.append(i)
            yield i

    write_annotations(faces, tmp_path / "out", name, copy_images=True, progress=watch)
    assert seen == [0, 1, 2, 3]
    back = aligned(faces, read_annotations(tmp_path / "out"))
    np.testing.assert_allclose(back.landmarks, faces.landmarks, rtol=0, atol=EXACT)
    assert back.splits == faces.splits
    assert set(back.splits) == {"train", "val", "test"}
    assert back.scheme == faces.scheme
    if "persons" not in WRITERS[name].cannot_hold:
        assert back.persons == faces.persons
    np.testing.assert_array_equal(read_image(back.images[3]), read_image("synthetic://5/31"))
    assert len(set(back.images)) == 4


@pytest.fixture(scope="module")
def real_faces() -> Annotations:
    every = read_annotations(FACES_300W)
    return every.select(np.arange(0, len(every), 40))


@needs_300w
@pytest.mark.parametrize("name", WRITERS)
def test_round_trip_of_real_faces(name: str, real_faces: Annotations, tmp_path: Path) -> None:
    faces = real_faces
    write_annotations(faces, tmp_path / "out", name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        back = aligned(faces, read_annotations(tmp_path / "out", repeated="keep"))
    assert back.skipped == ()
    assert np.abs(back.landmarks - faces.landmarks).max() < 1e-3
    assert back.splits == faces.splits
    if "subsets" not in WRITERS[name].cannot_hold:
        assert back.subsets == faces.subsets
    for image, original in zip(back.images, faces.images, strict=True):
        assert Path(image).read_bytes() == Path(original).read_bytes()


TEXTS = st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=12).map(str.strip)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    values=st.lists(st.floats(-75, 150), min_size=8, max_size=8),
    shown=st.lists(st.booleans(), min_size=4, max_size=4),
    box=st.none() | st.tuples(st.floats(-50, 50), st.floats(-50, 50), st.floats(0.01, 500), st.floats(0.01, 500)),
    person=TEXTS,
    split=TEXTS,
    tags=st.frozensets(TEXTS.filter(lambda tag: tag and ";" not in tag), max_size=3),
)
@pytest.mark.parametrize("name", ["csv", "coco", "cvat", "labelme"])
def test_round_trip_of_anything(
    name: str,
    values: list[float],
    shown: list[bool],
    box: tuple[float, float, float, float] | None,
    person: str,
    split: str,
    tags: frozenset[str],
    tmp_path: Path,
) -> None:
    marks = np.array(values).reshape(1, 4, 2).round(6)
    # A face has an extent, and one landmark at most where "missing" is written by some.
    assume(np.ptp(marks, axis=1).max() > 1)
    assume((marks[..., 0] == marks[..., 1]).sum() < 2)
    # Tables write what is missing as such words.
    assume(name != "csv" or not {person.lower(), split.lower(), *map(str.lower, tags)} & (MISSING - {""}))
    image = tmp_path / "a.png"
    if not image.exists():
        cv2.imwrite(str(image), np.zeros((80, 80, 3), np.uint8))
    faces = Annotations.create(
        [str(image)],
        np.array(values).reshape(1, 4, 2),
        SCHEME,
        visible=[shown],
        boxes=None if box is None else [[box[0], box[1], box[0] + box[2], box[1] + box[3]]],
        persons=[person],
        splits=[split],
        subsets=[tags],
    )
    out = tmp_path / f"{name}{len(list(tmp_path.iterdir()))}"
    assert write_annotations(faces, out, name) == []
    back = read_annotations(out, scheme=SCHEME)
    np.testing.assert_allclose(back.landmarks, faces.landmarks, rtol=0, atol=EXACT)
    np.testing.assert_array_equal(back.visible, faces.visible)
    np.testing.assert_allclose(back.boxes, faces.boxes, rtol=0, atol=EXACT)
    assert back.persons == (person,)
    assert back.subsets == (tags,)
    # Spellings of the usual splits are understood, and CVAT's own besides.
    assert back.splits == (split_meant(split),) or name == "cvat"


def test_names_of_copied_images_never_clash(tmp_path: Path) -> None:
    places = ["x/a.jpg", "y/a.jpg", "y/A.png", "z/a.jpg", "a_2.jpg", "noending", "odd.heic"]
    for place in places:
        (tmp_path / place).parent.mkdir(exist_ok=True)
        content = cv2.imencode(".png", np.full((9, 9, 3), 20 * places.index(place), np.uint8))[1].tobytes()
        (tmp_path / place).write_bytes(content)
    landmarks = np.arange(len(places))[:, None, None] + np.arange(8).reshape(1, 4, 2)
    faces = Annotations.create([str(tmp_path / place) for place in places], landmarks, SCHEME)
    for name in WRITERS:
        write_annotations(faces, tmp_path / name, name, copy_images=True)
        back = aligned(faces, read_annotations(tmp_path / name, scheme=SCHEME))
        for i, image in enumerate(back.images):
            assert read_image(image)[0, 0, 0] == 20 * i
        assert len({Path(image).stem.lower() for image in back.images}) == len(places)


def test_pts_folders_keep_the_subsets_of_300w(faces_300w: Path, tmp_path: Path) -> None:
    faces = read_annotations(faces_300w)
    assert write_annotations(faces, tmp_path / "out", "pts") == []
    assert sorted(str(path.parent.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.pts")) == (
        ["test/challenging"] * 4 + ["test/common"] * 6 + ["train"] * 14
    )
    back = aligned(faces, read_annotations(tmp_path / "out"))
    assert back.subsets == faces.subsets
    assert image_folder("private", frozenset({"private", "indoor"})) == "private/indoor"
    assert image_folder("mine", frozenset()) == ""


def test_a_folder_that_means_a_split_is_refused(tmp_path: Path) -> None:
    faces = faces_in(tmp_path / "source")
    with pytest.raises(DataError, match="a folder of this name means split 'test'"):
        write_annotations(faces, tmp_path / "test", "pts")
    write_annotations(faces.split("train"), tmp_path / "test", "pts")
    assert len(list((tmp_path / "test/train").iterdir())) == 2


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "cofw"}, "format 'cofw' cannot be written; give one of pts, csv, imglab, coco, cvat, labelme"),
        ({"dest": "source"}, "source is not an empty folder; give another one"),
        ({"dest": "source/a.jpg"}, r"a\.jpg is not an empty folder"),
        ({"dest": "source/a.jpg/out"}, "cannot write .*/out: "),
    ],
)
def test_what_cannot_be_written(options: dict[str, Any], message: str, tmp_path: Path) -> None:
    faces = faces_in(tmp_path / "source")
    dest = tmp_path / options.get("dest", "out")
    with pytest.raises(DataError, match=message):
        write_annotations(faces, dest, options.get("format", "csv"))


def test_a_failure_leaves_nothing(tmp_path: Path) -> None:
    faces = faces_in(tmp_path / "source")
    (tmp_path / "out").mkdir()
    (tmp_path / "source/d.bmp").unlink()
    for name in ("csv", "coco"):
        with pytest.raises(DataError, match=r"d\.bmp"):
            write_annotations(faces, tmp_path / "out", name, copy_images=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "source"]
    assert list((tmp_path / "out").iterdir()) == []
    with pytest.raises(DataError, match="no face that pts can hold"):
        write_annotations(faces.select([1]), tmp_path / "out", "pts")
    with pytest.raises(DataError, match="no face that csv can hold"):
        write_annotations(faces.select([]), tmp_path / "out", "csv")
    # An empty folder is as good as none.
    write_annotations(faces.select([0]), tmp_path / "out", "csv")
    assert (tmp_path / "out/faces.csv").is_file()


def test_written_csv(tmp_path: Path) -> None:
    two = Scheme("two", 2, (1, 0))
    faces = Annotations.create(
        ["a"],
        [[[1, 2.5], [np.nan, np.nan]]],
        two,
        boxes=[[0, 0, 10, 8]],
        persons=["Smith, Ann"],
        splits=["val"],
        subsets=[frozenset({"b", "a"})],
    )
    write_csv(tmp_path, faces, ["images/a.jpg"])
    assert (tmp_path / "faces.csv").read_text() == (
        "image,person,split,subsets,box_x0,box_y0,box_x1,box_y1,x0,y0,x1,y1,visible0,visible1\n"
        'images/a.jpg,"Smith, Ann",val,a;b,0,0,10,8,1,2.5,,,1,0\n'
    )


def test_pts_are_one_based(tmp_path: Path) -> None:
    faces = faces_in(tmp_path / "source").select([0])
    write_annotations(faces, tmp_path / "out", "pts")
    (file,) = (tmp_path / "out").rglob("*.pts")
    first = [float(v) for v in file.read_text().splitlines()[3].split()]
    np.testing.assert_allclose(first, faces.landmarks[0, 0] + 1, rtol=0, atol=EXACT)
    np.testing.assert_allclose(read_pts(file), faces.landmarks[0], rtol=0, atol=EXACT)


def test_a_full_disk_is_told_of_the_folder_that_is_written(tmp_path: Path) -> None:
    faces = faces_in(tmp_path / "source")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    # As good as a full disk: no file may grow beyond 100 bytes.
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        for copied in (True, False):
            with pytest.raises(DataError, match=r"cannot write \S*/out: File too large; make room") as caught:
                write_annotations(faces, tmp_path / "out", "csv", copy_images=copied)
            assert "source" not in str(caught.value)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["source"]
