"""XML and JSON that is broken, mutated or made to harm: one clear line, never a crash, hang or huge allocation."""

import json
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from acrloss.errors import DataError
from acrloss.formats import FORMATS, Face, coco, cvat, imglab, labelme, read_annotations
from acrloss.formats.containers import json_object as json_reader
from acrloss.formats.containers import xml_stream as xml_reader
from acrloss.notes import left_out
from hostile import changed, read_anyhow

MARKS = [(x, y) for x, y in zip(range(5, 20), range(30, 15, -1), strict=True)]

IMGLAB = (
    "<?xml version='1.0'?>\n<dataset><images>\n<image file='a.png'>\n<box top='1' left='1' width='9' height='9'>\n"
    + "".join(f"<part name='{m:02d}' x='{x}' y='{y}'/>\n" for m, (x, y) in enumerate(MARKS))
    + "</box>\n</image>\n</images></dataset>\n"
).encode()
CVAT = (
    '<?xml version="1.0"?>\n<annotations><version>1.1</version>\n<meta><task><labels><label><name>face</name>'
    '</label></labels></task></meta>\n<image name="a.png" width="60" height="60">\n<points label="face" occluded="0" '
    + f'points="{";".join(f"{x},{y}" for x, y in MARKS)}"/>\n<skeleton label="face">\n'
    + "".join(f'<points label="{m}" occluded="0" outside="0" points="{x},{y}"/>\n' for m, (x, y) in enumerate(MARKS))
    + '</skeleton>\n<box label="face" xtl="1" ytl="1" xbr="9" ybr="9"/>\n</image></annotations>\n'
).encode()
COCO = json.dumps(
    {
        "images": [{"id": 1, "file_name": "a.png"}],
        "annotations": [
            {
                "id": 5,
                "image_id": 1,
                "category_id": 2,
                "keypoints": [v for x, y in MARKS for v in (x, y, 2)],
                "bbox": [1, 2, 30, 30],
                "attributes": {"person": "Ann", "split": "val", "subsets": ["full"]},
            }
        ],
        "categories": [{"id": 2, "name": "face", "keypoints": [str(m) for m in range(len(MARKS))]}],
    },
    indent=1,
).encode()
LABELME = json.dumps(
    {
        "version": "5.5.0",
        "shapes": [
            {"label": str(m), "points": [[x, y]], "group_id": 1, "shape_type": "point", "flags": {}}
            for m, (x, y) in enumerate(MARKS)
        ],
        "imagePath": "a.png",
        "faces": [{"group_id": 1, "person": "Ann", "split": "val", "subsets": ["full"]}],
    },
    indent=1,
).encode()
VALID: dict[str, tuple[ModuleType, str, bytes]] = {
    "imglab": (imglab, "faces.xml", IMGLAB),
    "cvat": (cvat, "annotations.xml", CVAT),
    "coco": (coco, "faces.json", COCO),
    "labelme": (labelme, "a.json", LABELME),
}


def check(module: ModuleType, path: Path) -> tuple[list[Face], list[str]]:
    """Read a file; whatever comes must be sound faces and lines that begin with the file."""
    faces, notes, fault = read_anyhow(lambda notes: module.read_faces(path, notes), path)
    lines = fault or left_out(notes)
    assert all(line.startswith(str(path)) for line in lines)
    return [] if fault else faces, lines


@pytest.mark.parametrize("name", VALID)
def test_the_files_that_are_mutated_are_valid(name: str, tmp_path: Path) -> None:
    module, file, content = VALID[name]
    (tmp_path / file).write_bytes(content)
    faces, skipped = check(module, tmp_path / file)
    assert len(faces) >= 1
    assert skipped == []
    assert all(len(face.landmarks) == len(MARKS) for face in faces)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
@pytest.mark.parametrize("name", VALID)
def test_mutated_files(name: str, data: st.DataObject, tmp_path: Path) -> None:
    module, file, content = VALID[name]
    (tmp_path / file).write_bytes(data.draw(changed(content)))
    assert module.recognises(tmp_path / file) in (True, False)
    check(module, tmp_path / file)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=200), start=st.sampled_from([b"", b"<dataset>", b"<annotations>", b'{"images":', b"{"])
)
@pytest.mark.parametrize("name", VALID)
def test_arbitrary_bytes(name: str, content: bytes, start: bytes, tmp_path: Path) -> None:
    module, file, _ = VALID[name]
    (tmp_path / file).write_bytes(start + content)
    assert all(isinstance(other.recognises(tmp_path / file), bool) for other in FORMATS.values())
    check(module, tmp_path / file)


def nested_entities(root: str) -> str:
    """The billion laughs: 10 levels, each of 10 of the one below."""
    levels = "".join(f'<!ENTITY e{i} "{f"&e{i - 1};" * 10}">\n' for i in range(1, 11))
    return f'<?xml version="1.0"?>\n<!DOCTYPE {root} [\n<!ENTITY e0 "lol">\n{levels}]>\n<{root}>&e10;</{root}>'


BOMBS: dict[str, Callable[[str], str]] = {
    "entities": nested_entities,
    "external entity": lambda root: f'<!DOCTYPE {root} [<!ENTITY x SYSTEM "file:///etc/passwd">]><{root}>&x;</{root}>',
    "external type": lambda root: f'<!DOCTYPE {root} SYSTEM "http://localhost:1/x.dtd"><{root}/>',
    "defaults": lambda root: (
        f'<!DOCTYPE {root} [<!ATTLIST part x CDATA "{"9" * 100_000}">]><{root}>{"<part/>" * 10_000}</{root}>'
    ),
}


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("root", ["dataset", "annotations"])
def test_entities_and_document_types_are_refused(root: str, bomb: str, tmp_path: Path) -> None:
    path = tmp_path / "bomb.xml"
    path.write_text(BOMBS[bomb](root))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=r"bomb\.xml"):
            read_annotations(path)
        module = imglab if root == "dataset" else cvat
        with pytest.raises(DataError, match=r"bomb\.xml"):
            list(module.read_faces(path, []))
        with pytest.raises(DataError, match=r"bomb\.xml:\d: a document type declaration \(<!DOCTYPE>\) is refused"):
            xml_reader.Document(path).parse()
        assert tracemalloc.get_traced_memory()[1] < 30_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("root", ["dataset", "annotations"])
def test_deep_xml(root: str, tmp_path: Path) -> None:
    path = tmp_path / "deep.xml"
    path.write_text(f"<{root}>\n" + "<a>" * 1_000_000)
    with pytest.raises(DataError, match=r"deep\.xml:2: elements nested more than 100 deep"):
        read_annotations(path)


def test_a_tag_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xml_reader, "_MAX_TAG", 2_000_000)
    path = tmp_path / "long.xml"
    path.write_text("<dataset>\n<image file='" + "x" * 5_000_000)
    with pytest.raises(DataError, match=r"long\.xml:2: a tag of more than 2000000 bytes"):
        read_annotations(path)


def test_large_files_are_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, (module, file, content) in VALID.items():
        path = tmp_path / name / file
        path.parent.mkdir()
        path.write_bytes(content)
        monkeypatch.setattr(xml_reader, "_MAX_BYTES", 10)
        monkeypatch.setattr(json_reader, "MAX_BYTES", 10)
        _, messages = check(module, path)
        assert len(messages) == 1
        assert messages[0].startswith(f"{path}: {len(content)} bytes; ")
        assert messages[0].endswith("may have at most 10, split it")


@pytest.mark.parametrize(("name", "key"), [("coco", "images"), ("labelme", "shapes")])
@pytest.mark.parametrize("bracket", ["[", '{"a":'])
def test_deep_json(name: str, key: str, bracket: str, tmp_path: Path) -> None:
    path = tmp_path / "deep.json"
    path.write_text(f'{{"{key}": ' + bracket * 1_000_000)
    with pytest.raises(
        DataError, match=r"deep\.json(: not a file of annotations: nested too deep|:1: not a JSON file)"
    ):
        read_annotations(path)
    # Whole, and deep where the reader looks.
    module, _, content = VALID[name]
    for depth in (50, 500, 900):
        value = ("[" * depth + "]" * depth).encode()
        for old in (b'"Ann"', b'"val"', b'"full"', b'"a.png"', b'"face"', b'"image_id": 1', b'"group_id": 1', b'"3"'):
            key_of_old = old[: old.find(b": ") + 2] if b": " in old else b""
            path.write_bytes(content.replace(old, key_of_old + value, 1))
            check(module, path)


def test_a_billion_points_that_are_not_there(tmp_path: Path) -> None:
    contents = {
        "faces.json": COCO.replace(b'"keypoints": [\n    5,', b'"num_keypoints": 1000000000, "keypoints": [\n    5,'),
        "a.json": LABELME.replace(b'"label": "3"', b'"label": "1000000000"'),
        "faces.xml": IMGLAB.replace(b"name='03'", b"name='1000000000'"),
        "annotations.xml": CVAT.replace(b'label="3"', b'label="1000000000"'),
    }
    for module, file, content in VALID.values():
        assert contents[file] != content
        path = tmp_path / file
        path.write_bytes(contents[file])
        tracemalloc.start()
        faces, _ = check(module, path)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
        tracemalloc.stop()
        # A name is a name: the landmark goes last, none is made up between.
        assert all(len(face.landmarks) == len(MARKS) for face in faces)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "latin-1", "shift_jis", "no-such-code"])
def test_encodings(encoding: str, tmp_path: Path) -> None:
    declared = {"utf-8-sig": "utf-8"}.get(encoding, encoding)
    text = IMGLAB.decode().replace("version='1.0'", f"version='1.0' encoding='{declared}'")
    path = tmp_path / "faces.xml"
    path.write_bytes(text.encode("utf-8" if encoding == "no-such-code" else encoding))
    if encoding in ("shift_jis", "no-such-code"):
        with pytest.raises(DataError, match=r"faces\.xml"):
            read_annotations(path)
        with pytest.raises(DataError, match=r"faces\.xml:1: not "):
            xml_reader.Document(path).parse()
    else:
        assert len(check(imglab, path)[0]) == 1
    path = tmp_path / "faces.json"
    path.write_bytes(COCO.replace(b"a.png", "é.png".encode("latin-1")))
    with pytest.raises(DataError, match=r"faces\.json:5: not a JSON file: not utf-8 text"):
        list(coco.read_faces(path, []))


def test_formats_are_told_apart(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((60, 60, 3), np.uint8))
    for name, (_, file, content) in VALID.items():
        folder = tmp_path / name
        folder.mkdir()
        (folder / file).write_bytes(content)
        for path in (folder, folder / file):
            assert [other for other, module in FORMATS.items() if module.recognises(path)] == [name]
    (tmp_path / "imglab/annotations.xml").write_bytes(CVAT)
    with pytest.raises(DataError, match=r"could be imglab or cvat; give format= one of them"):
        read_annotations(tmp_path / "imglab")
    (tmp_path / "coco/a.json").write_bytes(LABELME)
    with pytest.raises(DataError, match=r"could be coco or labelme; give format= one of them"):
        read_annotations(tmp_path / "coco")
    for other in ('{"scores": []}', "[1]", "", "annotations", '{"name": "images"}'):
        (tmp_path / "other.json").write_text(other)
        assert not any(module.recognises(tmp_path / "other.json") for module in FORMATS.values())
    # However long the image is that LabelMe puts first.
    labelme_file = LABELME.replace(b"{", b'{"imageData": "' + b"A" * 3_000_000 + b'", ', 1)
    (tmp_path / "other.json").write_bytes(labelme_file.replace(b"imagePath", b"imagePath"))
    assert labelme.recognises(tmp_path / "other.json")
