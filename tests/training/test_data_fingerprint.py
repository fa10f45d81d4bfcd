"""What counts as other data, for a run that goes on and for a study."""

import hashlib
import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.formats import read_annotations
from acrloss.schemes import generic_scheme
from acrloss.training.data_fingerprint import check_same_data, data_fingerprint, one_fingerprint


def changed(before: dict[str, str], faces: Annotations) -> set[str]:
    now = data_fingerprint(faces)
    return {name for name in before if now[name] != before[name]}


def test_every_part_is_told_apart(faces_csv: Path) -> None:
    faces = read_annotations(faces_csv)
    before = data_fingerprint(faces)
    moved, hidden = faces.landmarks.copy(), faces.visible.copy()
    moved[3, 5, 0] += 1e-9
    hidden[3, 5] = False
    boxes = np.tile([1.0, 2, 30, 40], (len(faces), 1))
    for part, other in {
        "landmarks": [replace(faces, landmarks=moved), replace(faces, visible=hidden)],
        "boxes": [replace(faces, boxes=boxes)],
        "splits": [replace(faces, splits=("val", *faces.splits[1:]))],
        "subsets": [replace(faces, subsets=(frozenset({"x"}), *faces.subsets[1:]))],
        "persons": [replace(faces, persons=("x", *faces.persons[1:]))],
        "scheme": [replace(faces, scheme=replace(faces.scheme, noun="cat"))],
    }.items():
        for one in other:
            assert changed(before, one) == {part}
            assert one_fingerprint(one) != one_fingerprint(faces)
    assert {"faces", "image names", "landmarks"} <= changed(before, faces.select(np.arange(23)))


def test_a_moved_and_renamed_folder_is_the_same_data(faces_csv: Path, tmp_path: Path) -> None:
    before = data_fingerprint(read_annotations(faces_csv))
    shutil.copytree(faces_csv.parent, tmp_path / "elsewhere")
    there = tmp_path / "elsewhere" / faces_csv.name
    assert data_fingerprint(read_annotations(there)) == before
    (tmp_path / "elsewhere").rename(tmp_path / "renamed")
    assert changed(before, read_annotations(tmp_path / "renamed" / faces_csv.name)) == set()


@pytest.mark.parametrize("suffix", ["png", "bmp", "jpg"])
def test_other_pixels_in_a_file_of_the_same_size_are_seen(suffix: str, tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (200, 200, 3)).astype(np.uint8)
    path = tmp_path / f"a.{suffix}"
    cv2.imwrite(str(path), image)
    (tmp_path / "faces.csv").write_text("image,x0,y0,x1,y1\n" + f"a.{suffix},20,30,60,31\n")
    faces = read_annotations(tmp_path, scheme="generic")
    before, size = data_fingerprint(faces), path.stat().st_size
    cv2.imwrite(str(path), image[::-1] if suffix == "bmp" else cv2.flip(image, -1))
    content = path.read_bytes()
    path.write_bytes(content[:size].ljust(size, b"\0"))
    assert changed(before, faces) == {"image contents"}
    path.write_bytes(content + b"\0")
    assert changed(before, faces) == {"image contents"}
    path.unlink()
    assert changed(before, faces) == {"image contents"}


def test_large_images_are_not_read_whole(tmp_path: Path) -> None:
    # A file of 50 GB, nearly all of it a hole: reading it would take minutes.
    path = tmp_path / "huge.bmp"
    with path.open("wb") as file:
        file.truncate(50_000_000_000)
    faces = Annotations.create([str(path)], np.ones((1, 2, 2)), generic_scheme(2))
    before = data_fingerprint(faces)
    with path.open("r+b") as file:
        file.seek(25_000_000_005)
        file.write(b"x")
    assert changed(before, faces) == {"image contents"}


def test_images_within_files_and_none_at_all(tmp_path: Path) -> None:
    (tmp_path / "x.mat").write_bytes(b"1")
    for references in (
        [f"cofw://{tmp_path}/x.mat#IsTr/{i}" for i in (1, 2)],
        [f"synthetic://0/{i}?size=96" for i in (1, 2)],
        [f"no-image://{tmp_path}/{i}_points.mat" for i in (1, 2)],
    ):
        faces = Annotations.create(references, np.ones((2, 2, 2)), generic_scheme(2))
        before = data_fingerprint(faces)
        assert changed(before, replace(faces, images=tuple(references[::-1]))) == {"image names"}


def test_a_run_of_a_version_before_is_compared_by_what_it_kept(faces_csv: Path, tmp_path: Path) -> None:
    faces = read_annotations(faces_csv)
    file = tmp_path / "data.json"
    check_same_data(file, faces)
    kept = {"faces": "24", "images": "0" * 64, "landmarks": data_fingerprint(faces)["landmarks"]}
    file.write_text(json.dumps(kept))
    check_same_data(file, faces)
    for damaged in ("[]", "null", "{", "3"):
        file.write_text(damaged)
        check_same_data(file, faces)
    file.write_text(json.dumps({**kept, "landmarks": hashlib.sha256(b"").hexdigest()}))
    with pytest.raises(DataError, match="other data: landmarks changed; put the data back"):
        check_same_data(file, faces)
