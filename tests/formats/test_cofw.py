from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from acrloss.errors import DataError
from acrloss.formats import read_annotations
from acrloss.formats.cofw import read_faces, recognises
from acrloss.images import image_size, read_image
from matlab import write_cofw

RNG = np.random.default_rng(29)
COLOUR = RNG.integers(0, 256, (40, 60, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (50, 30), dtype=np.uint8)


def phis(count: int) -> NDArray[np.float64]:
    """(N, 87): x from 1 to 29, y from 10 to 38, every fifth landmark occluded; half a pixel further in each face."""
    x, y = np.arange(1.0, 30.0), np.arange(10.0, 39.0)
    rows = [np.concatenate([x + i / 2, y + i / 2, np.arange(29) % 5 == 0]) for i in range(count)]
    return np.stack(rows)


BOXES = np.array([[5.0, 7.0, 20.0, 24.0], [1.0, 1.0, 30.0, 50.0]])


@pytest.fixture
def cofw(tmp_path: Path) -> Path:
    write_cofw(tmp_path / "COFW_train_color.mat", "Tr", [COLOUR, GREY], phis(2), BOXES)
    write_cofw(tmp_path / "COFW_test_color.mat", "T", [GREY], phis(1), BOXES[:1])
    return tmp_path


def test_both_files_of_the_folder(cofw: Path) -> None:
    assert recognises(cofw)
    faces = read_annotations(cofw)
    assert faces.scheme.name == "cofw29"
    assert faces.splits == ("test", "train", "train")
    assert faces.official_faces == {"train": 1345, "test": 507}
    # 1-based in the file.
    np.testing.assert_allclose(faces.landmarks[2, 0], [0.5, 9.5])
    np.testing.assert_allclose(faces.landmarks[1, :, 0], np.arange(29))
    np.testing.assert_allclose(faces.landmarks[1, :, 1], np.arange(9, 38))
    np.testing.assert_array_equal(faces.visible[1], np.arange(29) % 5 != 0)
    np.testing.assert_allclose(faces.boxes[1:], [[4, 6, 24, 30], [0, 0, 30, 50]])
    assert faces.images[1] == f"cofw://{cofw / 'COFW_train_color.mat'}#IsTr/1"
    assert faces.skipped == ()


def test_images_come_upright_from_within_the_file(cofw: Path) -> None:
    faces = read_annotations(cofw / "COFW_train_color.mat")
    assert [image_size(image) for image in faces.images] == [(60, 40), (30, 50)]
    np.testing.assert_array_equal(read_image(faces.images[0]), COLOUR)
    np.testing.assert_array_equal(read_image(faces.images[1]), np.repeat(GREY[..., None], 3, axis=2))
    assert read_image(faces.images[0], reduce=4).shape == (10, 15, 3)


def test_a_face_without_finite_coordinates_is_left_out(tmp_path: Path) -> None:
    table = phis(2)
    table[0, 3] = np.nan
    path = write_cofw(tmp_path / "renamed.mat", "Tr", [COLOUR, GREY], table, BOXES)
    assert recognises(path)
    faces = read_annotations(path)
    assert len(faces) == 1
    assert faces.skipped == (f"{path}#IsTr/1: coordinates must be finite",)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("#IsTr/0", "no such image"),
        ("#IsTr/3", "no such image"),
        ("#IsT/1", "has no array IsT"),
        ("#IsTr/x", "not an image of a COFW file"),
        ("#phisTr/1", "not an image of a COFW file"),
        ("", "not an image of a COFW file"),
        ("x#IsTr/1", "no such file"),
    ],
)
def test_references_to_nothing(reference: str, message: str, cofw: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_image(f"cofw://{cofw / 'COFW_train_color.mat'}{reference}")


def damaged(path: Path, name: str, **options: Any) -> Path:
    """The file with one array replaced; `options` are those of h5py's create_dataset."""
    with h5py.File(path, "r+") as file:
        del file[name]
        file.create_dataset(name, **options)
    return path


def test_tables_that_do_not_fit_the_images(cofw: Path) -> None:
    path = cofw / "COFW_train_color.mat"
    for name, shape in (("phisTr", (2, 87)), ("phisTr", (87, 3)), ("bboxesTr", (4, 3)), ("bboxesTr", ())):
        damaged(path, name, data=np.zeros(shape))
        with pytest.raises(DataError, match=rf"{name} must hold (87|4) numbers of each of the 2 images"):
            list(read_faces(path, []))
        damaged(path, "phisTr", data=phis(2).T)
    damaged(path, "bboxesTr", data=np.full((4, 2), b"text"))
    with pytest.raises(DataError, match="bboxesTr must hold 4 numbers"):
        list(read_faces(path, []))


def test_absurd_shapes_are_refused_before_anything_is_allocated(cofw: Path) -> None:
    path = cofw / "COFW_train_color.mat"
    damaged(path, "phisTr", shape=(87, 1_000_000_000_000), dtype="f8", chunks=(87, 1000))
    with pytest.raises(DataError, match="phisTr must hold 87 numbers"):
        list(read_faces(path, []))
    damaged(path, "IsTr", shape=(1, 1_000_000_000), dtype=h5py.ref_dtype, chunks=(1, 1000))
    with pytest.raises(DataError, match="IsTr must be a cell array of 1 to 100000 images"):
        list(read_faces(path, []))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shape": (3, 1_000_000, 1_000_000), "dtype": "u1", "chunks": (3, 100, 100)}, "1000000 x 1000000 pixels"),
        ({"shape": (3, 60_000, 3000), "dtype": "u1", "chunks": (3, 60_000, 3000)}, "too large to unpack"),
        ({"shape": (3, 0, 20), "dtype": "u1"}, "0 x 20 pixels"),
        ({"data": np.zeros((2, 20, 20), np.uint8)}, "expected a grey or colour image of uint8"),
        ({"data": np.zeros((3, 20, 20))}, "expected a grey or colour image of uint8"),
        ({"data": np.zeros((1, 3, 20, 20), np.uint8)}, "expected a grey or colour image of uint8"),
        ({"shape": (3, 20, 20), "dtype": "u1", "external": [("elsewhere", 0, 1200)]}, "stored in another file"),
        ({"shape": (3, 20, 20), "dtype": "u1", "compression": "lzf"}, "packed in a way that MATLAB never does"),
    ],
)
def test_images_of_another_form_are_refused(options: dict[str, Any], message: str, cofw: Path) -> None:
    path = damaged(cofw / "COFW_train_color.mat", "#refs#/i0", **options)
    with h5py.File(path, "r+") as file:
        file["IsTr"][0, 0] = file["#refs#/i0"].ref
    with pytest.raises(DataError, match=message):
        image_size(f"cofw://{path}#IsTr/1")


def test_references_that_lead_nowhere(cofw: Path) -> None:
    path = cofw / "COFW_train_color.mat"
    with h5py.File(path, "r+") as file:
        file["IsTr"][0, 0] = file["#refs#"].ref
        file["IsTr"][0, 1] = h5py.Reference()
    for number in (1, 2):
        with pytest.raises(DataError, match=f"IsTr/{number} is not an array"):
            read_image(f"cofw://{path}#IsTr/{number}")
    with h5py.File(path, "r+") as file:
        del file["phisTr"]
        file["phisTr"] = h5py.ExternalLink("elsewhere.mat", "phisTr")
    with pytest.raises(DataError, match="has no array phisTr"):
        list(read_faces(path, []))


def test_other_files_are_no_cofw(tmp_path: Path) -> None:
    path = tmp_path / "COFW_train_color.mat"
    path.write_bytes(b"MATLAB 5.0 MAT-file".ljust(1000))
    assert not recognises(path)
    with pytest.raises(DataError, match=r"cannot be read as a MATLAB v7\.3"):
        list(read_faces(path, []))
    with h5py.File(path, "w") as file:
        file["x"] = 1
    with pytest.raises(DataError, match="holds neither IsTr nor IsT"):
        list(read_faces(path, []))
    with pytest.raises(DataError, match=r"no COFW_train_color\.mat"):
        list(read_faces(tmp_path / "..", []))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("cofw") / "whole.mat"
    return write_cofw(path, "Tr", [GREY, COLOUR], phis(2), BOXES).read_bytes()


@settings(max_examples=50, deadline=None)
@given(changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8), length=st.floats(0, 1))
def test_any_damage_gives_faces_or_one_clear_line(
    changes: list[tuple[float, int]], length: float, whole: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(whole)
    for where, value in changes:
        content[int(where * (len(content) - 1))] = value
    path = tmp_path_factory.getbasetemp() / "any.mat"
    path.write_bytes(content[: int(length * len(content))] if length < 0.3 else content)
    recognises(path)
    fault = str(path)
    try:
        for face in read_faces(path, []):
            assert face.landmarks.shape == (29, 2)
            image_size(face.image)
            assert read_image(face.image).ndim == 3
    except DataError as error:
        fault = str(error)
    assert str(path) in fault
    assert "\n" not in fault
