from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from acrloss.formats import Face, read_annotations
from acrloss.formats.ibug300vw import read_faces, recognises
from acrloss.notes import Note
from format_fakes import face_points, ibug300vw, picture, pts, write


def faces_of(path: Path) -> tuple[list[Face], list[Note]]:
    notes: list[Note] = []
    return list(read_faces(path, notes)), notes


def test_extracted_frames(tmp_path: Path) -> None:
    folder = ibug300vw(tmp_path)
    faces, notes = faces_of(folder)
    assert notes == []
    assert [(face.person, face.split, face.subsets) for face in faces[::2]] == [
        ("001", "train", frozenset()),
        ("114", "test", frozenset({"category-1"})),
        ("562", "test", frozenset({"category-3"})),
    ]
    # Frame 2 was written as points + 2, and .pts files count from 1.
    np.testing.assert_allclose(faces[1].landmarks, face_points(68) + 1)
    assert faces[1].image == str(folder / "001/image/000002.png")
    assert read_annotations(folder).summary().endswith("3 people")
    # One video, and its annotations alone.
    for part in (folder / "114", folder / "114/annot"):
        faces, _ = faces_of(part)
        assert [(face.person, face.split) for face in faces] == [("114", "test")] * 2


def test_the_protocol_has_50_and_64_videos(tmp_path: Path) -> None:
    for number in range(1, 600):
        write(tmp_path / f"{number:03d}/annot/000001.pts", pts([[1, 2]]))
        picture(tmp_path / f"{number:03d}/000001.jpg", 4, 4)
    faces, _ = faces_of(tmp_path)
    counts = Counter((face.split, *sorted(face.subsets)) for face in faces)
    assert counts == {
        ("train",): 50,
        ("test", "category-1"): 31,
        ("test", "category-2"): 19,
        ("test", "category-3"): 14,
        ("",): 599 - 114,
    }


def test_folders_of_frames(tmp_path: Path) -> None:
    for number, name in enumerate(("images", "imgs", "frames", "extraction", "")):
        video = tmp_path / f"testset/v{number}"
        write(video / "annot/000007.pts", pts(face_points(68)))
        write(video / "vid.avi", "RIFF")
        picture(video / name / "7.jpg")
    faces, notes = faces_of(tmp_path)
    assert notes == []
    assert [face.image for face in faces] == [
        str(tmp_path / f"testset/v{number}" / name / "7.jpg")
        for number, name in enumerate(("images", "imgs", "frames", "extraction", ""))
    ]
    assert {face.split for face in faces} == {"test"}


def test_annotations_that_are_not_of_a_video(tmp_path: Path) -> None:
    """Somebody's own photographs: every face is somebody else."""
    for number in (1, 2):
        write(tmp_path / f"mine/annot/{number}.pts", pts(face_points(68)))
        picture(tmp_path / f"mine/images/{number}.jpg")
    assert not recognises(tmp_path)
    assert read_annotations(tmp_path).persons == ("", "")
    write(tmp_path / "mine/vid.avi", "RIFF")
    assert recognises(tmp_path)


def test_where_the_user_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ibug300vw(tmp_path)
    for place, count in (("001/annot", 2), ("001", 2), (".", 6)):
        monkeypatch.chdir(tmp_path / place)
        assert len(read_annotations(".")) == count
    monkeypatch.chdir(tmp_path / "001/annot")
    assert set(read_annotations("..").persons) == {"001"}


def test_a_video_without_frames_says_how_to_extract_them(tmp_path: Path) -> None:
    folder = ibug300vw(tmp_path)
    for frame in (1, 2):
        (folder / f"114/image/{frame:06d}.png").unlink()
    (folder / "562/image/000002.png").unlink()
    faces, (video, frame_note) = faces_of(folder)
    assert [face.person for face in faces] == ["001", "001", "562"]
    assert (video.kind, video.reason, video.count) == ("left out", "of a video without its frames", 2)
    assert "ffmpeg -i vid.avi -start_number 1 -q:v 1 image/%06d.jpg in " in str(video)
    assert frame_note.where == str(folder / "562/annot/000002.pts")


def test_frames_that_count_from_0_are_not_taken_for_the_annotated_ones(tmp_path: Path) -> None:
    folder = ibug300vw(tmp_path)
    picture(folder / "001/image/000000.png")
    faces, (note,) = faces_of(folder / "001")
    assert faces == []
    assert "the frames count from 0, the annotations from 1" in str(note)
    # Annotations that count from 0 as well are right.
    write(folder / "001/annot/000000.pts", pts(face_points(68)))
    assert len(faces_of(folder / "001")[0]) == 3


def test_bad_files(tmp_path: Path) -> None:
    folder = ibug300vw(tmp_path)
    write(folder / "001/annot/000001.pts", "version: 1\n{\n1 nan\n}\n")
    write(folder / "001/annot/notes.pts", "")
    faces, (note,) = faces_of(folder / "001")
    assert [Path(face.where).name for face in faces] == ["000002.pts"]
    assert str(note).startswith(f"{folder / '001/annot/000001.pts'}:3: coordinates must be finite")
