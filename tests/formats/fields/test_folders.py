from pathlib import Path

import pytest

from acrloss.errors import DataError
from acrloss.formats.fields.folders import PictureFolders, exports, image_folders, split_of, walk
from format_fakes import write


def test_folders_are_walked_once_and_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("b/2.txt", "b/1.txt", "a/deep/er/x.txt"):
        write(tmp_path / name, "")
    (tmp_path / "a/round").symlink_to(tmp_path, target_is_directory=True)
    assert [(folder.relative_to(tmp_path).as_posix(), names) for folder, names in walk(tmp_path)] == [
        (".", []),
        ("a", []),
        ("a/deep", []),
        ("a/deep/er", ["x.txt"]),
        ("b", ["1.txt", "2.txt"]),
    ]
    assert [folder.name for folder, _ in walk(tmp_path, depth=1)][1:] == ["a", "b"]
    monkeypatch.setattr("acrloss.formats.fields.folders._MAX_FOLDERS", 3)
    with pytest.raises(DataError, match="more than 3 folders; give the data set's own folder"):
        list(walk(tmp_path))


def test_the_split_that_a_folder_is_called(tmp_path: Path) -> None:
    root = tmp_path / "test_of_something"
    for below, split in (
        ("train/images", "train"),
        ("Training_data/AFW", "train"),
        ("Test_data1", "test"),
        ("train/valid", "val"),
        ("testing/x", "test"),
        ("latest/attrain", ""),
        ("train_test", ""),
        ("", ""),
    ):
        (root / below).mkdir(parents=True, exist_ok=True)
        assert split_of(root, root / below) == split
    (tmp_path / "val").mkdir()
    assert split_of(tmp_path / "val", tmp_path / "val") == "val"


def test_images_apart(tmp_path: Path) -> None:
    for name in ("IMAGES/train", "labels/train/images", "labels/photos", "other"):
        (tmp_path / name).mkdir(parents=True)
    found = image_folders(tmp_path / "labels/train", tmp_path)
    assert [folder.relative_to(tmp_path).as_posix() for folder in found] == [
        "labels/train/images",
        "labels/photos",
        "IMAGES/train",
    ]
    # Nothing above the folder beside the root is looked at.
    assert image_folders(tmp_path / "labels", tmp_path / "labels") == [tmp_path / "labels/photos", tmp_path / "IMAGES"]


def test_pictures_of_a_stem(tmp_path: Path) -> None:
    for name in ("a.jpg", "A.png", "b.JPEG", "c.txt", "d.jpg", "d.png"):
        write(tmp_path / name, "")
    pictures = PictureFolders()[tmp_path]
    assert pictures.named("a") == ["a.jpg"]
    assert pictures.named("B") == ["b.JPEG"]
    assert pictures.named("c") == []
    assert pictures.named("d") == ["d.jpg", "d.png"]
    assert set(pictures.single()) == {"a", "A", "b"}
    assert PictureFolders()[tmp_path / "none"].named("a") == []


def test_exports_in_subfolders(tmp_path: Path) -> None:
    looked: list[str] = []

    def is_one(file: Path) -> bool:
        looked.append(file.name)
        return file.read_text() == "yes"

    write(tmp_path / "a/b/1.XML", "yes")
    write(tmp_path / "a/2.xml", "yes")
    write(tmp_path / "a/no.xml", "no")
    write(tmp_path / "a/b/c/d/e/deep.xml", "yes")
    (tmp_path / "folder.xml").mkdir()
    assert exports(tmp_path, ".xml", is_one) == [tmp_path / "a/2.xml", tmp_path / "a/b/1.XML"]
    assert exports(tmp_path / "a", ".xml", is_one) == [tmp_path / "a/2.xml"]
    assert exports(tmp_path / "a/2.xml", ".xml", is_one) == [tmp_path / "a/2.xml"]
    assert exports(tmp_path / "a/no.xml", ".xml", is_one) == []
    assert exports(tmp_path / "none.xml", ".xml", is_one) == []
    # A folder of thousands of other files is passed over.
    for number in range(100):
        write(tmp_path / f"many/{number:03d}.xml", "no")
    looked.clear()
    exports(tmp_path, ".xml", is_one)
    assert len([name for name in looked if name[0].isdigit() and len(name) == 7]) == 20
