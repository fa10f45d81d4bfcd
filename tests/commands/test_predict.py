"""predict, models and export, run as a user runs them."""

import csv
import json
import shutil
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
from acrloss.images import image_size, read_image
from acrloss.images.encode import encode_jpeg
from acrloss.networks.landmark_net import create_model
from acrloss.schemes import get_scheme
from real_data import FACES_300W

FACES = FACES_300W / "lfpw" / "testset"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an untrained network: it puts every landmark about the middle of the crop."""
    shape = 0.5 + np.random.default_rng(0).uniform(-0.12, 0.12, (68, 2))
    network = create_model("test_efficientnet", get_scheme("ibug68"), CropSpec(size=32), shape, pretrained="none")
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
    assert main(["predict", "--model", str(model), str(bad), str(good), "--output", str(out)]) == 1
    said = capsys.readouterr().err
    assert "left out: " in said
    assert "bad.jpg" in said
    assert "1 of 2 images left out" in said
    assert "bad.jpg: not an image" in (out / "left_out.txt").read_text()
    assert (out / "face_1.json").exists()
    assert main(["predict", "--model", str(model), str(good), "--output", str(out), "--box", "whole"]) == 0
    assert not (out / "left_out.txt").exists()
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


def test_predict_never_replaces_what_is_not_its_own(
    model: Path, faces_300w: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], fails: Callable[..., str]
) -> None:
    shutil.copytree(faces_300w / "lfpw" / "testset", tmp_path / "d")
    before = {path.name: path.read_bytes() for path in (tmp_path / "d").iterdir()}
    arguments = ["--model", str(model), "--box", "whole", "--output"]
    message = fails("predict", tmp_path / "d", *arguments, tmp_path / "d")
    assert "would be replaced" in message
    assert {path.name: path.read_bytes() for path in (tmp_path / "d").iterdir()} == before
    # JPEGs have no result of their name; but the truth beside them has.
    for path in (tmp_path / "d").glob("*.png"):
        path.with_suffix(".jpg").write_bytes(encode_jpeg(read_image(str(path))))
        path.unlink()
    assert "face_0.pts is no result of ours" in fails("predict", tmp_path / "d", *arguments, tmp_path / "d")
    for path in (tmp_path / "d").glob("*.pts"):
        path.unlink()
    for _ in range(2):
        # The second time our own drawings lie between the photographs.
        assert main(["predict", str(tmp_path / "d"), *arguments, str(tmp_path / "d")]) == 0
        said = capsys.readouterr().err
        assert "3 faces in 3 images" in said
    assert "passed over 3 pictures that an earlier run drew" in said
    # A correction by hand is not lost either.
    (tmp_path / "d" / "face_1.pts").write_text("by hand")
    assert "face_1.pts was changed since" in fails("predict", tmp_path / "d", *arguments, tmp_path / "d")


def test_predict_keeps_no_stale_results(
    model: Path, faces_300w: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "in").mkdir()
    for name in ("s", "t"):
        shutil.copy(faces_300w / "afw" / "face_0.jpg", tmp_path / "in" / f"{name}.jpg")
    boxes = tmp_path / "boxes.csv"

    def run(*rows: str) -> list[str]:
        boxes.write_text("image,x0,y0,x1,y1\n" + "".join(f"{row}\n" for row in rows))
        arguments = ["--box", str(boxes), "--output", str(tmp_path / "out"), "--format", "coco"]
        assert main(["predict", str(tmp_path / "in"), "--model", str(model), *arguments]) == 0
        return sorted(p.relative_to(tmp_path / "out").as_posix() for p in (tmp_path / "out").rglob("*") if p.is_file())

    listed = ["acrloss-results.sha256", "coco/faces.json", "s.json", "s.png", "t.json", "t.png"]
    first = run("s.jpg,10,10,60,60", "s.jpg,20,20,70,70", "s.jpg,5,5,50,50", "t.jpg,10,10,60,60", "u.jpg,1,1,2,2")
    # Of u.jpg, which was not given.
    assert first == sorted([*listed, "left_out.txt", "s.pts", "s_2.pts", "s_3.pts", "t.pts"])
    assert "1 images in" in capsys.readouterr().err
    (tmp_path / "out" / "mine.txt").write_text("stays")
    second = run("s.jpg,10,10,60,60")
    assert second == sorted([*listed, "mine.txt", "s.pts"])
    coco = json.loads((tmp_path / "out" / "coco" / "faces.json").read_text())
    # A photograph without a face stays in the data set, and names are relative to it.
    assert [image["file_name"] for image in coco["images"]] == ["../../in/s.jpg", "../../in/t.jpg"]
    assert [annotation["image_id"] for annotation in coco["annotations"]] == [1]
    assert len({image["id"] for image in coco["images"]}) == 2
    width, height = image_size(str(tmp_path / "in" / "t.jpg"))
    assert (coco["images"][1]["width"], coco["images"][1]["height"]) == (width, height)
    again = read_annotations(tmp_path / "out" / "coco", scheme="ibug68")
    assert [Path(image).resolve() for image in again.images] == [tmp_path / "in" / "s.jpg"]
    # What cannot be read any more has no results any more.
    (tmp_path / "in" / "s.jpg").write_text("no picture")
    assert main(["predict", str(tmp_path / "in"), "--model", str(model), "--output", str(tmp_path / "out")]) == 1
    assert not list((tmp_path / "out").glob("s.*"))


def test_predict_gives_every_photograph_results_of_its_own(model: Path, faces_300w: Path, tmp_path: Path) -> None:
    photographs = ["a.jpg", "a_2.jpg", "1/b.jpg", "2/b.jpg", "2/b.png", f"{'x' * 250}.jpg", "[bold]c[/b].jpg"]
    for name in photographs:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(faces_300w / "afw" / "face_0.jpg", tmp_path / "in" / name)
    rows = [f"{tmp_path}/in/{name},{k},{k},60,60" for k, name in enumerate(photographs)]
    rows += [f"{tmp_path}/in/{name},{30 + k},{k},90,60" for k, name in enumerate(photographs)]
    (tmp_path / "b.csv").write_text("image,x0,y0,x1,y1\n" + "".join(f"{row}\n" for row in rows))
    arguments = ["--model", str(model), "--box", str(tmp_path / "b.csv"), "--output", str(tmp_path / "out")]
    assert main(["predict", f"{tmp_path}/in/**/*", *arguments]) == 0
    found = {}
    for path in (tmp_path / "out").rglob("*.json"):
        about = json.loads(path.read_text())
        found[about["image"]] = path
        k = photographs.index(Path(about["image"]).relative_to(tmp_path / "in").as_posix())
        assert [face["box"][:2] for face in about["faces"]] == [[k, k], [30 + k, k]]
        assert np.abs(read_pts(path.with_suffix(".pts")) - about["faces"][0]["landmarks"]).max() < 1e-3
    assert len(found) == len(photographs)
    assert len(list((tmp_path / "out").rglob("*.pts"))) == 2 * len(photographs)
    names = {path.relative_to(tmp_path / "out").as_posix() for path in found.values()}
    assert {"a.json", "a_2.json", "1/b.json", "2/b.jpg.json", "2/b.png.json", "[bold]c[/b].json"} < names


def test_predict_refuses_before_any_work(
    faces_300w: Path, tmp_path: Path, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(*_: object) -> None:
        raise AssertionError("the model was loaded")

    monkeypatch.setattr("acrloss.networks.localizer.load_model", load)
    image = faces_300w / "afw" / "face_0.jpg"
    (tmp_path / "afile").write_text("")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "face_0.json").write_text("mine")
    (tmp_path / "clip.mp4").write_text("")
    for arguments, message in (
        ((image, "--output", tmp_path / "afile"), "results cannot be written into"),
        ((image, "--output", "/proc/xx"), "results cannot be written into"),
        ((image, "--output", tmp_path / "out"), "face_0.json is no result of ours"),
        ((image, "--output", tmp_path / "o", "--format", "cocoo"), "cannot be written"),
        ((image, "--seconds", "-1"), "--seconds is 0 (never stop) or more, not -1"),
        ((image, "--seconds", "inf"), "--seconds"),
        ((image, "--min_confidence", "1.5"), "--min_confidence is 0 to 1, not 1.5"),
        ((image, "--box", tmp_path / "none.csv"), "no such file of boxes"),
        ((tmp_path / "clip.mp4", "--box", "whole"), "--box and --format are for images"),
    ):
        assert message in fails("predict", *arguments), arguments
    assert not (tmp_path / "o").exists()


def test_predict_leaves_unsure_faces_out_where_asked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fails: Callable[..., str]
) -> None:
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((200, 300, 3), 120, np.uint8))
    for place, box in enumerate(("5000,5000,5100,5100", "whole")):
        arguments = ["predict", str(tmp_path / "wall.png"), "--box", box, "--output", str(tmp_path / f"out{place}")]
        assert main(arguments) == 0
        said = capsys.readouterr().err
        assert "unsure (drawn dashed, may be no face): " in said
        assert "1 face in 1 image" in said
        assert main([*arguments, "--min_confidence", "0.5"]) == 0
        said = capsys.readouterr().err
        assert "1 face below --min_confidence left out" in said
        assert "0 faces in 1 image" in said
        assert "unsure (drawn" not in said


def test_predict_says_why_a_model_without_detector_boxes_finds_nothing(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cv2.imwrite(str(tmp_path / "wing.png"), np.full((200, 300, 3), 120, np.uint8))
    arguments = ["predict", str(tmp_path / "wing.png"), "--model", str(model), "--output", str(tmp_path / "out")]
    assert main([*arguments, "--detector", "mtcnn"]) == 1
    said = capsys.readouterr().err
    assert "the model was trained without the boxes of mtcnn" in said
    assert "--box whole" in said
    assert main([*arguments, "--box", "whole"]) == 0
    about = json.loads((tmp_path / "out" / "wing.json").read_text())
    assert about["faces"][0]["box"] == [-0.5, -0.5, 299.5, 199.5], "width and height are not swapped"


def test_predict_names_what_it_passes_over(
    model: Path, faces_300w: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.jpg", "b.jfif", "2024/c.jpe"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(faces_300w / "afw" / "face_0.jpg", tmp_path / "in" / name)
    for name in ("IMG_1.HEIC", "x.jp2"):
        (tmp_path / "in" / name).write_bytes(b"x")
    arguments = ["--model", str(model), "--box", "whole", "--output", str(tmp_path / "out")]
    assert main(["predict", str(tmp_path / "in"), *arguments]) == 0
    said = capsys.readouterr().err
    assert "2 faces in 2 images" in said
    assert "passed over 1 .heic file (convert it to JPEG" in said
    assert "passed over 1 .jp2 file" in said
    assert "passed over 1 folder (give '" in said
    listed = (tmp_path / "out" / "left_out.txt").read_text().splitlines()
    assert [line.split(": ")[:2] for line in listed] == [
        ["passed over", str(tmp_path / "in" / name)] for name in ("IMG_1.HEIC", "x.jp2", "2024")
    ]
    assert "named in " in said
    # All of a kind, not the first alone; what cannot be read comes first.
    (tmp_path / "in" / "y.jp2").write_bytes(b"x")
    (tmp_path / "in" / "z.jpg").write_bytes(b"x")
    assert main(["predict", str(tmp_path / "in"), *arguments]) == 1
    listed = (tmp_path / "out" / "left_out.txt").read_text().splitlines()
    assert listed[0].startswith(f"{tmp_path / 'in' / 'z.jpg'}: ")
    assert [Path(line.split(": ")[1]).name for line in listed[1:]] == ["IMG_1.HEIC", "x.jp2", "y.jp2", "2024"]


def test_our_own_results_are_not_passed_over(
    model: Path, faces_300w: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(faces_300w / "afw" / "face_0.jpg", tmp_path / "a.jpg")
    (tmp_path / "notes.txt").write_text("theirs")
    arguments = ["predict", str(tmp_path), "--model", str(model), "--box", "whole", "--output", str(tmp_path)]
    for _ in range(2):
        assert main([*arguments, "--format", "coco"]) == 0
        assert capsys.readouterr().err.count("passed over 1 .txt file (no image)") == 1
    theirs, drawn = (tmp_path / "left_out.txt").read_text().splitlines()
    assert theirs == f"passed over: {tmp_path / 'notes.txt'}: no image"
    assert drawn == f"passed over: {tmp_path / 'a.png'}: an earlier run drew it"


def test_images_of_a_box_file_that_were_not_given_are_listed(
    model: Path, faces_300w: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copy(faces_300w / "afw" / "face_0.jpg", tmp_path / "a.jpg")
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("image,x0,y0,x1,y1\n" + "".join(f"{name}.jpg,20,30,80,100\n" for name in "abc"))
    arguments = ["--model", str(model), "--box", str(boxes), "--output", str(tmp_path / "out")]
    assert main(["predict", str(tmp_path / "a.jpg"), *arguments]) == 0
    assert "2 images in " in capsys.readouterr().err
    listed = (tmp_path / "out" / "left_out.txt").read_text().splitlines()
    assert listed == [f"{boxes}: {name}.jpg was not given" for name in "bc"]


def test_predict_takes_a_folder_before_a_camera(
    model: Path, faces_300w: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(faces_300w / "afw", tmp_path / "2024")
    monkeypatch.chdir(tmp_path)
    assert main(["predict", "2024", "--model", str(model), "--box", "whole", "--output", "out"]) == 0
    assert "4 faces in 4 images" in capsys.readouterr().err


def test_predict_takes_several_videos(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fails: Callable[..., str]
) -> None:
    (tmp_path / "vid").mkdir()
    for name in ("a", "b"):
        writer = cv2.VideoWriter(str(tmp_path / "vid" / f"{name}.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 10, (64, 48))
        for _ in range(3):
            writer.write(np.full((48, 64, 3), 90, np.uint8))
        writer.release()
    (tmp_path / "vid" / "[b]c.avi").write_text("no video")
    out = tmp_path / "out"
    assert main(["predict", f"{tmp_path}/vid/*.avi", "--output", str(out)]) == 1
    shown = capsys.readouterr()
    assert shown.out.rstrip() == f"results: {out}"
    assert "left out: " in shown.err
    assert "[b]c.avi: no video" in shown.err
    assert shown.err.count("0 faces in 3 frames") == 2
    assert {"a.csv", "a.webm", "b.csv", "b.webm"} < {path.name for path in out.iterdir()}
    assert [row["frame"] for row in csv.DictReader((out / "a.csv").open())] == ["0", "1", "2"]
    (listed,) = (out / "left_out.txt").read_text().splitlines()
    assert "[b]c.avi: no video" in listed
    # Of a pattern that means videos, what else it matches is named too; and nothing stale is left.
    (tmp_path / "vid" / "[b]c.avi").rename(tmp_path / "vid" / "c.txt")
    assert main(["predict", f"{tmp_path}/vid/*", "--output", str(out)]) == 0
    assert "passed over 1 .txt file (no video)" in capsys.readouterr().err
    assert (out / "left_out.txt").read_text() == f"passed over: {tmp_path}/vid/c.txt: no video\n"
    assert main(["predict", f"{tmp_path}/vid/a.avi", "--output", str(out)]) == 0
    assert not (out / "left_out.txt").exists()
    (tmp_path / "vid" / "c.txt").rename(tmp_path / "vid" / "c.avi")
    (out / "a.csv").write_text("mine")
    assert "a.csv was changed" in fails("predict", f"{tmp_path}/vid/a.avi", "--output", out)
    message = fails("predict", tmp_path / "vid")
    assert "holds no image; " in message
    assert "passed over 3 .avi files (videos are given by name)" in message


def test_a_damaged_video_ends_with_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    writer = cv2.VideoWriter(str(tmp_path / "a.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 25, (64, 48))
    for _ in range(40):
        writer.write(np.full((48, 64, 3), 90, np.uint8))
    writer.release()
    data = (tmp_path / "a.avi").read_bytes()
    (tmp_path / "a.avi").write_bytes(data[: len(data) * 3 // 4])
    assert main(["predict", str(tmp_path / "a.avi"), "--output", str(tmp_path / "out")]) == 1
    assert "of 40 frames could be decoded" in capsys.readouterr().err
    assert "of 40 frames could be decoded" in (tmp_path / "out" / "left_out.txt").read_text()


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
    assert f"--model {model}" in fails("predict", model, images[0])
    assert f"--model {model.parent}" in fails("predict", model.parent, images[0])
    assert "did you mean default" in fails("predict", images[0], "--model", "defualt")
    assert "give one of auto, blazeface, mtcnn" in fails("predict", images[0], "--detector", "yunet")
    assert "did you mean --output" in fails("predict", images[0], "--otput", "x")
    assert "no such file" in fails("predict", tmp_path / "nowhere.jpg")
    assert "cannot be written" in fails(
        "predict", images[0], "--box", "1,1,90,90", "--output", tmp_path / "o", "--format", "cocoo"
    )
    assert "images or videos, not both" in fails("predict", images[0], "clip.mp4")
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


def test_a_missing_extra_is_named() -> None:
    code = """
import sys
sys.modules["torchvision"] = None
from acrloss.commands.main import main
for command in ("evaluate default --data synthetic:4", "export default"):
    assert main(command.split()) == 2
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    said = "needs torchvision, which is not installed; pip install"
    assert run.stderr.splitlines() == [
        f"error: acrloss evaluate {said} 'acrloss[train]'",
        f"error: acrloss export {said} 'acrloss[export]'",
    ]


def test_models_lists_the_default(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models"]) == 0
    shown = capsys.readouterr().out
    assert all(word in shown for word in ("default", "ibug68", "research"))


@pytest.mark.usefixtures("undrawn")
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
    assert "q.bin is no name for onnx" in fails("export", model, "--int8", faces_300w, "--output", tmp_path / "q.bin")
    assert "no such file" in fails("export", model, "--int8", tmp_path / "none", "--output", tmp_path / "q")
    assert not list(tmp_path.glob("q*"))


@pytest.mark.usefixtures("undrawn")
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
    assert shown.out.rstrip() == f"results: {tmp_path / 'out' / 'v.webm'}"
    rows = list(csv.DictReader((tmp_path / "out" / "v.csv").open()))
    assert len(rows) == 20
    assert float(rows[-1]["px30"]) - float(rows[0]["px30"]) == pytest.approx(38, abs=4)


def test_the_smallest_face_is_an_option(tmp_path: Path, fails: Callable[..., str]) -> None:
    """A face of 26 pixels in a large picture is found where it is asked for."""
    if not FACES.is_dir():
        pytest.skip("no real faces at hand (shared/data/300w)")
    face = cv2.imread(str(sorted(FACES.glob("*.jpg"))[0]))
    assert face is not None
    small = cv2.resize(face, None, fx=0.16, fy=0.16, interpolation=cv2.INTER_AREA)
    page = np.full((1400, 2000, 3), 120, np.uint8)
    page[900 : 900 + small.shape[0], 300 : 300 + small.shape[1]] = small
    cv2.imwrite(str(tmp_path / "page.png"), page)
    arguments = ["predict", str(tmp_path / "page.png"), "--output", str(tmp_path / "out")]
    assert main([*arguments, "--smallest_face", "20"]) == 0
    faces = json.loads((tmp_path / "out" / "page.json").read_text())["faces"]
    assert len(faces) == 1
    x, y = np.mean(faces[0]["landmarks"], axis=0)
    assert 300 < x < 300 + small.shape[1]
    assert 900 < y < 900 + small.shape[0]
    assert "side above 0 pixels" in fails(*arguments, "--smallest_face", "0")
