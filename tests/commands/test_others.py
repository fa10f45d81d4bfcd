"""evaluate, predict, explore, augment, synthesize and the overview, run as a user runs them."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from acrloss.commands.main import COMMANDS, main
from acrloss.commands.report import distinct_names
from acrloss.commands.synthesize import drawing_processes
from acrloss.crops.crop import CropSpec
from acrloss.formats import read_annotations
from acrloss.formats.pts import write_pts
from acrloss.networks.landmark_net import create_model
from acrloss.schemes import get_scheme


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of an untrained network: it puts every landmark near the middle of the crop."""
    network = create_model("test_efficientnet", get_scheme("ibug68"), CropSpec(size=32), pretrained="none")
    return network.save(tmp_path_factory.mktemp("model") / "best.safetensors")


def test_overview_and_typos(capsys: pytest.CaptureFixture[str], fails: Callable[..., str]) -> None:
    assert main([]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == "0.1.0"
    assert "did you mean evaluate" in fails("evalute")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([name, "--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out.lower()
    assert "--output" in shown or " dest " in shown or name == "models"


@pytest.mark.usefixtures("undrawn")
def test_evaluate_scores_the_test_faces(
    model: Path, faces_300w: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", str(model), "--data", str(faces_300w), "--output", str(tmp_path)]
    assert main(arguments) == 0
    assert capsys.readouterr().out.rstrip().endswith(f"results: {tmp_path / 'report.html'}")
    scores = json.loads((tmp_path / "evaluation.json").read_text())["scores"]
    assert {(s["subset"], s["faces"]) for s in scores} == {("full", 10), ("common", 6), ("challenging", 4)}
    # All landmarks at the crop's middle: an error that follows from the annotations alone.
    faces = read_annotations(faces_300w).split("test")
    boxes = faces.landmark_boxes()
    middle = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2
    eyes = np.linalg.norm(faces.landmarks[:, 36] - faces.landmarks[:, 45], axis=-1)
    expected = 100 * np.mean(np.linalg.norm(middle - faces.landmarks, axis=-1).mean(axis=1) / eyes)
    assert scores[0]["nme"] == pytest.approx(expected, rel=0.05)
    assert main([*arguments, "--split", "train"]) == 0
    assert json.loads((tmp_path / "evaluation.json").read_text())["scores"][0]["faces"] == 14


def test_evaluate_refuses_what_does_not_fit(
    model: Path, faces_300w: Path, tmp_path: Path, fails: Callable[..., str]
) -> None:
    assert "no face" in fails("evaluate", model, "--data", faces_300w, "--split", "tset")
    assert "no run folder" in fails("evaluate", tmp_path, "--data", faces_300w)
    other = create_model("test_efficientnet", get_scheme("cofw29"), CropSpec(size=32), pretrained="none")
    other.save(tmp_path / "other.safetensors")
    message = fails("evaluate", tmp_path / "other.safetensors", "--data", faces_300w)
    assert "ibug68" in message
    assert "cofw29" in message


@pytest.mark.usefixtures("undrawn")
def test_evaluate_scores_predictions_without_a_network(
    model: Path, faces_300w: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], fails: Callable[..., str]
) -> None:
    data = ["--data", str(faces_300w)]
    assert main(["evaluate", str(model), *data, "--output", str(tmp_path / "network")]) == 0
    archive = tmp_path / "network" / "predictions.npz"
    assert main(["evaluate", "--predictions", str(archive), *data, "--output", str(tmp_path / "file")]) == 0
    assert "challenging (4 of the official 135)" in capsys.readouterr().out
    network, file = (json.loads((tmp_path / name / "evaluation.json").read_text()) for name in ("network", "file"))
    for one, other in zip(network["scores"], file["scores"], strict=True):
        assert one["nme"] == pytest.approx(other["nme"], abs=1e-4)
        assert one["nme_interval"] == pytest.approx(other["nme_interval"], abs=1e-4)
    # Training and test faces have the same names in different folders.
    message = fails("evaluate", "--predictions", archive, *data, "--split", "train")
    assert "none of its 10 names" in message
    assert "either a run folder" in fails("evaluate", *data)
    assert "either a run folder" in fails("evaluate", model, "--predictions", archive, *data)


def test_report_compares_runs_and_files(
    model: Path, faces_300w: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], fails: Callable[..., str]
) -> None:
    faces = read_annotations(faces_300w).split("test")
    run = tmp_path / "run"
    assert main(["evaluate", str(model), "--data", str(faces_300w), "--output", str(run)]) == 0
    for i, image in enumerate(faces.images):
        if i != 2:
            name = Path(image).relative_to(faces_300w).with_suffix(".pts")
            write_pts(tmp_path / "mine" / name, faces.landmarks[i] + 1)
    capsys.readouterr()
    for data in ([], ["--data", str(faces_300w)]):
        out = tmp_path / f"out{len(data)}"
        assert main(["report", str(run), str(tmp_path / "mine"), *data, "--output", str(out)]) == 0
        shown = capsys.readouterr()
        assert shown.out.rstrip().endswith(f"results: {out / 'report.html'}")
        assert "compared on the 9 of 10 faces" in shown.err
        methods = json.loads((out / "comparison.json").read_text())["methods"]
        assert [m["name"] for m in methods] == ["run", "mine"]
        assert methods[1]["nme_difference"] < 0
        subsets = {score["subset"] for score in methods[0]["scores"]}
        assert subsets == {"full", "common", "challenging"}
    assert "give the annotated faces with --data" in fails("report", tmp_path / "mine")


def test_predictors_of_one_name_are_told_apart() -> None:
    assert distinct_names([Path("x/run"), Path("y/a.npz")]) == ["run", "a"]
    assert distinct_names([Path("x/run"), Path("y/run"), Path("z")]) == ["x/run", "y/run", "z"]
    assert distinct_names([Path("x"), Path("x")]) == ["1: x", "2: x"]


def test_augment_draws_a_row_for_each_face(faces_300w: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "sheet.png"
    arguments = ["augment", "--data", str(faces_300w), "--output", str(sheet), "--crop.size", "64"]
    assert main([*arguments, "--faces", "2", "--versions", "3"]) == 0
    wide = cv2.imread(str(sheet))
    assert main([*arguments, "--faces", "3", "--versions", "2"]) == 0
    tall = cv2.imread(str(sheet))
    assert wide is not None
    assert tall is not None
    assert wide.shape[1] > wide.shape[0] * 1.2
    assert tall.shape[0] > tall.shape[1]


@pytest.mark.usefixtures("undrawn")
def test_explore_ends_with_its_page(faces_300w: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explore", "--data", str(faces_300w), "--output", str(tmp_path)]) == 0
    page = Path(capsys.readouterr().out.rstrip().splitlines()[-1].removeprefix("results: "))
    assert page.is_relative_to(tmp_path)
    assert "<img" in page.read_text()


def test_synthesize_writes_what_the_readers_read(tmp_path: Path, fails: Callable[..., str]) -> None:
    folder = tmp_path / "faces"
    assert main(["synthesize", "--count", "40", "--output", str(folder)]) == 0
    faces = read_annotations(folder)
    assert len(faces) == 40
    assert set(faces.split_names) == {"train", "val", "test"}
    assert "not empty" in fails("synthesize", "--count", "4", "--output", folder)
    assert "--count" in fails("synthesize", "--count", "0", "--output", tmp_path / "none")


def test_few_faces_are_drawn_by_one_process_and_many_by_one_a_core(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, counts in ((4, {1: 1, 99: 1, 100: 2, 199: 3, 9999: 4}), (None, {9999: 1})):
        monkeypatch.setattr("os.cpu_count", lambda cores=cores: cores)
        assert {count: drawing_processes(count) for count in counts} == counts
