"""Faults put into good data are found, and good data has none."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.data_check.check import check_data, find_problems
from acrloss.data_check.findings import KINDS, DataCheck, summary_rows
from acrloss.formats import read_annotations
from acrloss.formats.synthetic import generate
from acrloss.notes import Note
from acrloss.schemes import Scheme, generic_scheme, get_scheme
from real_data import FACES_300W, FACES_YTF68, needs_300w, needs_ytf68

SCHEME = get_scheme("ibug68")
FLIP = list(SCHEME.flip)
SIZE = 160
COUNT = 80


def picture(seed: int) -> NDArray[np.uint8]:
    """Smooth random colours: no two are alike, and decoding them costs nothing."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    folder = tmp_path_factory.mktemp("pictures")
    paths = [str(folder / f"{i:03d}.png") for i in range(COUNT)]
    for i, path in enumerate(paths):
        cv2.imwrite(path, picture(i))
    return paths


def faces_of(pictures: list[str], **changed: Any) -> Annotations:
    landmarks = generate(COUNT, seed=21, size=SIZE).landmarks
    values: dict[str, Any] = {
        "images": pictures,
        "landmarks": landmarks.copy(),
        "scheme": SCHEME,
        "splits": ["train"] * 60 + ["test"] * 20,
        "persons": [f"person {i // 4}" for i in range(COUNT)],
        "source": "drawn",
    }
    return Annotations.create(**(values | changed))


def kinds(checked: DataCheck) -> Counter[str]:
    return Counter(finding.kind for finding in checked.findings)


def test_good_data_has_no_findings(pictures: list[str]) -> None:
    checked = find_problems(faces_of(pictures))
    assert not kinds(checked) - Counter({"shape": 1, "landmark": 2}), checked.findings
    assert checked.notes == ()
    facts = checked.facts
    assert (facts["faces"], facts["images"], facts["people"]) == (80, 80, 20)
    assert facts["splits"] == {"train": 60, "test": 20}
    assert facts["image_width"] == {"min": 160, "median": 160, "max": 160}
    assert 40 < facts["face_size"]["median"] < 160


def test_pictures_and_people_in_two_splits(pictures: list[str], tmp_path: Path) -> None:
    images = list(pictures)
    copy, small = tmp_path / "copy.png", tmp_path / "small.jpg"
    cv2.imwrite(str(copy), picture(3))
    cv2.imwrite(str(small), cv2.resize(picture(5), (90, 90), interpolation=cv2.INTER_AREA))
    images[70], images[10] = str(copy), str(small)
    persons = [f"person {i}" for i in range(COUNT)]
    persons[61] = persons[62] = persons[4]
    checked = find_problems(faces_of(images, persons=persons))
    (leak,) = checked.of_kind("split leak")
    assert leak.faces == (3, 70)
    assert "the same pixels, in test and train" in leak.message
    (duplicate,) = checked.of_kind("duplicate")
    assert duplicate.faces == (5, 10)
    assert "alike (correlation" in duplicate.message
    (person,) = checked.of_kind("person leak")
    assert (person.faces, person.message) == ((4, 61, 62), "person 4: 2 in test, 1 in train")


def test_one_picture_in_two_splits(pictures: list[str]) -> None:
    images = list(pictures)
    images[79] = images[0].replace("000.png", "./000.png")
    (leak,) = find_problems(faces_of(images)).of_kind("split leak")
    assert leak.faces == (0, 79)


def test_frames_of_a_video_come_after_other_duplicates(pictures: list[str], tmp_path: Path) -> None:
    images = list(pictures)
    for i, source in ((1, 0), (9, 4)):
        images[i] = str(tmp_path / f"{i}.jpg")
        cv2.imwrite(images[i], picture(source))
    checked = find_problems(faces_of(images))
    # Pictures 0 and 1 are of one person, 4 and 9 of two.
    assert [finding.faces for finding in checked.of_kind("duplicate")] == [(4, 9), (0, 1)]


def test_faces_annotated_twice(pictures: list[str]) -> None:
    images = list(pictures)
    faces = faces_of(images)
    landmarks = faces.landmarks.copy()
    images[1], landmarks[1] = images[0], landmarks[0] + (2, 0)
    images[12], landmarks[12] = images[8], landmarks[8] + (1, 0)
    checked = find_problems(faces_of(images, landmarks=landmarks))
    found = checked.of_kind("annotated twice")
    assert {finding.faces for finding in found} == {(0, 1), (8, 12)}
    assert found[0].severity > found[1].severity
    by_faces = {finding.faces: finding.message for finding in found}
    assert "two annotations of one person" in by_faces[0, 1]
    assert "two annotations of one face" in by_faces[8, 12]
    assert "by 2.0 px" in by_faces[0, 1]


def test_unreadable_images_and_what_the_reader_left_out(pictures: list[str], tmp_path: Path) -> None:
    images = list(pictures)
    broken = tmp_path / "broken.png"
    broken.write_bytes(Path(images[7]).read_bytes()[:-30])
    images[7], images[8] = str(broken), str(tmp_path / "none.png")
    checked = find_problems(faces_of(images, skipped=["faces.csv:3: 67 landmarks, expected 68 (ibug68)"]))
    assert [finding.faces for finding in checked.of_kind("unreadable")] == [(7,), (8,)]
    assert [finding.message for finding in checked.of_kind("left out")] == [
        "faces.csv:3: 67 landmarks, expected 68 (ibug68)"
    ]
    assert checked.facts["images_unreadable"] == 2


def test_swapped_sides_whole_and_in_part(pictures: list[str]) -> None:
    landmarks = faces_of(pictures).landmarks.copy()
    landmarks[11] = landmarks[11][FLIP]
    eyes = list(range(36, 48))
    landmarks[30, eyes] = landmarks[30, [FLIP[m] for m in eyes]]
    found = {
        finding.faces: finding for finding in find_problems(faces_of(pictures, landmarks=landmarks)).of_kind("swap")
    }
    assert found.keys() == {(11,), (30,)}
    assert "for all landmarks" in found[(11,)].message
    assert "for landmarks 36-47" in found[(30,)].message


def test_landmarks_out_of_place_and_unusual_shapes(pictures: list[str]) -> None:
    landmarks = faces_of(pictures).landmarks.copy()
    landmarks[20, 33] += (25, 0)
    landmarks[40] = landmarks[40][::-1]
    landmarks[50] = 80
    checked = find_problems(faces_of(pictures, landmarks=landmarks))
    places = {finding.faces: finding for finding in checked.of_kind("landmark")}
    assert places[(20,)].landmarks == (33,)
    shapes = [finding.faces for finding in checked.of_kind("shape")]
    assert shapes[:2] == [(50,), (40,)]
    assert "all landmarks lie on one point" in checked.of_kind("shape")[0].message


def test_landmarks_outside_and_boxes_elsewhere(pictures: list[str]) -> None:
    landmarks = faces_of(pictures).landmarks.copy()
    landmarks[3] -= (landmarks[3, :, 0].min() + 20, 0)
    landmarks[4] -= (landmarks[4, :, 0].min() + 1, 0)
    boxes = np.concatenate([landmarks.min(axis=1), landmarks.max(axis=1)], axis=1)
    boxes[6] += 150
    boxes[7] = np.nan
    checked = find_problems(faces_of(pictures, landmarks=landmarks, boxes=boxes))
    (outside,) = checked.of_kind("outside")
    assert outside.faces == (3,)
    assert "up to 19.5 px outside" in outside.message
    assert [finding.faces for finding in checked.of_kind("box")] == [(6,)]


def test_wrong_and_unknown_flip_pairs(pictures: list[str]) -> None:
    wrong = list(SCHEME.flip)
    wrong[0], wrong[16], wrong[1], wrong[15] = 15, 1, 16, 0
    checked = find_problems(faces_of(pictures, scheme=Scheme("wrong", 68, tuple(wrong))))
    (flip,) = checked.of_kind("flip")
    assert "the flip pairs of scheme wrong do not mirror these faces" in flip.message
    checked = find_problems(faces_of(pictures, scheme=generic_scheme(68)))
    assert not checked.of_kind("flip")
    assert "no flip pairs" in checked.notes[0]


def test_too_few_faces_are_said_to_be(pictures: list[str]) -> None:
    checked = find_problems(faces_of(pictures).select(np.arange(10)))
    assert "shapes were not judged: 10 complete faces" in checked.notes[0]
    assert summary_rows(checked, SCHEME) == [("nothing to report", "0", "")]


def test_annotations_without_pictures(pictures: list[str]) -> None:
    checked = find_problems(faces_of([f"no-image://{i}" for i in range(COUNT)]))
    assert not checked.of_kind("unreadable")
    assert "80 faces have annotations only" in checked.notes[0]


def test_page_and_report(pictures: list[str], tmp_path: Path) -> None:
    images = list(pictures)
    landmarks = faces_of(images).landmarks.copy()
    landmarks[11] = landmarks[11][FLIP]
    images[1] = images[0]
    images[70] = images[2]
    said: list[str] = []

    def progress(items: Iterable[Any], what: str, total: int | None = None) -> Iterable[Any]:
        said.append(what)
        done = list(items)
        assert len(done) == total
        return done

    checked, page = check_data(faces_of(images, landmarks=landmarks), tmp_path / "out", progress=progress)
    assert said == ["decoding", "drawing"]
    text = page.read_text()
    assert page == tmp_path / "out" / "check.html"
    report = json.loads((tmp_path / "out" / "check.json").read_text())
    assert len(report["findings"]) == len(checked.findings)
    assert [KINDS[kind][0] in text for kind in ("swap", "split leak", "annotated twice")] == [True] * 3
    # A section for each kind that has pictures, two pictures for a pair.
    pictured = {kind: count for kind, count in kinds(checked).items() if kind not in ("left out", "person leak")}
    assert text.count('<div class="gallery">') == len(pictured)
    assert text.count("<img") == sum(count * (2 if kind == "split leak" else 1) for kind, count in pictured.items())
    (swap_section,) = re.findall(r"<h2>Left and right swapped \(1\)</h2>.*?</section>", text, re.DOTALL)
    assert "1. 011.png\nleft and right look swapped for all landmarks" in swap_section
    swap = next(finding for finding in report["findings"] if finding["kind"] == "swap")
    assert swap["faces"] == [11]
    assert swap["images"] == [images[11]]
    assert report["splits"] == {"train": 60, "test": 20}
    assert summary_rows(checked, SCHEME)[0][0] == "pictures in two splits"


def test_captions_do_not_depend_on_what_files_are_called(pictures: list[str], tmp_path: Path) -> None:
    images = list(pictures)
    images[11] = str(tmp_path / "a: b: c.png")
    Path(images[11]).write_bytes(Path(pictures[11]).read_bytes())
    landmarks = faces_of(images).landmarks.copy()
    landmarks[11] = landmarks[11][FLIP]
    checked, page = check_data(faces_of(images, landmarks=landmarks), tmp_path / "out")
    (swap,) = checked.of_kind("swap")
    assert swap.message.endswith("a: b: c.png: left and right look swapped for all landmarks")
    assert swap.what == "left and right look swapped for all landmarks"
    assert "1. a: b: c.png\nleft and right look swapped for all landmarks" in page.read_text()


def test_notes_of_the_reader_and_points_of_one_place_at_any_number_of_faces(
    pictures: list[str], tmp_path: Path
) -> None:
    faces = faces_of(pictures).select([0, 1, 2])
    landmarks = faces.landmarks.copy()
    landmarks[1, 5:15] = (30, 40)
    notes = [
        Note("changed", "scaled to its image's size", "a.json", "the file says 9 x 9"),
        Note("left out", "", "b", "c"),
    ]
    faces = Annotations.create(faces.images, landmarks, SCHEME, notes=notes)
    checked, page = check_data(faces, tmp_path)
    (changed,) = checked.of_kind("changed")
    assert changed.message == "changed: a.json: the file says 9 x 9"
    (point,) = checked.of_kind("one point")
    assert (point.faces, point.landmarks) == ((1,), tuple(range(5, 15)))
    assert point.message.endswith("001.png: 10 landmarks at (30, 40)")
    text = page.read_text()
    assert "1. 001.png\n10 landmarks at (30, 40)" in text
    assert text.count("<img") == 1


def test_objects_are_not_called_faces(pictures: list[str], tmp_path: Path) -> None:
    dots = Scheme("dots", 68, tuple(FLIP), noun="beetle")
    landmarks = faces_of(pictures).landmarks.copy()
    landmarks[20, 33] += (25, 0)
    landmarks[50] = 80
    images = [*pictures[:-1], pictures[0]]
    landmarks[79] = landmarks[0] + 1
    checked, page = check_data(faces_of(images, landmarks=landmarks, scheme=dots, persons=None), tmp_path)
    assert {"landmark", "shape", "annotated twice"} <= set(kinds(checked))
    text = re.sub(r"<style>.*?</style>|base64,[^\"]*", "", page.read_text(), flags=re.DOTALL)
    assert "findings in 80 beetles" in text
    assert "beetles annotated twice" in text
    assert re.search(r"\bfaces?\b", text) is None


@needs_ytf68
@needs_300w
@pytest.mark.slow
def test_what_is_known_of_the_real_data() -> None:
    faces = read_annotations(FACES_YTF68, repeated="keep")
    checked = find_problems(faces)
    assert len(checked.of_kind("annotated twice")) == 617
    assert not checked.of_kind("split leak")
    assert not checked.of_kind("person leak")
    assert "Chris_Cirino_30.jpg" in checked.of_kind("shape")[0].message
    leaks = find_problems(read_annotations(FACES_300W)).of_kind("split leak")
    # LFPW holds these photographs in its training and its test set.
    assert [sorted(Path(image).name for image in leak.images) for leak in leaks] == [
        ["image_0096.jpg", "image_0828.jpg"],
        ["image_0007.jpg", "image_0862.jpg"],
        ["image_0066.jpg", "image_0215.jpg"],
    ]
