"""acrloss data convert, run as a user runs it."""

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from acrloss.commands.main import main
from acrloss.formats import read_annotations
from acrloss.formats.registry import WRITERS
from acrloss.schemes import Scheme, get_scheme, save_scheme


@pytest.mark.parametrize("name", WRITERS)
def test_convert_there_and_back(
    name: str, faces_300w: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    assert main(["data", "convert", str(faces_300w), str(there), "--format", name]) == 0
    shown = capsys.readouterr()
    assert shown.out.rstrip() == f"results: {there}"
    assert ("cannot hold subsets" in shown.err) == ("subsets" in WRITERS[name].cannot_hold)
    assert main(["data", "convert", str(there), str(back), "--format", "pts"]) == 0
    original, result = read_annotations(faces_300w), read_annotations(back)
    assert sorted(original.splits) == sorted(result.splits)
    assert np.abs(np.sort(original.landmarks[:, 0, 0]) - np.sort(result.landmarks[:, 0, 0])).max() < 1e-3


def test_a_scheme_of_ones_own_goes_along(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fails: Callable[..., str]
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    cv2.imwrite(str(source / "a.png"), np.full((80, 90, 3), 99, np.uint8))
    (source / "faces.csv").write_text("image,x0,y0,x1,y1,x2,y2\na.png,20,30,60,31,40,50\n")
    mine = save_scheme(Scheme("three", 3, (1, 0, 2), interocular=(0, 1)), tmp_path / "mine.yaml")
    for to in ("csv", "coco", "yolo"):
        out = tmp_path / to
        assert "acrloss data flip SOURCE" in fails("data", "convert", source, out, "--format", to)
        assert main(["data", "convert", str(source), str(out), "--format", to, "--scheme", str(mine)]) == 0
        assert capsys.readouterr().out.rstrip() == f"results: {out}, with their scheme in scheme.yaml"
        # Found when it is read, as a folder or a file; the next command says so.
        assert main(["data", "check", str(out), "--output", str(tmp_path / f"check_{to}")]) == 0
        assert f"scheme: {out / 'scheme.yaml'} lies beside the data" in capsys.readouterr().err
    file = tmp_path / "csv" / "faces.csv"
    assert read_annotations(file).scheme == get_scheme(mine)
    assert main(["data", "split", str(file), "--output", str(tmp_path / "split"), "--test", "0", "--val", "0"]) == 0
    assert capsys.readouterr().out.rstrip().endswith(", with their scheme in scheme.yaml")
    # One of other data is said not to be used, whether another fits or none does.
    save_scheme(Scheme("two", 2, (1, 0)), file.with_name("scheme.yaml"))
    assert "nor two of 2 in the scheme.yaml there" in fails("data", "check", file)
    file.with_name("scheme.yaml").write_text("key: 1")
    assert "scheme.yaml: unknown key 'key'" in fails("data", "check", file)


def test_a_scheme_beside_other_data_is_not_used(
    faces_csv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "faces"
    shutil.copytree(faces_csv.parent, folder)
    beside = save_scheme(Scheme("two", 2, (1, 0)), folder / "scheme.yaml")
    assert main(["data", "convert", str(folder / faces_csv.name), str(tmp_path / "out"), "--format", "csv"]) == 0
    shown = capsys.readouterr()
    assert f"scheme: {beside} does not fit and is not used" in shown.err
    assert shown.out.rstrip() == f"results: {tmp_path / 'out'}"
    assert read_annotations(tmp_path / "out").scheme == get_scheme("ibug68")


def test_options_and_errors(faces_csv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    renamed = tmp_path / "renamed.csv"
    renamed.write_text(faces_csv.read_text().replace("image,", "file,", 1).replace("\n", f"\n{faces_csv.parent}/"))
    renamed.write_text(renamed.read_text().removesuffix(f"{faces_csv.parent}/"))
    arguments = ["data", "convert", str(renamed), str(out), "--format", "coco", "--source_format", "csv"]
    assert main(arguments) == 2
    assert "no column 'image'" in capsys.readouterr().err
    assert main([*arguments, "--data_options.image_column=file", "--copy_images", "true"]) == 0
    assert len(read_annotations(out)) == 24
    assert sorted(path.name for path in out.iterdir()) == ["images", "test.json", "train.json", "val.json"]
    assert main(arguments) == 2
    assert main(["data", "convert", str(faces_csv), str(out), "--format", "csv"]) == 2
    assert "is not an empty folder" in capsys.readouterr().err
    assert main(["data", "convert", str(faces_csv), str(tmp_path / "new"), "--format", "jpeg"]) == 2
    assert "format 'jpeg' cannot be written; give one of pts" in capsys.readouterr().err
    assert main(["data", "convert", "synthetic:4", str(tmp_path / "new"), "--format", "cvat"]) == 2
    assert "give --copy_images true" in capsys.readouterr().err
    assert main(["data", "convert", str(faces_csv), str(tmp_path / "new")]) == 2
    assert "required: format" in capsys.readouterr().err
