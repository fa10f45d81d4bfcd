"""A folder in which nothing is replaced but what we wrote."""

import hashlib
import os
import subprocess
from pathlib import Path

import pytest

from acrloss.errors import DataError
from acrloss.prediction.results_folder import LIST, ResultsFolder


def test_what_was_written_may_be_written_again(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    results = ResultsFolder(out)
    results.write("a.json", "one")
    results.write("sub/b.json", b"two")
    results.close()
    assert (out / "a.json").read_text() == "one"
    expected = [
        f"{hashlib.sha256(text).hexdigest()}  {name}" for text, name in ((b"one", "a.json"), (b"two", "sub/b.json"))
    ]
    assert (out / LIST).read_text().splitlines() == expected
    assert subprocess.run(["sha256sum", "--check", "--quiet", LIST], cwd=out, check=False).returncode == 0
    again = ResultsFolder(out)
    again.claim(["a.json", "sub/b.json", "new.json"], [])
    again.write("a.json", "three")
    again.close()
    assert len((out / LIST).read_text().splitlines()) == 2
    ResultsFolder(out).claim(["a.json"], [])


def test_what_is_not_ours_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("theirs")
    (tmp_path / "b.png").write_text("theirs")
    results = ResultsFolder(tmp_path)
    with pytest.raises(DataError, match=r"a\.png is no result of ours and would be replaced, nor may 1 more"):
        results.claim(["new.png", "a.png", "b.png"], [])
    with pytest.raises(DataError, match=r"a\.png would be replaced by its own result"):
        results.claim(["a.png"], [tmp_path / "sub" / ".." / "a.png"])
    (tmp_path / "link.png").symlink_to(tmp_path / "a.png")
    with pytest.raises(DataError, match=r"link\.png would be replaced"):
        results.claim(["link.png"], [tmp_path / "a.png"])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "b.png", "link.png"]


def test_what_somebody_changed_is_theirs(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    results.write("a.pts", "as predicted")
    results.close()
    (tmp_path / "a.pts").write_text("corrected by hand")
    again = ResultsFolder(tmp_path)
    with pytest.raises(DataError, match=r"a\.pts was changed since it was written here"):
        again.claim(["a.pts"], [])
    again.remove("a.pts")
    assert (tmp_path / "a.pts").read_text() == "corrected by hand"


def test_folders_are_ours_with_all_that_is_in_them(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    (tmp_path / "coco" / "images").mkdir(parents=True)
    for name in ("faces.json", "images/a.jpg"):
        (tmp_path / "coco" / name).write_text(name)
    with pytest.raises(DataError, match="is no result of ours"):
        results.claim(["coco"], [])
    results.adopt("coco")
    results.write("other", "stays")
    results.close()
    again = ResultsFolder(tmp_path)
    again.claim(["coco"], [])
    (tmp_path / "coco" / "mine.txt").write_text("mine")
    with pytest.raises(DataError, match=r"mine\.txt is no result of ours"):
        again.claim(["coco"], [])
    again.remove("coco")
    assert (tmp_path / "coco" / "faces.json").exists()
    (tmp_path / "coco" / "mine.txt").unlink()
    again.remove("coco")
    again.close()
    assert not (tmp_path / "coco").exists()
    assert ResultsFolder(tmp_path).names == ["other"]


def test_a_run_that_was_killed_can_be_run_again(tmp_path: Path) -> None:
    results = ResultsFolder(tmp_path)
    results.write("a.json", "one")
    # Killed here, without close; and once more in the middle of a line.
    with (tmp_path / LIST).open("a") as file:
        file.write("0123")
    again = ResultsFolder(tmp_path)
    again.claim(["a.json"], [])
    again.write("a.json", "two")
    ResultsFolder(tmp_path).claim(["a.json"], [])


def test_places_that_are_no_folders_of_results_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for bad in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/xx")):
        with pytest.raises(DataError, match=r"results cannot be written into .*--output") as caught:
            ResultsFolder(bad)
        assert "\n" not in str(caught.value)
    (tmp_path / LIST).write_text("a shopping list\n")
    with pytest.raises(DataError, match=r"line 1: not a SHA-256 and a name but 'a shopping list'"):
        ResultsFolder(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_folder_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DataError, match="Permission denied"):
        ResultsFolder(tmp_path)
