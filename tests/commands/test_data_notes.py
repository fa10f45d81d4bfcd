"""What happens to data is said by every command that reads it: counted, listed in a file, refused with --strict."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from acrloss.commands.main import main
from acrloss.notes import NOTES

P5 = "40,40,80,40,60,60,45,80,75,80"
HEADER = "image,split," + ",".join(f"x{m},y{m}" for m in range(5)) + ",box_x0,box_y0,box_x1,box_y1\n"
ROWS = (
    f"a.png,train,{P5},30,30,90,90\n"
    f"a.png,holdout,{P5.replace('40', '41')},0,0,0,0\n"
    f"none.png,train,{P5},30,30,90,90\n"
    f"a.png,train,{P5.replace('80', 'x')},30,30,90,90\n"
)


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    cv2.imwrite(str(tmp_path / "a.png"), np.full((100, 120, 3), 90, np.uint8))
    (tmp_path / "faces.csv").write_text(HEADER + ROWS)
    return tmp_path / "faces.csv"


def test_everything_is_counted_and_listed(faces: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["data", "check", str(faces), "--scheme", "generic", "--output", str(tmp_path / "check")]
    assert main(arguments) == 0
    said = capsys.readouterr().err
    counts = (
        "2 left out: 1 whose annotation cannot be read, 1 without a readable image; ignored: 1 × box without extent; "
        "1 in split 'holdout', used by nobody"
    )
    assert counts in said
    assert f"left out: {faces}:5: column 'y1'" not in said
    lines = (tmp_path / "check" / NOTES).read_text().splitlines()
    assert [line.replace(str(tmp_path), "") for line in lines] == [
        "ignored: /faces.csv:3: a box of 0 x 0 is none",
        "/faces.csv:5: column 'x1': expected a finite number or an empty cell, got 'x'",
        "/faces.csv:4: /none.png: no such image file",
    ]
    assert f"all that was left out, ignored, changed or guessed: {tmp_path / 'check' / NOTES}" in said
    # Mended, the old list is not left standing.
    faces.write_text(HEADER + ROWS.splitlines()[0] + "\n")
    assert main(arguments) == 0
    assert (tmp_path / "check" / NOTES).read_text() == ""


def test_convert_lists_them_beside_the_result(faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert main(["data", "convert", str(faces), str(out), "--format", "coco", "--scheme", "generic"]) == 0
    assert len((out / NOTES).read_text().splitlines()) == 3


def test_split_pack_and_convert_list_what_they_leave_out_themselves(faces: Path, tmp_path: Path) -> None:
    # Of the second face a landmark is missing; of the last the picture's header alone is whole.
    cv2.imwrite(str(tmp_path / "b.jpg"), np.random.default_rng(0).integers(0, 255, (100, 120, 3), np.uint8))
    (tmp_path / "b.jpg").write_bytes((tmp_path / "b.jpg").read_bytes()[:2000])
    whole, lacking = P5.replace("40", "41"), ",," + ",".join(P5.split(",")[2:])
    rows = (f"a.png,train,{lacking},,,,", f"b.jpg,train,{whole},,,,", f"none.png,train,{P5},,,,")
    faces.write_text(HEADER + "\n".join(rows) + "\n")
    generic = ["--scheme", "generic"]
    read = [f"{faces}:4: {tmp_path}/none.png: no such image file"]
    out = tmp_path / "pts"
    assert main(["data", "convert", str(faces), str(out), "--format", "pts", *generic]) == 0
    cannot = "pts cannot hold missing landmarks, which 1 of 2 faces have: left out with the faces"
    without = f"{tmp_path}/a.png: without landmark 0, which pts cannot leave out"
    assert (out / NOTES).read_text().splitlines() == [*read, cannot, without]
    out = tmp_path / "csv"
    assert main(["data", "convert", str(faces), str(out), "--format", "csv", *generic]) == 0
    assert (out / NOTES).read_text().splitlines() == read
    out = tmp_path / "packed"
    assert main(["data", "pack", str(faces), str(out), "--crop.size", "32", *generic]) == 0
    truncated = f"{tmp_path}/b.jpg: the image file is truncated; replace it"
    assert (out / NOTES).read_text().splitlines() == [*read, truncated]
    out = tmp_path / "split"
    assert main(["data", "split", str(faces), "--output", str(out), "--test", "0", "--val", "0", *generic]) == 0
    assert (out / NOTES).read_text().splitlines() == read


@pytest.mark.parametrize("command", ["check", "convert", "flip"])
def test_strict_refuses(command: str, faces: Path, tmp_path: Path, fails: Callable[..., str]) -> None:
    out = tmp_path / ("scheme.yaml" if command == "flip" else "out")
    more = {
        "check": [str(faces), "--output", str(out)],
        "convert": [str(faces), str(out), "--format", "csv"],
        "flip": [str(faces), "--output", str(out)],
    }[command]
    said = fails("data", command, *more, "--scheme", "generic", "--strict")
    # Read for anything but check and convert, of a face that is annotated twice the last counts.
    assert f"{3 if command == 'flip' else 2} left out: " in said
    assert "1 in split 'holdout', used by nobody; mend the data, or do not ask for strict reading" in said
    assert not out.exists()


def test_strict_lets_sound_data_pass(faces: Path, tmp_path: Path) -> None:
    faces.write_text(HEADER + ROWS.splitlines()[0] + "\n")
    arguments = ["data", "check", str(faces), "--scheme", "generic", "--output", str(tmp_path / "check"), "--strict"]
    assert main(arguments) == 0
    # A split that nobody uses is enough to refuse it.
    faces.write_text(HEADER + ROWS.splitlines()[0].replace("train", "trian") + "\n")
    assert main(arguments) == 2
