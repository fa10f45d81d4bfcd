"""Files that state another size than the image has: the same picture turned by EXIF, scaled, or another one."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from acrloss.annotations import Annotations
from acrloss.data_check.check import find_problems
from acrloss.errors import DataError
from acrloss.formats import read_annotations
from acrloss.images import read_image
from acrloss.schemes import Scheme

FIVE = Scheme("five", 5, (1, 0, 2, 4, 3))
P5 = [(40, 40), (80, 40), (60, 60), (45, 80), (75, 80)]
BOX = (30, 20, 90, 95)


def coco(folder: Path, width: int, height: int) -> Path:
    x0, y0, x1, y1 = BOX
    row = {
        "id": 1,
        "image_id": 1,
        "category_id": 1,
        "keypoints": [v for x, y in P5 for v in (x, y, 2)],
        "bbox": [x0 + 0.5, y0 + 0.5, x1 - x0, y1 - y0],
    }
    content = {
        "images": [{"id": 1, "file_name": "a.jpg", "width": width, "height": height}],
        "annotations": [row],
        "categories": [{"id": 1, "name": "face", "keypoints": list("abcde")}],
    }
    (folder / "faces.json").write_text(json.dumps(content))
    return folder / "faces.json"


def labelme(folder: Path, width: int, height: int) -> Path:
    shapes = [
        {"label": str(m), "shape_type": "point", "points": [[x + 0.5, y + 0.5]], "group_id": 1, "flags": {}}
        for m, (x, y) in enumerate(P5)
    ]
    box = [[BOX[0] + 0.5, BOX[1] + 0.5], [BOX[2] + 0.5, BOX[3] + 0.5]]
    shapes.append({"label": "face", "shape_type": "rectangle", "points": box, "group_id": 1, "flags": {}})
    content = {"imagePath": "a.jpg", "shapes": shapes, "imageWidth": width, "imageHeight": height}
    (folder / "a.json").write_text(json.dumps(content))
    return folder / "a.json"


def cvat(folder: Path, width: int, height: int) -> Path:
    points = ";".join(f"{x + 0.5},{y + 0.5}" for x, y in P5)
    x0, y0, x1, y1 = (v + 0.5 for v in BOX)
    (folder / "annotations.xml").write_text(
        f'<annotations><image name="a.jpg" width="{width}" height="{height}"><points label="face" points="{points}"/>'
        f'<box label="face" xtl="{x0}" ytl="{y0}" xbr="{x1}" ybr="{y1}"/></image></annotations>'
    )
    return folder / "annotations.xml"


def labelstudio(folder: Path, width: int, height: int) -> Path:
    def item(name: str, kind: str, label: str, **value: float) -> dict[str, object]:
        sizes = {"original_width": width, "original_height": height}
        parent = {"parentID": "r"} if kind == "keypointlabels" else {}
        return {"id": name, "type": kind, "value": {**value, kind: [label]}, **sizes, **parent}

    def share(x: float, y: float) -> dict[str, float]:
        return {"x": 100 * (x + 0.5) / max(width, 1), "y": 100 * (y + 0.5) / max(height, 1)}

    result = [item(f"p{m}", "keypointlabels", str(m), **share(x, y), width=0.5) for m, (x, y) in enumerate(P5)]
    x0, y0, x1, y1 = BOX
    sides = {"width": 100 * (x1 - x0) / max(width, 1), "height": 100 * (y1 - y0) / max(height, 1), "rotation": 0}
    result.append(item("r", "rectanglelabels", "face", **share(x0, y0), **sides))
    task = {"data": {"image": "a.jpg"}, "annotations": [{"result": result}]}
    (folder / "tasks.json").write_text(json.dumps([task]))
    return folder / "tasks.json"


Writer = Callable[[Path, int, int], Path]
every_format = pytest.mark.parametrize("write", [coco, labelme, cvat, labelstudio])


def photograph(folder: Path, width: int, height: int, orientation: int = 1) -> None:
    """A picture that is dark but for a white square around each of P5, as it lies in the file."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for x, y in P5:
        pixels[max(y - 3, 0) : y + 4, max(x - 3, 0) : x + 4] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "JPEG", quality=95, exif=exif)
    (folder / "a.jpg").write_bytes(content.getvalue())


def check_on_white(faces: Annotations) -> None:
    """Whether every landmark of the one face lies in the middle of its square, and the box goes with them."""
    image = read_image(faces.images[0]).astype(float).mean(axis=2)
    for x, y in faces.landmarks[0]:
        across, down = np.meshgrid(np.arange(image.shape[1]), np.arange(image.shape[0]))
        near = image * (np.hypot(across - x, down - y) < 8)
        assert abs((near * across).sum() / near.sum() - x) < 0.2
        assert abs((near * down).sum() / near.sum() - y) < 0.2


@pytest.mark.parametrize("orientation", [5, 6, 7, 8])
@every_format
def test_raw_coordinates_are_turned_with_the_photograph(write: Writer, orientation: int, tmp_path: Path) -> None:
    photograph(tmp_path, 120, 100, orientation)
    faces = read_annotations(write(tmp_path, 120, 100), scheme=FIVE)
    check_on_white(faces)
    (note,) = faces.notes
    assert (note.kind, note.reason) == ("changed", "turned upright as its image is")
    assert "the file says 120 x 100, but the image" in note.message
    assert "is 100 x 120 after EXIF orientation" in note.message
    assert faces.summary().endswith("changed: 1 × turned upright as its image is")
    if orientation == 6:
        # A quarter turn clockwise: x' = 99 - y, y' = x.
        np.testing.assert_allclose(faces.landmarks[0, 0], [59, 40], atol=1e-9)
        np.testing.assert_allclose(faces.boxes[0], [4, 30, 79, 90], atol=1e-9)
    # The reader's turn is a finding.
    assert [finding.message for finding in find_problems(faces).of_kind("changed")] == [note.line]


@pytest.mark.parametrize("orientation", [1, 6])
@every_format
def test_upright_coordinates_stay(write: Writer, orientation: int, tmp_path: Path) -> None:
    width, height = (120, 100) if orientation == 1 else (100, 120)
    photograph(tmp_path, 120, 100, orientation)
    faces = read_annotations(write(tmp_path, width, height), scheme=FIVE)
    np.testing.assert_allclose(faces.landmarks[0], P5, atol=1e-9)
    np.testing.assert_allclose(faces.boxes[0], BOX, atol=1e-9)
    assert faces.notes == ()


@every_format
def test_coordinates_of_a_larger_copy_are_scaled(write: Writer, tmp_path: Path) -> None:
    photograph(tmp_path, 60, 50)
    faces = read_annotations(write(tmp_path, 120, 100), scheme=FIVE)
    # Pixel centres: (40 + 0.5) / 2 - 0.5.
    np.testing.assert_allclose(faces.landmarks[0], [(x / 2 - 0.25, y / 2 - 0.25) for x, y in P5], atol=1e-9)
    np.testing.assert_allclose(faces.boxes[0], [v / 2 - 0.25 for v in BOX], atol=1e-9)
    assert [(note.kind, note.reason) for note in faces.notes] == [("changed", "scaled to its image's size")]


@every_format
def test_turned_and_scaled(write: Writer, tmp_path: Path) -> None:
    photograph(tmp_path, 60, 50, 6)
    faces = read_annotations(write(tmp_path, 120, 100), scheme=FIVE)
    np.testing.assert_allclose(faces.landmarks[0, 0], [59 / 2 - 0.25, 40 / 2 - 0.25], atol=1e-9)
    assert [note.reason for note in faces.notes] == ["turned upright as its image is", "scaled to its image's size"]


def test_sides_that_were_rounded_are_of_one_shape(tmp_path: Path) -> None:
    photograph(tmp_path, 401, 300)
    assert len(read_annotations(coco(tmp_path, 134, 100), scheme=FIVE)) == 1
    assert len(read_annotations(coco(tmp_path, 1203, 899), scheme=FIVE)) == 1
    with pytest.raises(DataError, match="neither a copy of that size"):
        read_annotations(coco(tmp_path, 140, 100), scheme=FIVE)


@pytest.mark.parametrize(("width", "height", "orientation"), [(120, 60, 1), (120, 100, 1), (224, 224, 6)])
@every_format
def test_another_shape_leaves_the_face_out(
    write: Writer, width: int, height: int, orientation: int, tmp_path: Path
) -> None:
    photograph(tmp_path, 100, 120, orientation)
    with pytest.raises(
        DataError, match=rf"the file says {width} x {height}, but the image .* is 1[02]0 x 1[02]0, which"
    ):
        read_annotations(write(tmp_path, width, height), scheme=FIVE)


@pytest.mark.parametrize("write", [coco, labelme, cvat])
def test_a_size_of_nothing_is_none(write: Writer, tmp_path: Path) -> None:
    photograph(tmp_path, 120, 100)
    faces = read_annotations(write(tmp_path, 0, 0), scheme=FIVE)
    np.testing.assert_allclose(faces.landmarks[0], P5, atol=1e-9)
    assert faces.notes == ()
