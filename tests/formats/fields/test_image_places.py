from pathlib import Path

from acrloss.formats.fields.image_places import locate


def test_first_folder_that_has_it(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for place in (second / "sub/a.jpg", second / "b.jpg", first / "b.jpg"):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()
    folders = [first, second]
    assert locate("b.jpg", folders) == str(first / "b.jpg")
    assert locate("sub/a.jpg", folders) == str(second / "sub/a.jpg")
    assert locate("sub\\a.jpg", folders) == str(second / "sub/a.jpg")
    assert locate("none.jpg", folders) == str(first / "none.jpg")
    assert locate("/none.jpg", folders) == "/none.jpg"
    assert locate("a\0b", folders) == str(first) + "/a\0b"
