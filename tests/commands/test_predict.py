"""predict, models and export, run as a user runs them."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from acrloss.commands.main import main
from acrloss.crops.crop import CropSpec
from acrloss.formats import read_annotations
from acrloss.formats.pts import read_pts
from acrloss.images import read_image
from acrloss.networks.landmark_net import create_model
from acrloss.schemes import get_scheme
from real_data import FACES_300W

FACES = FACES_300W / "lfpw" / "testset"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an untrained network: it puts every landmark near the middle of the crop."""
    network = create_model("test_efficientnet", get_scheme("ibug68"), CropSpec(size=32), pretrained="none")
    return network.save(tmp_path_factory.mktemp("model") / "best.safetensors")


def test_predict_writes_json_pts_and_picture(
    model: Path, faces_300w: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = faces_300w / "afw" / "face_0.jpg"
    box = "20,30,80,100"
    arguments = ["--model", str(model), "--box", box, "--output", str(tmp_path / "out")]
    assert main(["predict", str(image), *arguments, "--format", "csv"]) == 0
    assert capsys.readouterr().out.rstrip() == f"results: {tmp_path / 'out'}"
    found = json.loads((tmp_path / "out" / "face_0.json").read_text())
    assert found["scheme"] == "ibug68"
    assert found["image"] == str(image)
    assert found["faces"][0]["box"] == [20, 30, 80, 100]
    landmarks = np.array(found["faces"][0]["landmarks"])
    assert landmarks.shape == (68, 2)
    assert np.abs(landmarks - (50, 65)).max() < 15, "the untrained network's landmarks lie near the middle of the box"
    assert np.abs(read_pts(tmp_path / "out" / "face_0.pts") - landmarks).max() < 1e-3
    drawn = read_image(str(tmp_path / "out" / "face_0.png"))
    assert drawn.shape[0] % read_image(str(image)).shape[0] == 0
    again = read_annotations(tmp_path / "out" / "csv")
    assert again.landmarks[0] == pytest.approx(landmarks, abs=1e-2)


def test_predict_goes_on_after_a_bad_image(
    model: Path, faces_300w: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], fails: Callable[..., str]
) -> None:
    bad, good = tmp_path / "bad.jpg", faces_300w / "afw" / "face_1.jpg"
    bad.write_text("no picture")
    out = tmp_path / "out"
    assert main(["predict", "--model", str(model), str(bad), str(good), "--output", str(out)]) == 0
    assert "bad.jpg" in capsys.readouterr().err
    assert (out / "face_1.json").exists()
    assert "none of the images" in fails("predict", "--model", model, bad, "--output", out)


def test_predict_says_when_there_is_no_face(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fails: Callable[..., str]
) -> None:
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((200, 300, 3), 120, np.uint8))
    assert main(["predict", str(tmp_path / "wall.png"), "--output", str(tmp_path / "out")]) == 0
    said = capsys.readouterr().err
    assert "no face found in" in said
    assert "0 faces in 1 image" in said
    assert json.loads((tmp_path / "out" / "wall.json").read_text())["faces"] == []
    arguments = ["--output", str(tmp_path / "out2"), "--format", "coco"]
    assert "no face was found" in fails("predict", tmp_path / "wall.png", *arguments)


@pytest.mark.parametrize("box", ["1,2,3", "a,b,c,d", "50,50,10,10", "nan,0,5,5", "0,0,inf,9"])
def test_predict_refuses_an_impossible_box(
    box: str, model: Path, faces_300w: Path, tmp_path: Path, fails: Callable[..., str]
) -> None:
    image = faces_300w / "afw" / "face_0.jpg"
    arguments = ["--model", str(model), "--box", box, "--output", str(tmp_path)]
    assert "x0,y0,x1,y1" in fails("predict", image, *arguments)


def test_predict_refuses_what_does_not_fit(
    model: Path, faces_300w: Path, tmp_path: Path, fails: Callable[..., str]
) -> None:
    images = [faces_300w / folder / "face_0.jpg" for folder in ("afw", "ibug")]
    assert "same name" in fails("predict", *images, "--model", model)
    assert f"--model {model}" in fails("predict", model, images[0])
    assert f"--model {model.parent}" in fails("predict", model.parent, images[0])
    assert "did you mean default" in fails("predict", images[0], "--model", "defualt")
    assert "give one of auto, yuface, mtcnn" in fails("predict", images[0], "--detector", "yunet")
    assert "did you mean --output" in fails("predict", images[0], "--otput", "x")
    assert "no such file" in fails("predict", tmp_path / "nowhere.jpg")
    assert "cannot be written" in fails(
        "predict", images[0], "--box", "1,1,90,90", "--output", tmp_path / "o", "--format", "cocoo"
    )
    assert "one video or camera alone" in fails("predict", images[0], "clip.mp4")
    assert "no such video" in fails("predict", tmp_path / "clip.mp4")


def test_predict_needs_no_torch(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((200, 300, 3), 120, np.uint8))
    code = (
        "import sys\nfor name in ('torch', 'timm', 'torchvision', 'lightning'): sys.modules[name] = None\n"
        "from acrloss.commands.main import main\nsys.exit(main(sys.argv[1:]))"
    )
    arguments = ["predict", str(tmp_path / "wall.png"), "--output", str(tmp_path / "out")]
    run = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stdout.rstrip() == f"results: {tmp_path / 'out'}"


def test_a_missing_extra_is_named(tmp_path: Path) -> None:
    code = "import sys\nsys.modules['torchvision'] = None\n"
    code += "from acrloss.commands.main import main\nsys.exit(main(sys.argv[1:]))"
    for command, extra in (("evaluate default --data synthetic:4", "train"), ("export default", "export")):
        run = subprocess.run(
            [sys.executable, "-c", code, *command.split()], capture_output=True, text=True, check=False
        )
        assert run.returncode == 2
        assert run.stderr.count("\n") == 1
        assert f"needs torchvision, which is not installed; pip install 'acrloss[{extra}]'" in run.stderr


def test_models_lists_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("default", "ibug68", "research"))


def test_export_writes_a_model_that_evaluate_and_predict_take(
    model: Path, faces_300w: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], fails: Callable[..., str]
) -> None:
    file = tmp_path / "m.onnx"
    assert main(["export", str(model), "--output", str(file), "--int8", str(faces_300w)]) == 0
    shown = capsys.readouterr()
    assert shown.out.rstrip() == f"results: {file}"
    assert "largest difference" in shown.err
    assert (tmp_path / "m.int8.onnx").is_file()
    scores: dict[str, float] = {}
    for name in (str(model), str(file), str(tmp_path / "m.int8.onnx")):
        out = tmp_path / f"scores{len(scores)}"
        assert main(["evaluate", name, "--data", str(faces_300w), "--output", str(out)]) == 0
        scores[name] = json.loads((out / "evaluation.json").read_text())["scores"][0]["nme"]
    assert scores[str(file)] == pytest.approx(scores[str(model)], abs=1e-3)
    assert scores[str(tmp_path / "m.int8.onnx")] == pytest.approx(scores[str(model)], rel=0.1)
    image = faces_300w / "afw" / "face_0.jpg"
    arguments = ["--model", str(file), "--box", "20,30,80,100", "--output", str(tmp_path / "out")]
    assert main(["predict", str(image), *arguments]) == 0
    assert "exported already" in fails("export", file)
    assert "--format onnx" in fails("export", model, "--format", "torchscript", "--int8", faces_300w)
    assert "give one of onnx" in fails("export", model, "--format", "tflite")


def test_evaluate_scores_the_packaged_model_with_detected_boxes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not FACES.is_dir():
        pytest.skip("no real faces at hand (shared/data/300w)")
    data = tmp_path / "faces"
    data.mkdir()
    for path in sorted(FACES.glob("*.pts"))[:12]:
        (data / path.name).symlink_to(path)
        picture = next(p for p in FACES.glob(f"{path.stem}.*") if p.suffix != ".pts")
        (data / picture.name).symlink_to(picture)
    nme = {}
    for boxes in ("true", "detected"):
        out = tmp_path / boxes
        assert main(["evaluate", "default", "--data", str(data), "--boxes", boxes, "--output", str(out)]) == 0
        nme[boxes] = json.loads((out / "evaluation.json").read_text())["scores"][0]["nme"]
    assert "found 12 of 12 faces" in capsys.readouterr().err
    assert nme["true"] < 5
    assert nme["detected"] == pytest.approx(nme["true"], rel=0.15)


def test_a_video_of_a_real_face(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    if not FACES.is_dir():
        pytest.skip("no real faces at hand (shared/data/300w)")
    image = cv2.imread(str(next(p for p in sorted(FACES.glob("image_0001*")) if p.suffix != ".pts")))
    assert image is not None
    height, width = image.shape[:2]
    writer = cv2.VideoWriter(str(tmp_path / "v.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 25, (width, height))
    for t in range(20):
        writer.write(np.roll(image, 2 * t, axis=1))
    writer.release()
    assert main(["predict", str(tmp_path / "v.mp4"), "--output", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr()
    assert shown.out.rstrip() == f"results: {tmp_path / 'out' / 'v.mp4'}"
    rows = list(csv.DictReader((tmp_path / "out" / "v.csv").open()))
    assert len(rows) == 20
    assert float(rows[-1]["px30"]) - float(rows[0]["px30"]) == pytest.approx(38, abs=4)
