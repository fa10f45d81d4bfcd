import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.formats import Face
from acrloss.formats.cvat import read_faces, recognises
from acrloss.formats.cvat_writer import write_faces
from acrloss.notes import Note, left_out
from acrloss.schemes import Scheme
from format_fakes import cvat_jobs

# As CVAT exports a task: labels of a skeleton and its points, then images.
HEAD = """<?xml version="1.0" encoding="utf-8"?>
<annotations>
  <version>1.1</version>
  <meta>
    <task>
      <id>12</id>
      <name>faces</name>
      <labels>
        <label>
          <name>face</name>
          <color>#5986b3</color>
          <type>skeleton</type>
          <attributes>
            <attribute><name>person</name><mutable>False</mutable><input_type>text</input_type></attribute>
          </attributes>
          <svg>&lt;line x1="1" y1="2" data-type="edge"/&gt;</svg>
        </label>
{labels}
      </labels>
    </task>
    <dumped>2024-01-01 10:00:00.000000+00:00</dumped>
  </meta>
"""
POINTS = """  <image id="0" name="one.jpg" width="100" height="80">
    <points label="face" source="manual" occluded="0" points="10.50,20.50;30.00,20.25;20.00,40.00" z_order="0">
      <attribute name="person">Ann</attribute>
    </points>
    <box label="face" source="manual" occluded="0" xtl="5.00" ytl="10.00" xbr="45.00" ybr="50.00" z_order="0">
    </box>
    <polygon label="hat" points="1,2;3,4;5,6"/>
  </image>
"""
SKELETON = """  <image id="1" name="two.jpg" subset="Validation" width="100" height="80">
    <skeleton label="face" source="manual" z_order="0" group_id="4">
      <points label="{1}" source="manual" outside="0" occluded="1" points="30.00,20.25">
        <attribute name="person">no</attribute>
      </points>
      <points label="{0}" source="manual" outside="0" occluded="0" points="10.50,20.50">
      </points>
      <points label="{2}" source="manual" outside="1" occluded="0" points="0.00,0.00">
      </points>
      <attribute name="person">Bob</attribute>
      <attribute name="subsets">hard; full</attribute>
    </skeleton>
    <points label="other" occluded="1" points="1,2;3,4;5,6"/>
    <box label="x" group_id="3" xtl="1" ytl="1" xbr="2" ybr="2" occluded="0"/>
    <box label="x" group_id="4" xtl="5.00" ytl="10.00" xbr="45.00" ybr="50.00" occluded="0"/>
  </image>
"""


def write(tmp_path: Path, body: str, names: tuple[str, ...] = ("1", "2", "3")) -> Path:
    label = "<label><name>{}</name><type>points</type><attributes></attributes><parent>face</parent></label>"
    path = tmp_path / "annotations.xml"
    path.write_text(HEAD.format(labels="\n".join(label.format(name) for name in names)) + body + "</annotations>\n")
    return path


def faces_of(path: Path, **options: Any) -> tuple[list[Face], list[str]]:
    notes: list[Note] = []
    return list(read_faces(path, notes, **options)), left_out(notes)


def test_points(tmp_path: Path) -> None:
    path = write(tmp_path, POINTS)
    assert recognises(path)
    assert recognises(tmp_path)
    (face,), skipped = faces_of(path)
    assert skipped == []
    assert face.where == f"{path}:26"
    assert face.landmarks.tolist() == [[10, 20], [29.5, 19.75], [19.5, 39.5]]
    assert face.visible is not None
    assert face.visible.all()
    assert face.box == (4.5, 9.5, 44.5, 49.5)
    assert (face.person, face.split, face.image) == ("Ann", "", str(tmp_path / "images/one.jpg"))
    (face,), _ = faces_of(path, corner_origin=False)
    assert face.landmarks[0].tolist() == [10.5, 20.5]
    assert face.box == (5, 10, 45, 50)


@pytest.mark.parametrize("names", [("1", "2", "3"), ("right eye", "left eye", "chin")])
def test_skeletons(names: tuple[str, ...], tmp_path: Path) -> None:
    path = write(tmp_path, SKELETON.format(*names), names)
    (face, other), skipped = faces_of(path)
    assert skipped == []
    np.testing.assert_array_equal(face.landmarks, [[10, 20], [29.5, 19.75], [np.nan, np.nan]])
    assert face.visible is not None
    assert face.visible.tolist() == [True, False, True]
    assert face.box == (4.5, 9.5, 44.5, 49.5)
    assert (face.person, face.split, face.subsets) == ("Bob", "val", frozenset({"hard", "full"}))
    assert other.visible is not None
    assert not other.visible.any()
    assert other.box is None
    assert len(faces_of(path, label="face")[0]) == 1
    (face,), _ = faces_of(path, label="face", names=names[::-1])
    np.testing.assert_array_equal(face.landmarks[2], [10, 20])


def test_landmarks_that_no_face_has_still_count(tmp_path: Path) -> None:
    path = write(tmp_path, SKELETON.format("2", "3", "4"), ("1", "2", "3", "4"))
    (face, _), _ = faces_of(path)
    assert len(face.landmarks) == 4
    assert np.isnan(face.landmarks[0]).all()


def test_images_are_found_where_cvat_exports_them(tmp_path: Path) -> None:
    path = write(tmp_path, SKELETON.format("1", "2", "3"))
    (tmp_path / "images/Validation").mkdir(parents=True)
    for place in ("images/Validation", ".", "images"):
        (tmp_path / place / "two.jpg").touch()
        assert Path(faces_of(path)[0][0].image).resolve() == (tmp_path / place / "two.jpg").resolve()
    assert faces_of(path, images="/data")[0][0].image == "/data/two.jpg"


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ('<points label="f" points="1,2;3"/>', "expected pairs x,y"),
        ('<points label="f" points="1,2,3,4"/>', "expected pairs x,y"),
        ('<points label="f" points=""/>', "expected pairs x,y, got ''"),
        ('<points label="f" points="1,inf"/>', "coordinates must be finite"),
        ('<skeleton label="f"><points label="1" points="1,2"/><points label="1" points="1,2"/></skeleton>', "two land"),
        ('<skeleton label="f"><points label="1" points="1,2;3,4"/></skeleton>', "expected pairs x,y"),
        ('<skeleton label="f"></skeleton>', "the skeleton has no points"),
    ],
)
def test_bad_shapes_are_left_out_with_file_and_line(shape: str, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, f'<image name="a.jpg">{shape}</image>{POINTS}', ())
    faces, skipped = faces_of(path)
    assert [Path(face.image).name for face in faces] == ["one.jpg"]
    assert len(skipped) == 1
    assert skipped[0].startswith(f"{path}:23: ")
    assert message in skipped[0]


@pytest.mark.parametrize(
    ("boxes", "box", "reason"),
    [
        ('<box label="f" xtl="5" ytl="0" xbr="5" ybr="1"/>', None, "a box of 0 x 1 is none"),
        ('<box label="f" xtl="5"/>', None, "box: expected a number, got ''"),
        ('<box label="f" xtl="40" ytl="30" xbr="2" ybr="1"/>', (2, 1, 40, 30), "the box's corners (40, 30) and (2, 1)"),
        ('<box label="plate" xtl="1" ytl="1" xbr="10" ybr="8"/>', None, "the box 'plate' is no face's"),
        ('<box label="f" xtl="1" ytl="1" xbr="10" ybr="8"/>', (1, 1, 10, 8), ""),
        ('<box label="Face" xtl="1" ytl="1" xbr="10" ybr="8"/>', (1, 1, 10, 8), ""),
        ('<box label="car" xtl="15" ytl="15" xbr="50" ybr="50"/>', (15, 15, 50, 50), ""),
        ('<box label="car" xtl="0" ytl="0" xbr="500" ybr="500"/>', None, "the box 'car' is no face's"),
    ],
)
def test_boxes_that_are_a_lone_faces_and_that_are_not(
    boxes: str, box: tuple[float, ...] | None, reason: str, tmp_path: Path
) -> None:
    path = write(tmp_path, f'<image name="a.jpg"><points label="f" points="20,20;40,20;30,40"/>\n{boxes}</image>', ())
    notes: list[Note] = []
    (face,) = read_faces(path, notes, corner_origin=False)
    assert face.landmarks.tolist() == [[20, 20], [40, 20], [30, 40]]
    assert face.box == box
    assert [str(note)[: len(f"{path}:24: {reason}")] for note in notes] == ([f"{path}:24: {reason}"] if reason else [])


def test_single_points_of_several_labels_are_one_face(tmp_path: Path) -> None:
    def point(label: str, x: int, group: int = 0, more: str = "") -> str:
        return f'<points label="{label}" group_id="{group}" points="{x},7"{more}/>'

    box = '<box label="face" xtl="0" ytl="0" xbr="9" ybr="9"/>'
    of_a = [point("2", 3), point("10", 4), point("1", 5, 0, ' occluded="1"'), box]
    # Two faces in one image, told apart by their groups; the second lacks a landmark.
    of_b = [point("1", 1, 4), point("1", 11, 5), point("2", 2, 4), point("10", 3, 4), point("2", 12, 5)]
    # Two faces without groups cannot be told apart.
    of_c = [point("1", 1), point("1", 11), point("2", 2)]
    images = {"a.jpg": of_a, "b.jpg": of_b, "c.jpg": of_c}
    body = "".join(f'<image name="{name}">{"".join(shapes)}</image>' for name, shapes in images.items())
    path = write(tmp_path, body, ())
    (a, b, c), skipped = faces_of(path, corner_origin=False)
    assert [Path(face.image).name for face in (a, b, c)] == ["a.jpg", "b.jpg", "b.jpg"]
    assert a.landmarks[:, 0].tolist() == [5, 3, 4]
    assert a.visible is not None
    assert a.visible.tolist() == [False, True, True]
    assert a.box == (0.0, 0.0, 9.0, 9.0)
    assert b.landmarks[:, 0].tolist() == [1, 2, 3]
    np.testing.assert_array_equal(c.landmarks[:, 0], [11, 12, np.nan])
    assert len(skipped) == 1
    assert "two landmarks are named '1'; if they are of two faces, give each face its group" in skipped[0]
    # Points of one label only are faces of one landmark.
    path = write(tmp_path, f'<image name="a.jpg">{point("eye", 3) + point("eye", 30)}</image>', ())
    assert [face.landmarks.shape for face in faces_of(path)[0]] == [(1, 2), (1, 2)]
    # Names that are no numbers come in the order of the task's labels.
    named = f'<image name="a.jpg">{point("chin", 3) + point("brow", 4)}</image>'
    path = write(tmp_path, named, ())
    path.write_text(
        path.read_text().replace(
            "</labels>", "<label><name>chin</name></label><label><name>brow</name></label></labels>"
        )
    )
    assert faces_of(path, corner_origin=False)[0][0].landmarks[:, 0].tolist() == [3, 4]


def test_video_and_nameless_images(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"annotations\.xml:25: this is CVAT for video; export the task as CVAT for im"):
        faces_of(write(tmp_path, '<track id="0" label="face"><points frame="0" points="1,2"/></track>'))
    faces, skipped = faces_of(write(tmp_path, '<image><points label="f" points="1,2"/></image>'))
    assert faces == []
    assert "the image's name must be a text" in skipped[0]
    with pytest.raises(DataError, match=r"no \.xml file with the root element <annotations>"):
        faces_of(tmp_path / "none")


def test_written_file_has_what_cvat_needs(tmp_path: Path) -> None:
    scheme = Scheme("three", 3, (1, 0, 2), contours=(((0, 1, 2), True),))
    faces = Annotations.create(
        ["a"] * 2,
        np.array([[[1, 2], [3.5, 4.25], [np.nan, np.nan]], [[10, 20], [30, 20], [20, 40]]]),
        scheme,
        visible=[[True, False, False], [True] * 3],
        boxes=np.array([[0, 0, 10, 8], [np.nan] * 4]),
        persons=["Ann & Bob", ""],
        splits=["val", "val"],
    )
    (tmp_path / "images").mkdir()
    (tmp_path / "images/a.png").write_bytes(b"P6 20 10 255\n" + bytes(600))
    assert write_faces(tmp_path, faces, ["images/a.png"] * 2) == []
    root = ET.parse(tmp_path / "annotations.xml").getroot()
    labels = [(row.findtext("name"), row.findtext("type"), row.findtext("parent")) for row in root.iter("label")]
    assert labels[:2] == [("face", "skeleton", None), ("face box", "rectangle", None)]
    assert labels[2:] == [(str(m), "points", "face") for m in range(3)]
    drawing = ET.fromstring(f"<svg>{root.findtext('.//svg')}</svg>")
    assert [dot.get("data-label-name") for dot in drawing.iter("circle")] == ["0", "1", "2"]
    assert [(line.get("data-node-from"), line.get("data-node-to")) for line in drawing.iter("line")] == [
        ("1", "2"),
        ("2", "3"),
        ("3", "1"),
    ]
    (image,) = root.iter("image")
    assert image.attrib == {"id": "0", "name": "a.png", "subset": "val", "width": "20", "height": "10"}
    skeleton = image[0]
    points = [(p.get("label"), p.get("outside"), p.get("occluded"), p.get("points")) for p in skeleton.iter("points")]
    assert points == [("0", "0", "0", "1.5,2.5"), ("1", "0", "1", "4,4.75"), ("2", "1", "0", "0,0")]
    assert skeleton.findtext("attribute") == "Ann & Bob"
    assert image[1].get("group_id") == skeleton.get("group_id") == "1"
    assert (image[1].get("xtl"), image[1].get("ybr")) == ("0.5", "8.5")


def test_exports_of_several_jobs(tmp_path: Path) -> None:
    folder = cvat_jobs(tmp_path)
    notes: list[Note] = []
    faces = list(read_faces(folder, notes))
    assert notes == []
    assert [face.image for face in faces] == [str(folder / job / "images/a.jpg") for job in ("job_1", "job_2")]
    for face in faces:
        np.testing.assert_allclose(face.landmarks, [[80.0, 50.0], [120.0, 50.0], [99.5, 69.5]])
        assert face.split == ""
    # A folder's name tells the split where the file does not.
    (folder / "job_2").rename(folder / "test")
    assert [face.split for face in read_faces(folder, notes)] == ["", "test"]
