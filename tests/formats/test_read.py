"""What holds for every format: recognition, options, checks of faces, and the real data sets."""

import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.formats import FORMATS, Face, read_annotations
from acrloss.formats.format import Format
from acrloss.formats.pts import write_pts
from acrloss.images import read_image
from acrloss.notes import Note
from acrloss.schemes import Scheme, get_scheme, save_scheme
from real_data import FACES_300W, FACES_YTF68, needs_300w, needs_ytf68

MARKS = np.random.default_rng(0).uniform(5, 55, size=(68, 2))


def add_face(folder: Path, stem: str, marks: np.ndarray = MARKS, suffix: str = ".jpg") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / f"{stem}{suffix}"), np.full((60, 60, 3), 127, np.uint8))
    return write_pts(folder / f"{stem}.pts", marks)


def test_missing_empty_and_unknown_sources(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none: no such file or folder"):
        read_annotations(tmp_path / "none")
    with pytest.raises(DataError, match="the folder is empty"):
        read_annotations(tmp_path)
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(DataError, match=r"no annotated faces of a known format \(pts, csv, "):
        read_annotations(tmp_path)
    with pytest.raises(DataError, match="unknown format 'xml'; give one of pts, csv, "):
        read_annotations(tmp_path, format="xml")
    with pytest.raises(DataError, match="no usable face"):
        read_annotations(tmp_path, format="pts")
    with pytest.raises(DataError, match=r"expected one \.csv file in the folder, found none"):
        read_annotations(tmp_path, format="csv")
    with pytest.raises(DataError, match=r"no such file|cannot be read"):
        read_annotations("a\0b")


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_photographs_of_12_bits_in_16_are_said(suffix: str, tmp_path: Path) -> None:
    ramp = np.tile(np.arange(0, 4096, 64).astype(np.uint16)[:60], (60, 1))
    for i in range(30):
        add_face(tmp_path, f"{i}", suffix=suffix)
        cv2.imwrite(str(tmp_path / f"{i}{suffix}"), ramp)
    faces = read_annotations(tmp_path)
    # A few of them are looked at.
    assert [(note.kind, note.reason) for note in faces.notes] == [("guessed", "image of 12 bits in 16")] * 5
    assert str(faces.notes[0]).endswith(
        "its 16-bit values end below 4096 and are read as 12 bits, as are others like it"
    )
    assert read_image(faces.images[7])[0, :, 0].tolist() == [value >> 4 for value in range(0, 3840, 64)]
    with pytest.raises(DataError, match="guessed: 5 × image of 12 bits in 16"):
        read_annotations(tmp_path, strict=True)
    for i in range(30):
        cv2.imwrite(str(tmp_path / f"{i}{suffix}"), ramp * 16)
    assert read_annotations(tmp_path, strict=True).notes == ()


def test_format_is_recognised_or_asked_for(tmp_path: Path) -> None:
    add_face(tmp_path, "a")
    assert len(read_annotations(tmp_path)) == 1
    (tmp_path / "faces.csv").write_text("image,x0,y0\n")
    with pytest.raises(DataError, match="could be pts or csv; give format="):
        read_annotations(tmp_path)
    assert len(read_annotations(tmp_path, format="pts")) == 1


def test_unknown_options_name_the_known_ones(tmp_path: Path) -> None:
    add_face(tmp_path, "a")
    with pytest.raises(DataError, match="unknown option 'image_column' of format pts; it has images"):
        read_annotations(tmp_path, image_column="file")
    with pytest.raises(DataError, match=r"unknown option 'colour' of format csv; it has image_column, person_column"):
        read_annotations(tmp_path, format="csv", colour=1)


def test_a_format_is_a_module_and_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read_faces(path: Path, notes: list[Note], *, shift: float = 0) -> Iterator[Face]:
        notes.append(Note("left out", "of comments", f"{path}:2", "a comment"))
        yield Face(f"{path}:1", str(path.with_suffix(".png")), MARKS + shift, split="val")

    example = Format("an example", "text", lambda path: path.suffix == ".example", read_faces)
    monkeypatch.setitem(FORMATS, "example", example)
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((60, 60, 3), np.uint8))
    (tmp_path / "a.example").touch()
    faces = read_annotations(tmp_path / "a.example", shift=2)
    np.testing.assert_array_equal(faces.landmarks[0], MARKS + 2)
    assert faces.splits == ("val",)
    assert faces.skipped == (f"{tmp_path / 'a.example'}:2: a comment",)
    with pytest.raises(DataError, match="option shift of format example is float, got '2'"):
        read_annotations(tmp_path / "a.example", shift="2")


def test_scheme_follows_the_count_or_the_caller(tmp_path: Path) -> None:
    add_face(tmp_path, "a")
    assert read_annotations(tmp_path).scheme == get_scheme("ibug68")
    with pytest.raises(DataError, match="scheme cofw29 has 29 landmarks, but 1 of 1 faces have 68; use ibug68"):
        read_annotations(tmp_path, scheme="cofw29")
    with pytest.raises(DataError, match="did you mean ibug68"):
        read_annotations(tmp_path, scheme="ibug86")
    five = Scheme("five", 5, (1, 0, 2, 4, 3))
    custom = tmp_path / "custom"
    add_face(custom, "a", MARKS[:5])
    with pytest.raises(DataError, match=r"faces of 5 landmarks fit no built-in scheme .*acrloss data flip SOURCE"):
        read_annotations(custom)
    assert read_annotations(custom, scheme=five).scheme == five
    assert read_annotations(custom, scheme=save_scheme(five, tmp_path / "five.yaml")).scheme == five


def test_bad_faces_are_left_out_and_named(tmp_path: Path) -> None:
    for stem in ("good1", "good2", "good3"):
        add_face(tmp_path, stem)
    add_face(tmp_path, "few", MARKS[:67])
    add_face(tmp_path, "far", np.vstack([MARKS[:10], [[121.0, 5.0]], MARKS[11:]]))
    add_face(tmp_path, "near", np.vstack([MARKS[:10], [[-59.0, 119.0]], MARKS[11:]]))
    (add_face(tmp_path, "text").with_suffix(".jpg")).write_text("this is no picture")
    (add_face(tmp_path, "lonely").with_suffix(".jpg")).unlink()
    broken = add_face(tmp_path, "broken")
    broken.write_text(broken.read_text().replace("{", "{\nnan 1"))
    faces = read_annotations(tmp_path)
    assert [Path(image).stem for image in faces.images] == ["good1", "good2", "good3", "near"]
    reasons = {Path(message.split(": ")[0]).name.split(":")[0]: message for message in faces.skipped}
    assert len(faces.skipped) == len(reasons) == 5
    assert "67 landmarks, expected 68 (ibug68)" in reasons["few.pts"]
    assert "landmark 10 at (121, 5) lies far outside the 60 x 60 image" in reasons["far.pts"]
    assert "text.jpg: not an image" in reasons["text.pts"]
    assert "no image beside it" in reasons["lonely.pts"]
    assert "coordinates must be finite, got 'nan 1'" in reasons["broken.pts"]
    assert faces.summary().endswith(
        "4 faces; 68 landmarks (ibug68); 5 left out: 1 whose annotation cannot be read, "
        "1 without one image of its name, 1 far outside the image, 1 with another number of landmarks, "
        "1 without a readable image"
    )


def test_nothing_usable_is_an_error_with_the_first_reasons(tmp_path: Path) -> None:
    for i in range(5):
        add_face(tmp_path, f"{i}").with_suffix(".jpg").write_text("text")
    with pytest.raises(
        DataError, match=r"no usable face; 5 skipped: .*0\.pts.*1\.pts.*2\.pts.*\(and 2 more\)"
    ) as caught:
        read_annotations(tmp_path)
    assert "\n" not in str(caught.value)


def write_rows(path: Path, rows: Iterable[tuple[str, str, np.ndarray]]) -> Path:
    header = "image,person," + ",".join(f"x{i},y{i}" for i in range(68))
    lines = [f"{image},{person}," + ",".join(map(repr, marks.ravel().tolist())) for image, person, marks in rows]
    path.write_text("\n".join([header, *lines]) + "\n")
    for image in ("a.png", "b.png"):
        cv2.imwrite(str(path.parent / image), np.zeros((60, 60, 3), np.uint8))
    return path


def test_one_face_annotated_twice(tmp_path: Path) -> None:
    low = MARKS * 0.4
    rows = [("a.png", "", low), ("b.png", "", MARKS), ("./a.png", "", low + 1), ("a.png", "", low + 30)]
    path = write_rows(tmp_path / "faces.csv", rows)
    faces = read_annotations(path)
    np.testing.assert_allclose(faces.landmarks[:, 0, 0], [MARKS[0, 0], low[0, 0] + 1, low[0, 0] + 30])
    assert faces.skipped == (f"{path}:2: replaced by {path}:4, the same face of {tmp_path / 'a.png'}",)
    assert len(read_annotations(path, repeated="keep")) == 4
    with pytest.raises(DataError, match=r"faces\.csv:2 and .*faces\.csv:4 annotate the same face"):
        read_annotations(path, repeated="error")


def test_a_person_is_in_a_picture_once(tmp_path: Path) -> None:
    low = MARKS * 0.4
    path = write_rows(
        tmp_path / "faces.csv", [("a.png", "Ann", low), ("a.png", "Ann", low + 30), ("a.png", "Bob", low)]
    )
    faces = read_annotations(path)
    assert faces.persons == ("Ann", "Bob")
    np.testing.assert_allclose(faces.landmarks[0], low + 30)
    # But for two people of one name, who stand apart; a person's face that moved between two annotations does not.
    path = write_rows(tmp_path / "apart.csv", [("a.png", "Ann", low), ("a.png", "Ann", low + 30)])
    assert len(read_annotations(path)) == 2
    moved = low + 0.6 * np.ptp(low, axis=0)
    path = write_rows(tmp_path / "moved.csv", [("a.png", "Ann", low), ("a.png", "Ann", moved)])
    np.testing.assert_allclose(read_annotations(path).landmarks, moved[None])
    path = write_rows(tmp_path / "others.csv", [("a.png", "Ann", low), ("a.png", "Bob", moved)])
    assert len(read_annotations(path)) == 2


def test_absurdly_many_faces_of_one_image_are_refused(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "faces.csv", [("a.png", "", MARKS)] * 1001)
    with pytest.raises(DataError, match="1001 faces of one image"):
        read_annotations(path)


def test_landmarks_in_another_order_raise_a_warning(tmp_path: Path) -> None:
    scheme = get_scheme("ibug68")
    face = np.zeros((68, 2))
    for m, partner in enumerate(scheme.flip):
        face[m] = (30 - 0.4 * (68 - min(m, partner)) if m < partner else 30, 5 + 0.7 * min(m, partner))
        if m > partner:
            face[m] = (60 - face[partner, 0], face[partner, 1])
    rng = np.random.default_rng(1)
    right = [("a.png", str(i), face + rng.normal(scale=0.2, size=(68, 2))) for i in range(60)]
    path = write_rows(tmp_path / "right.csv", right)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_annotations(path, repeated="keep")
    path = write_rows(tmp_path / "wrong.csv", [(image, person, marks[::-1]) for image, person, marks in right])
    with pytest.warns(
        UserWarning, match=r"acrloss: .*wrong\.csv: the flip pairs of scheme ibug68 do not mirror these faces"
    ):
        read_annotations(path, repeated="keep")


def test_progress_sees_every_face(tmp_path: Path) -> None:
    for stem in "abc":
        add_face(tmp_path, stem)
    seen: list[str] = []

    def watch(faces: Iterable[Any], what: str, total: int | None = None) -> Iterable[Any]:
        for face in faces:
            seen.append(Path(face.where).name)
            yield face

    assert len(read_annotations(tmp_path, progress=watch)) == 3
    assert seen == ["a.pts", "b.pts", "c.pts"]


def test_synthetic_sources() -> None:
    faces = read_annotations("synthetic:12@7")
    assert isinstance(faces, Annotations)
    assert len(faces) == 12
    assert faces.scheme.name == "ibug68"
    assert read_image(faces.images[0]).shape[2] == 3
    with pytest.raises(DataError, match="synthetic:COUNT@SEED"):
        read_annotations("synthetic:many")
    with pytest.raises(DataError, match="at least 1"):
        read_annotations("synthetic:0")
    with pytest.raises(DataError, match="scheme cofw29 has 29 landmarks"):
        read_annotations("synthetic:3", scheme="cofw29")


@needs_300w
def test_real_300w_has_the_official_splits() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        faces = read_annotations(FACES_300W)
    assert len(faces) == 2570
    assert faces.skipped == ()
    assert Counter(faces.splits) == {"train": 2012, "test": 558}
    assert len(faces.subset("common")) == 554
    assert len(faces.subset("challenging")) == 4
    assert len(faces.subset("full")) == 558
    assert set(faces.split("train").subsets) == {frozenset()}
    assert not np.isnan(faces.landmarks).any()
    assert faces.visible.all()


@needs_300w
def test_real_300w_folder_alone_keeps_its_split() -> None:
    faces = read_annotations(FACES_300W / "helen" / "testset")
    assert len(faces) == 330
    assert set(faces.splits) == {"test"}
    assert faces.subset_names == ["common", "full"]
    assert set(read_annotations(FACES_300W / "ibug").splits) == {"test"}


@needs_ytf68
def test_real_video_faces_keep_one_annotation_of_a_frame() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        every = read_annotations(FACES_YTF68, repeated="keep")
        faces = read_annotations(FACES_YTF68)
    assert Counter(every.splits) == {"train": 2368, "val": 354, "test": 664}
    assert len(set(every.persons)) == 277
    assert every.skipped == ()
    # 617 of its frames have two rows, one of a frame that is not there.
    assert len(faces) == len(set(every.images)) == 2769
    assert len(faces.skipped) == 617
