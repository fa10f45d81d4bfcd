"""A pipe in the place of a file, from which reading would never come back, is refused at once by every command."""

import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from acrloss.commands.main import main
from acrloss.formats.pts import write_pts
from acrloss.formats.registry import FORMATS
from acrloss.images import read_image

pytestmark = pytest.mark.timeout(60)

# What stands where PIPE is; the file's suffix is the command's.
COMMANDS = [
    *(
        "train --data PIPE --output OUT",
        "train --config PIPE.yaml",
        "train --data synthetic:5 --output OUT --crop PIPE.yaml",
    ),
    *("train --data synthetic:5 --scheme PIPE.yaml --output OUT", "data check PIPE.csv", "data check PIPE.json"),
    *(
        "data check PIPE.xml",
        "data check PIPE.mat",
        "data check PIPE.txt",
        "data check PIPE.yaml",
        "data check PIPE.jsonl",
    ),
    *("evaluate --predictions PIPE.npz --data synthetic:5", "evaluate --predictions PIPE.csv --data synthetic:5"),
    *("evaluate --predictions PIPE.txt --data synthetic:5", "evaluate PIPE.onnx --data synthetic:5"),
    *("evaluate PIPE.safetensors --data synthetic:5", "report PIPE.npz", "compare PIPE.yaml", "predict PIPE.jpg"),
    *("predict PIPE.mp4", "predict a.png --model PIPE.onnx", "predict a.png --model PIPE.safetensors"),
    "export PIPE.safetensors",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_named_by_an_option(
    command: str, tmp_path: Path, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cv2.imwrite("a.png", np.full((60, 60, 3), 90, np.uint8))
    words = command.replace("OUT", "out").split()
    pipe = next(word for word in words if word.startswith("PIPE"))
    os.mkfifo(pipe)
    message = fails(*words)
    # Of several photographs a line each is printed before.
    assert pipe in message or words[:2] == ["predict", "PIPE.jpg"]


@pytest.mark.parametrize("name", FORMATS)
def test_within_a_data_set(name: str, tmp_path: Path) -> None:
    """A folder of nothing but pipes, named as each format names its files."""
    folder = tmp_path / "faces"
    for file in (
        *("a.pts", "a.jpg", "faces.csv", "a.json", "faces.xml", "annotations.xml", "index.jsonl", "data.yaml", "a.mat"),
        *("COFW_train_color.mat", "test_annotations/1_points.mat", "AFLWinfo_release.mat", "labels/a.txt"),
        *("list_98pt_rect_attr_train.txt", "001/annot/000001.pts", "train/landmarks/a.txt", "train/images/a.jpg"),
        *("landmarks/AFW/a_pts.mat", "AFW/a.mat", "frontal/trainset/a.pts", "faces.jsonl", "_annotations.coco.json"),
    ):
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        os.mkfifo(folder / file)
    assert main(["data", "check", str(folder), "--format", name, "--output", str(tmp_path / "check")]) == 2
    assert main(["data", "check", str(folder), "--output", str(tmp_path / "check")]) == 2
    for path in sorted(path for path in folder.rglob("*") if not path.is_dir()):
        assert FORMATS[name].recognises(path) in (True, False)
        assert main(["data", "check", str(path), "--format", name, "--output", str(tmp_path / "check")]) == 2


def test_the_image_of_a_face(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    write_pts(tmp_path / "a.pts", np.full((68, 2), 30.0) + np.arange(68)[:, None])
    assert main(["data", "check", str(tmp_path), "--output", str(tmp_path / "check")]) == 2
    with pytest.raises(ValueError, match=r"a\.jpg: not a file; give an image file"):
        read_image(str(tmp_path / "a.jpg"))
