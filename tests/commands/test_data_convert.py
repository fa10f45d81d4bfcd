"""acrloss data convert, run as a user runs it."""

from pathlib import Path

import numpy as np
import pytest

from acrloss.commands.main import main
from acrloss.formats import read_annotations
from acrloss.formats.registry import WRITERS


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
