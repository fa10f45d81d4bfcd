import csv
import io
import json
import os
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.evaluation.predictions import read_predictions
from acrloss.evaluation.predictions_file import read_scored_faces, write_predictions
from acrloss.evaluation.scores import evaluate
from acrloss.formats import read_annotations
from acrloss.formats.pts import write_pts
from acrloss.schemes import generic_scheme, get_scheme
from real_data import COFW68, needs_cofw68

Float = NDArray[np.float64]
IMAGES = [
    "/data/300w/lfpw/trainset/image_0001.png",
    "/data/300w/lfpw/testset/image_0001.png",
    "/data/300w/helen/testset/2.1.jpg",
    "/data/300w/ibug/image_003_1.jpg",
]


def some_faces(images: list[str] = IMAGES, marks: int = 5) -> Annotations:
    landmarks = np.random.default_rng(0).uniform(0, 100, (len(images), marks, 2))
    return Annotations.create(images, landmarks, generic_scheme(marks), source="some")


def some_landmarks(faces: Annotations) -> Float:
    return np.round(faces.landmarks + np.random.default_rng(1).normal(0, 1, faces.landmarks.shape), 3)


def write_csv(path: Path, names: list[str], landmarks: Float) -> Path:
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", *(f"{axis}{i}" for i in range(landmarks.shape[1]) for axis in "xy")])
        rows.writerows([name, *points.ravel()] for name, points in zip(names, landmarks, strict=True))
    return path


def write_npz(path: Path, faces: Annotations, landmarks: Float) -> Path:
    return write_predictions(path, evaluate(faces, landmarks))


def cofw68_text(numbers: list[int], landmarks: Float, occlusion: Float) -> str:
    lines = []
    for number, points, hidden in zip(numbers, landmarks + 1, occlusion, strict=True):
        lines += [f"{number} ", *(" ".join(f"{v:.3f}" for v in row) + " " for row in points.T)]
        lines.append(" ".join(f"{v:g}" for v in hidden) + " ")
    return "\n".join(lines) + "\n"


def refused(path: Path, faces: Annotations, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        read_predictions(path, faces, **options)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert "\n" not in message
    return message


def test_every_form_gives_each_face_its_own_landmarks(tmp_path: Path) -> None:
    faces = some_faces()
    landmarks = some_landmarks(faces)
    order = [2, 0, 3, 1]
    (tmp_path / "run").mkdir()
    npz = write_npz(tmp_path / "run" / "predictions.npz", faces.select(np.array(order)), landmarks[order])
    for i, image in enumerate(IMAGES):
        write_pts(tmp_path / "pts" / Path(image).relative_to("/data/300w").with_suffix(".pts"), landmarks[i])
    names = [IMAGES[i].removeprefix("/data/300w/") for i in order]
    table = write_csv(tmp_path / "all.csv", names, landmarks[order])
    for path in (npz, npz.parent, tmp_path / "pts", table):
        found = read_predictions(path, faces)
        np.testing.assert_allclose(found.landmarks, landmarks, atol=1e-4)
        assert found.occlusion is None
        assert (len(found.missing), found.unused) == (0, 0)


def test_names_are_as_long_as_they_need_be(tmp_path: Path) -> None:
    faces = some_faces()
    landmarks = some_landmarks(faces)
    for names in (
        ["trainset/image_0001", "testset/image_0001", "2.1", "image_003_1"],
        ["lfpw/trainset/image_0001.png", "lfpw\\testset\\image_0001.png", "./2.1.jpg", "ibug/../ibug/image_003_1.JPG"],
        # A data set that lay elsewhere: what all names begin with is left away.
        [image.replace("/data/300w", "/home/other/copy") for image in IMAGES],
        [image.replace("/data/300w", "../../copy") for image in IMAGES],
        [image.replace("/data/300w", "C:\\faces") for image in IMAGES],
    ):
        found = read_predictions(write_csv(tmp_path / "p.csv", names, landmarks), faces)
        np.testing.assert_array_equal(found.landmarks, landmarks)


def test_a_name_never_goes_to_another_folder_s_face(tmp_path: Path) -> None:
    faces = some_faces()
    landmarks = some_landmarks(faces)
    names = [image.removeprefix("/data/300w/") for image in IMAGES]
    without_test = write_csv(tmp_path / "p.csv", [names[0], *names[2:]], landmarks[[0, 2, 3]])
    message = refused(without_test, faces)
    assert "no prediction for 1 of 4 faces: /data/300w/lfpw/testset/image_0001.png;" in message
    found = read_predictions(without_test, faces, complete=False)
    assert found.missing.tolist() == [1]
    assert np.isnan(found.landmarks[1]).all()
    np.testing.assert_array_equal(found.landmarks[[0, 2, 3]], landmarks[[0, 2, 3]])
    # Nor are its folders left away altogether, where all names are of one folder.
    train = faces.select(np.array([0]))
    assert "none of its 1 names" in refused(
        write_csv(tmp_path / "o.csv", ["/x/testset/image_0001"], landmarks[:1]), train
    )
    read_predictions(write_csv(tmp_path / "o.csv", ["/x/trainset/image_0001"], landmarks[:1]), train)
    # A name without folders fits both faces.
    message = refused(write_csv(tmp_path / "q.csv", ["image_0001", "2.1"], landmarks[:2]), faces, complete=False)
    assert "image_0001 fits both" in message
    # Two names fit one face.
    message = refused(write_csv(tmp_path / "r.csv", ["2.1", "testset/2.1"], landmarks[:2]), faces, complete=False)
    assert "several predictions fit /data/300w/helen/testset/2.1.jpg" in message
    message = refused(write_csv(tmp_path / "s.csv", ["2.1", "2.1"], landmarks[:2]), faces, complete=False)
    assert "several predictions fit /data/300w/helen/testset/2.1.jpg" in message
    message = refused(write_csv(tmp_path / "t.csv", ["afw/2.1", "ibug/3"], landmarks[:2]), faces, complete=False)
    assert "none of its 2 names, such as afw/2.1, fits a face of some, such as /data/300w" in message


def test_predictions_of_other_faces_are_counted(tmp_path: Path) -> None:
    faces = some_faces()
    landmarks = some_landmarks(faces)
    npz = write_npz(tmp_path / "p.npz", faces, landmarks)
    found = read_predictions(npz, faces.select(np.array([3, 1])))
    np.testing.assert_allclose(found.landmarks, landmarks[[3, 1]], atol=1e-4)
    assert found.unused == 2


def test_several_faces_of_a_photograph_keep_their_order_in_our_own_files(tmp_path: Path) -> None:
    faces = some_faces(["/a/1.jpg", "/a/2.jpg", "/a/1.jpg"])
    landmarks = some_landmarks(faces)
    found = read_predictions(write_npz(tmp_path / "p.npz", faces, landmarks), faces)
    np.testing.assert_allclose(found.landmarks, landmarks, atol=1e-4)
    assert found.by_overlap == 0


def photographs_of_several() -> Annotations:
    """Two photographs: three people in one, out of reading order, and one in the other."""
    corners = np.array([[300.0, 20], [40, 200], [10, 10], [120, 25]])
    landmarks = corners[:, None] + np.random.default_rng(3).uniform(0, 1, (4, 5, 2)) * (80, 110)
    images = ["/a/crowd.jpg", "/a/one.jpg", "/a/crowd.jpg", "/a/crowd.jpg"]
    return Annotations.create(images, landmarks, generic_scheme(5), source="several")


def test_several_faces_of_a_photograph_are_matched_by_overlap(tmp_path: Path) -> None:
    faces = photographs_of_several()
    landmarks = some_landmarks(faces)
    for order in ([0, 1, 2, 3], [3, 2, 1, 0], [2, 0, 3, 1]):
        table = write_csv(tmp_path / "p.csv", [Path(faces.images[i]).stem for i in order], landmarks[order])
        found = read_predictions(table, faces)
        np.testing.assert_array_equal(found.landmarks, landmarks)
        assert (found.by_overlap, found.unused, len(found.missing)) == (1, 0, 0)
    # However bad it is, a prediction is somebody's where there are as many as faces.
    wild = landmarks.copy()
    wild[2] += 2000
    table = write_csv(tmp_path / "p.csv", [Path(faces.images[i]).stem for i in (3, 1, 2, 0)], wild[[3, 1, 2, 0]])
    np.testing.assert_array_equal(read_predictions(table, faces).landmarks, wild)
    # Somebody who is not annotated, and a face that was not found.
    extra = np.concatenate([landmarks, landmarks[:1] + np.array([500, 0])])
    found = read_predictions(write_csv(tmp_path / "p.csv", ["crowd", "one", "crowd", "crowd", "crowd"], extra), faces)
    np.testing.assert_array_equal(found.landmarks, landmarks)
    assert found.unused == 1
    table = write_csv(tmp_path / "p.csv", ["crowd", "one"], landmarks[[3, 1]])
    assert "no prediction for 2 of 4 faces: /a/crowd.jpg, /a/crowd.jpg; add them" in refused(table, faces)
    found = read_predictions(table, faces, complete=False)
    assert found.missing.tolist() == [0, 2]
    np.testing.assert_array_equal(found.landmarks[3], landmarks[3])
    # Two predictions of one face: which one is meant?
    twice = np.concatenate([landmarks, landmarks[:1] + 3])
    table = write_csv(tmp_path / "p.csv", ["crowd", "one", "crowd", "crowd", "crowd"], twice)
    assert "several predictions fit /a/crowd.jpg, such as crowd: two of them lie on one face; keep" in refused(
        table, faces
    )


def test_what_predict_writes_for_two_people_is_scored(tmp_path: Path) -> None:
    # `acrloss predict` names the files of one photograph NAME.pts, NAME_2.pts, …, by its own order of the faces.
    images = ["/b/duo.jpg", "/b/duo.jpg", "/b/image_3.jpg", "/b/image_3_2.jpg"]
    landmarks = np.random.default_rng(4).uniform(0, 60, (4, 5, 2)) + np.array([0, 200, 0, 5])[:, None, None]
    faces = Annotations.create(images, landmarks, generic_scheme(5), source="duo")
    guess = some_landmarks(faces)
    # image_3_2 is a photograph of its own.
    for name, row in (("duo", 1), ("duo_2", 0), ("image_3", 2), ("image_3_2", 3)):
        write_pts(tmp_path / f"{name}.pts", guess[row])
    found = read_predictions(tmp_path, faces)
    np.testing.assert_allclose(found.landmarks, guess, atol=1e-6)
    assert (found.by_overlap, found.unused) == (1, 0)
    write_pts(tmp_path / "duo_3.pts", guess[0] + 900)
    assert read_predictions(tmp_path, faces).unused == 1
    # Without the first of them the name is another photograph's.
    (tmp_path / "duo.pts").unlink()
    assert "no prediction for 2 of 4 faces" in refused(tmp_path, faces)


def test_references_that_are_no_files_match_too(tmp_path: Path) -> None:
    faces = read_annotations("synthetic:5@3")
    landmarks = faces.landmarks + 1
    found = read_predictions(write_npz(tmp_path / "p.npz", faces, landmarks), faces)
    np.testing.assert_allclose(found.landmarks, landmarks, atol=1e-3)


def test_landmark_counts_and_annotations_must_agree(tmp_path: Path) -> None:
    faces = some_faces()
    landmarks = some_landmarks(faces)
    table = write_csv(tmp_path / "p.csv", IMAGES, landmarks[:, :4])
    assert "4 landmarks a face, but some has 5" in refused(table, faces)
    for i in range(2):
        write_pts(tmp_path / "pts" / f"{i}.pts", landmarks[0, : 4 + i])
    with pytest.raises(DataError, match=r"1\.pts: 5 landmarks, but .*0\.pts has 4"):
        read_predictions(tmp_path / "pts", faces)
    npz = write_npz(tmp_path / "p.npz", faces, landmarks)
    other = Annotations.create(faces.images, faces.landmarks + 0.5, faces.scheme, source="other")
    assert "annotated otherwise than other" in refused(npz, other)


def test_a_run_brings_its_faces_along(tmp_path: Path) -> None:
    faces = some_faces()
    visible = np.random.default_rng(2).uniform(size=(4, 5)) < 0.7
    subsets = [frozenset({"full", "common"}), frozenset({"full"}), frozenset[str](), frozenset({"other set"})]
    faces = Annotations.create(faces.images, faces.landmarks, faces.scheme, visible=visible, subsets=subsets)
    write_npz(tmp_path / "predictions.npz", faces, some_landmarks(faces))
    for path in (tmp_path, tmp_path / "predictions.npz"):
        found = read_scored_faces(path)
        assert (found.images, found.scheme, found.subsets) == (faces.images, faces.scheme, tuple(subsets))
        np.testing.assert_allclose(found.landmarks, faces.landmarks, atol=1e-4)
        np.testing.assert_array_equal(found.visible, visible)
    for path in (tmp_path / "none", write_csv(tmp_path / "p.csv", IMAGES, faces.landmarks)):
        with pytest.raises(DataError, match="give the annotated faces with --data"):
            read_scored_faces(path)
    np.savez(tmp_path / "old.npz", images=np.array(IMAGES), predictions=faces.landmarks, landmarks=faces.landmarks)
    with pytest.raises(DataError, match=r"does not say how .*scheme.*; give --data"):
        read_scored_faces(tmp_path / "old.npz")


def test_the_form_of_cofw68(tmp_path: Path) -> None:
    faces = some_faces([f"/cofw/test_annotations/{i}_points.mat" for i in (1, 2, 10)])
    landmarks = some_landmarks(faces)
    occlusion = np.zeros((3, 5))
    occlusion[1, 2:4] = 1
    order = [2, 0, 1]
    path = tmp_path / "method.txt"
    path.write_text(cofw68_text([10, 1, 2], landmarks[order], occlusion[order]) + "\n \n")
    found = read_predictions(path, faces)
    np.testing.assert_allclose(found.landmarks, landmarks, atol=1e-9)
    np.testing.assert_array_equal(found.occlusion, occlusion)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "holds no predictions"),
        ("x\n", ":1: expected the number of a face, got 'x'"),
        ("1\n1 2\n3 4\n", ":1: face 1: the file ends within a face"),
        ("1\n1 2\n3\n0 0\n", ":1: face 1: 2 values of x, 1 of y and 2 of occlusion"),
        ("1\n1 2\n3 4\n0 0\n2\n1 nan\n3 4\n0 0\n", ":5: face 2: line 6: "),
        ("1\n1 b\n3 4\n0 0\n", ":1: face 1: line 2: "),
        ("1\n1 2\n3 4\n0 2\n", "occlusion must be between 0 and 1"),
        ("1\n1 2\n3 4\n0 0\n2\n1\n3\n0\n", ":5: 1 landmarks, but "),
        ("1\n1 2\n3 4\n0 0\n1\n1 2\n3 4\n0 0\n", "several predictions fit /a/1.jpg"),
    ],
)
def test_broken_cofw68_files_name_the_line(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "method.txt"
    path.write_text(text)
    assert reason in refused(path, some_faces(["/a/1.jpg", "/a/2.jpg"], 2), complete=False)


def test_a_bad_row_of_csv_is_not_passed_over(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "p.csv", IMAGES, some_faces().landmarks)
    path.write_text(path.read_text().replace("\n" + IMAGES[2], "\n" + IMAGES[2] + ",1"))
    assert ":4: 12 cells, but the header names 11 columns (1 such rows)" in refused(path, some_faces())


def test_what_is_no_file_of_predictions(tmp_path: Path) -> None:
    faces = some_faces()
    assert "no such file" in refused(tmp_path / "none.csv", faces).lower()
    assert "neither predictions.npz nor .pts files" in refused(tmp_path, faces)
    assert "no such file or folder; give a run folder" in refused(tmp_path / "run", faces)
    (tmp_path / "p.mat").write_bytes(b"")
    assert "predictions are a run folder, a folder of .pts, or a .npz, .csv or .txt file" in refused(
        tmp_path / "p.mat", faces
    )


def npy_bytes(shape: tuple[int, ...], dtype: str = "<f4", data: bytes = b"") -> bytes:
    header = str({"descr": dtype, "fortran_order": False, "shape": shape}).encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + data


def test_hostile_archives_are_refused_before_anything_is_allocated(tmp_path: Path) -> None:
    path, faces = tmp_path / "p.npz", some_faces()
    images = io.BytesIO()
    np.save(images, np.array(IMAGES))

    def write(**members: bytes) -> None:
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, content in members.items():
                archive.writestr(f"{name}.npy", content)

    write(images=images.getvalue(), predictions=npy_bytes((10**9, 10**9, 2)))
    assert "predictions.npy is no plain array" in refused(path, faces)
    write(images=images.getvalue(), predictions=npy_bytes((1,), "|O", b"\x80\x04."))
    assert "predictions.npy is no plain array" in refused(path, faces)
    write(images=images.getvalue(), predictions=npy_bytes((-1, 5, 2)))
    refused(path, faces)
    write(images=images.getvalue())
    assert "expected images (N,) and predictions (N, M, 2)" in refused(path, faces)
    write(images=images.getvalue(), predictions=npy_bytes((3, 5, 2), data=bytes(120)))
    assert "expected predictions of shape (4, M, 2), got (3, 5, 2)" in refused(path, faces)
    # 2.5 GB of zeros are a few MB in the archive; its directory says so.
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("images.npy", b"")
    data = path.read_bytes()
    at = data.index(b"PK\x01\x02") + 24
    path.write_bytes(data[:at] + struct.pack("<I", 2_500_000_000) + data[at + 4 :])
    assert "holds more than" in refused(path, faces)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300), st.sampled_from(["npz", "csv", "txt"]))
def test_any_bytes_give_one_clear_error(tmp_path: Path, content: bytes, suffix: str) -> None:
    path = tmp_path / f"p.{suffix}"
    path.write_bytes(content)
    with pytest.raises(DataError, match="p\\." + suffix):
        read_predictions(path, some_faces())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 10**6), st.binary(min_size=1, max_size=4))
def test_a_damaged_archive_gives_landmarks_or_one_clear_error(tmp_path: Path, at: int, change: bytes) -> None:
    faces = some_faces()
    path = write_npz(tmp_path / "p.npz", faces, some_landmarks(faces))
    data = path.read_bytes()
    at %= len(data)
    path.write_bytes(data[:at] + change + data[at + len(change) :])
    message = ""
    try:
        read_predictions(path, faces, complete=False)
    except DataError as error:
        message = str(error)
    assert "\n" not in message


@needs_cofw68
@pytest.mark.parametrize(
    ("method", "nme", "failures"), [("RCPR-occ_300w", "8.76", "20.12"), ("TCDCN_CFOW68", "7.66", "16.17")]
)
def test_cofw68_gives_the_published_figures(
    method: str, nme: str, failures: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from acrloss.commands.main import main

    data = COFW68
    file = os.path.relpath(data / "results" / f"{method}.txt")
    assert main(["evaluate", "--predictions", file, "--data", str(data), "--output", str(tmp_path)]) == 0
    plain = json.loads((tmp_path / "evaluation.json").read_text())
    score = plain["scores"][0]
    assert (score["normalizer"], score["faces"]) == ("interocular", 507)
    assert (f"{score['nme']:.2f}", f"{score['failure_rate']['10']:.2f}") == (nme, failures)
    assert score["nme_interval"][0] < score["nme"] < score["nme_interval"][1]
    # Neither file tells hidden landmarks: its occlusion lines are all zero.
    assert plain["occlusion"] == {"precision": None, "recall": None, "predicted": 0, "occluded": 7896}
    (seen,) = plain["visible_scores"]
    assert seen["nme"] < score["nme"]
    assert f"{nme} [" in capsys.readouterr().out


def test_schemes_with_eyes_survive_the_archive(tmp_path: Path) -> None:
    scheme = get_scheme("ibug68")
    landmarks = np.random.default_rng(0).uniform(0, 99, (2, 68, 2))
    faces = Annotations.create(["/a/1.jpg", "/a/2.jpg"], landmarks, scheme)
    assert read_scored_faces(write_npz(tmp_path / "p.npz", faces, landmarks)).scheme == scheme


def test_boxes_splits_and_role_survive_the_archive(tmp_path: Path) -> None:
    faces = some_faces()
    boxes = np.array([[0, 1, 60, 80], [5, 5, 50, 45], [np.nan] * 4, [10, 0, 90, 30.5]])
    splits = ["val", "val", "", "test"]
    faces = Annotations.create(faces.images, faces.landmarks, faces.scheme, boxes=boxes, splits=splits)
    landmarks = some_landmarks(faces)
    before = evaluate(faces, landmarks, role="validation")
    path = write_predictions(tmp_path / "p.npz", before)
    again = read_scored_faces(path)
    np.testing.assert_array_equal(again.boxes, boxes)
    assert again.splits == tuple(splits)
    found = read_predictions(path, again)
    assert found.role == "validation"
    after = evaluate(again, found.landmarks)
    for name in ("annotated_box_diagonal", "annotated_box_size"):
        np.testing.assert_allclose(after.nme[name], before.nme[name], rtol=1e-4)
        assert np.isnan(after.nme[name]).tolist() == [False, False, True, False]
    # A file of before any of this was kept.
    kept = dict(np.load(path))
    np.savez(tmp_path / "old.npz", **{n: kept[n] for n in ("images", "predictions", "landmarks", "visible", "scheme")})
    old = read_scored_faces(tmp_path / "old.npz")
    assert np.isnan(old.boxes).all()
    assert old.splits == ("",) * 4
    assert read_predictions(tmp_path / "old.npz", old).role == "test"
    assert list(evaluate(old, landmarks).nme) == ["box_diagonal", "box_size"]


def test_what_an_archive_holds_besides_is_left_alone(tmp_path: Path) -> None:
    faces = some_faces()
    path = write_npz(tmp_path / "p.npz", faces, some_landmarks(faces))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("other.npy", npy_bytes((10**9, 10**9)))
        archive.writestr("text.txt", "no array")
    np.testing.assert_allclose(read_predictions(path, faces).landmarks, some_landmarks(faces), atol=1e-4)
