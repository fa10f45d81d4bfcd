from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.formats import Face, read_annotations
from acrloss.formats.imglab import read_faces, recognises, write_faces
from acrloss.notes import Note, left_out
from acrloss.schemes import Scheme

HEAD = """<?xml version='1.0' encoding='ISO-8859-1'?>
<?xml-stylesheet type='text/xsl' href='image_metadata_stylesheet.xsl'?>
<dataset>
<name>Training faces</name>
<comment>Ann &amp; Bob, Fran\xe7ois</comment>
<images>
"""
TAIL = "</images>\n</dataset>"
# As imglab writes it: two faces of one picture, the parts of a box sorted by name, an empty and an ignored box.
FACES = """  <image file='faces/two &amp; more.jpg' width='60' height='50'>
    <box top='10' left='20' width='30' height='25'>
      <label>ann</label>
      <part name='00' x='22' y='12'/>
      <part name='01' x='40' y='13'/>
      <part name='02' x='30' y='30'/>
    </box>
    <box top='1' left='2' width='10' height='10' ignore='1'/>
    <box top='1' left='2' width='10' height='10'/>
    <box top='-2' left='0' width='9' height='8' pose='3' occluded='1'>
      <part name='02' x='3' y='5'/>
      <part name='00' x='-1' y='1'/>
    </box>
  </image>
  <image file='/data/b.png'>
    <box top='1' left='1' width='5.5' height='5'>
      <part name='00' x='1.25' y='2.5'/>
      <part name='01' x='4' y='2'/>
      <part name='02' x='3' y='4'/>
    </box>
  </image>
"""


def write(tmp_path: Path, body: str, name: str = "faces.xml") -> Path:
    path = tmp_path / name
    path.write_bytes((HEAD + body + TAIL).encode("latin-1"))
    return path


def faces_of(path: Path, **options: Any) -> tuple[list[Face], list[str]]:
    notes: list[Note] = []
    return list(read_faces(path, notes, **options)), left_out(notes)


def test_a_file_of_imglab(tmp_path: Path) -> None:
    path = write(tmp_path, FACES)
    assert recognises(path)
    assert recognises(tmp_path)
    (a, b, c), skipped = faces_of(path)
    assert a.where == f"{path}:8"
    assert a.image == b.image == str(tmp_path / "faces/two & more.jpg")
    assert c.image == "/data/b.png"
    assert a.landmarks.tolist() == [[22, 12], [40, 13], [30, 30]]
    assert b.landmarks[[0, 2]].tolist() == [[-1, 1], [3, 5]]
    assert np.isnan(b.landmarks[1]).all()
    assert c.landmarks[0].tolist() == [1.25, 2.5]
    # Whole pixels 20 … 49 and 10 … 34.
    assert a.box == (19.5, 9.5, 49.5, 34.5)
    assert b.box == (-0.5, -2.5, 8.5, 5.5)
    assert a.visible is None
    assert (a.person, a.split) == ("", "")
    assert skipped == [f"{path}:14: the box is marked ignore", f"{path}:15: the box has no parts"]


def test_parts_are_sorted_by_number(tmp_path: Path) -> None:
    parts = "".join(f"<part name='{name}' x='{name}' y='0'/>" for name in (10, 9, 2, 1, 11))
    body = f"<image file='a.jpg'><box top='0' left='0' width='9' height='9'>{parts}</box></image>"
    (face,), _ = faces_of(write(tmp_path, body))
    assert face.landmarks[:, 0].tolist() == [1, 2, 9, 10, 11]
    (face,), _ = faces_of(write(tmp_path, body), names=[11, 10, 9, 2, 1])
    assert face.landmarks[:, 0].tolist() == [11, 10, 9, 2, 1]
    (face,), _ = faces_of(write(tmp_path, body), names=["0", "1", "02", "9", "10", "11"])
    assert np.isnan(face.landmarks[0]).all()
    assert face.landmarks[2, 0] == 2
    faces, skipped = faces_of(write(tmp_path, body), names=["1", "2"])
    assert faces == []
    assert skipped == [f"{tmp_path / 'faces.xml'}:7: unknown landmark name '10'"]
    with pytest.raises(DataError, match="there twice"):
        faces_of(write(tmp_path, body), names=["1", "01"])


@pytest.mark.parametrize(
    ("box", "message"),
    [
        ("<box top='0' left='0' width='9' height='9'><part name='0' x='1'/></box>", "line 7: a <part> without y="),
        ("<box top='0' left='0' width='9' height='9'><part x='1' y='1'/></box>", "line 7: a <part> without name="),
        ("<box top='0' left='0' width='9' height='9'><part name='0' x='1' y='nan'/></box>", "finite, got 'nan'"),
        ("<box top='0' left='0' width='9' height='9'><part name='0' x='1' y='1e400'/></box>", "finite, got '1e400'"),
        ("<box top='0' left='0' width='9' height='9'><part name='0' x='1' y='1_0'/></box>", "a number, got '1_0'"),
        (
            "<box top='0' left='0' width='9' height='9'>"
            "<part name='0' x='1' y='1'/><part name='00' x='1' y='2'/></box>",
            "two landmarks are named '0'",
        ),
    ],
)
def test_bad_boxes_are_left_out_with_file_and_line(box: str, message: str, tmp_path: Path) -> None:
    good = (
        "<image file='good.jpg'><box top='0' left='0' width='9' height='9'><part name='0' x='1' y='1'/></box></image>"
    )
    path = write(tmp_path, f"<image file='a.jpg'>{box}</image>\n{good}")
    faces, skipped = faces_of(path)
    assert [Path(face.image).name for face in faces] == ["good.jpg"]
    assert len(skipped) == 1
    assert skipped[0].startswith(f"{path}:7: ")
    assert message in skipped[0]


@pytest.mark.parametrize(
    ("sides", "note"),
    [
        ("top='0' left='0' width='9'", "a <box> without height="),
        ("top='0' left='0' width='0' height='9'", "a box of 0 x 9 is none"),
        ("top='a' left='0' width='9' height='9'", "box: expected a number, got 'a'"),
    ],
)
def test_a_bad_box_never_costs_its_parts(sides: str, note: str, tmp_path: Path) -> None:
    path = write(tmp_path, f"<image file='a.jpg'><box {sides}><part name='0' x='1' y='2'/></box></image>")
    notes: list[Note] = []
    (face,) = read_faces(path, notes)
    assert face.landmarks.tolist() == [[1, 2]]
    assert face.box is None
    assert [(n.kind, str(n)) for n in notes] == [("ignored", f"{path}:7: {note}")]


def test_images_without_a_name_are_left_out(tmp_path: Path) -> None:
    box = "<box top='0' left='0' width='9' height='9'><part name='0' x='1' y='1'/></box>"
    path = write(tmp_path, f"<image file='a&#10;b.jpg'>{box}</image><image>{box}</image>")
    faces, skipped = faces_of(path)
    assert faces == []
    assert [message.startswith(f"{path}:7: an <image> without a file name") for message in skipped] == [True, True]
    assert all("\n" not in message for message in skipped)


def test_files_of_a_folder_are_named_after_splits(tmp_path: Path) -> None:
    def body(x: int, names: str = "01") -> str:
        parts = "".join(f"<part name='{name}' x='{x + 10 * m}' y='{x + 5 * m}'/>" for m, name in enumerate(names))
        return f"<image file='a.png'><box top='0' left='0' width='9' height='9'>{parts}</box></image>"

    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((60, 60, 3), np.uint8))
    write(tmp_path, body(5), "z.xml")
    write(tmp_path, body(5), "testing_with_face_landmarks.xml")
    write(tmp_path, body(30), "labels_ibug_300W_train.xml")
    # Names of all files together make the landmarks.
    write(tmp_path, body(45, "0"), "val.xml")
    (tmp_path / "notes.xml").write_text("<notes/>")
    two = Scheme("two", 2, (1, 0))
    faces = read_annotations(tmp_path, scheme=two, repeated="keep")
    found = {(split, x) for split, x in zip(faces.splits, faces.landmarks[:, 0, 0].tolist(), strict=True)}
    assert found == {("", 5), ("test", 5), ("train", 30), ("val", 45)}
    # Of one face in the file of all and in that of its split, the one with the split stays.
    assert sorted(read_annotations(tmp_path, scheme=two).splits) == ["test", "train", "val"]


def test_folder_without_such_a_file(tmp_path: Path) -> None:
    (tmp_path / "notes.xml").write_text("<notes/>")
    assert not recognises(tmp_path)
    with pytest.raises(DataError, match=r"no \.xml file with the root element <dataset>"):
        faces_of(tmp_path)


def test_names_that_hardly_repeat_are_refused(tmp_path: Path) -> None:
    box = "<box top='0' left='0' width='9' height='9'><part name='p{}' x='1' y='1'/></box>"
    body = "<image file='a.jpg'>" + "".join(box.format(i) for i in range(5000)) + "</image>"
    with pytest.raises(DataError, match="5000 faces share hardly any of 5000 landmark names"):
        faces_of(write(tmp_path, body))
    body = "<image file='a.jpg'>" + "".join(box.format(i) for i in range(10_001)) + "</image>"
    with pytest.raises(DataError, match="10001 different landmark names"):
        faces_of(write(tmp_path, body))


def test_custom_number_of_landmarks_names_the_remedy(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((60, 60, 3), np.uint8))
    box = "<box top='0' left='0' width='9' height='9'><part name='0' x='1' y='1'/></box>"
    path = write(tmp_path, f"<image file='a.png'>{box}</image>")
    with pytest.raises(DataError, match=r"1 landmarks fit no built-in scheme .*acrloss data flip SOURCE --output"):
        read_annotations(path)


def test_written_file_has_the_form_that_dlib_reads(tmp_path: Path) -> None:
    faces = Annotations.create(
        ["a"], [[[1.0, 2.0], [3.5, 4.25]]], Scheme("two", 2, (1, 0)), boxes=[[-0.5, 0.5, 9.5, 8.5]], splits=["test"]
    )
    notes = write_faces(tmp_path, faces, ["it's <a>.jpg"])
    assert notes == ["dlib's own tools read whole pixels only; these landmarks have decimals, which acrloss reads"]
    assert (tmp_path / "test.xml").read_text() == (
        "<?xml version='1.0' encoding='UTF-8'?>\n<dataset>\n<images>\n"
        '  <image file="it\'s &lt;a&gt;.jpg">\n'
        "    <box top='1' left='0' width='10' height='8'>\n"
        "      <part name='00' x='1' y='2'/>\n      <part name='01' x='3.5' y='4.25'/>\n"
        "    </box>\n  </image>\n</images>\n</dataset>\n"
    )
    boxless = Annotations.create(["a"], [[[1.0, 2.0], [np.nan, np.nan]]], Scheme("two", 2, (1, 0)), splits=["mine"])
    notes = write_faces(tmp_path, boxless, ["a.jpg"])
    assert "1 faces got the box around their landmarks" in notes[0]
    assert "the split of 1 faces is left out" in notes[1]
    assert "<box top='1.5' left='0.5' width='1' height='1'>\n      <part name='00' x='1' y='2'/>\n    </box>" in (
        tmp_path / "faces.xml"
    ).read_text().replace("top='2'", "top='1.5'").replace("left='1'", "left='0.5'")
