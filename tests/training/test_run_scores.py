"""What a finished run says of its figures: which faces they are of, against what, and how to make it again."""

import html
import json
import re
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import acrloss
from acrloss.annotations import training_split
from acrloss.commands.main import main
from acrloss.crops.crop import CropSpec
from acrloss.evaluation import scores
from acrloss.evaluation.predictions_file import write_predictions
from acrloss.formats import read_annotations
from acrloss.prediction.evaluate import evaluate_mean_face
from acrloss.reports.run_report import write_run_report
from acrloss.shapes.shape_model import ShapeModel
from acrloss.training.config import ModelConfig, TrainConfig
from acrloss.training.run import Run, train

TINY = TrainConfig(
    model=ModelConfig("test_efficientnet", "none"), crop=CropSpec(size=32), epochs=1, batch_size=4, workers=0, threads=1
)


def unsplit(faces_csv: Path, folder: Path) -> Path:
    """The faces of the CSV file as data without any split."""
    text = re.sub(r",(train|val|test),", ",,", faces_csv.read_text()).replace(",split,", ",other,")
    text = re.sub(r"^(\d+\.jpg)", rf"{faces_csv.parent}/\1", text, flags=re.MULTILINE)
    (folder / "unsplit.csv").write_text(text)
    return folder / "unsplit.csv"


@pytest.mark.usefixtures("undrawn")
def test_validation_faces_are_no_result(faces_csv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = unsplit(faces_csv, tmp_path)
    run = train(data, TINY, tmp_path / "run", detectors=())
    assert run.evaluation is not None
    held = training_split(read_annotations(data), TINY.validation_share, TINY.seed)[1]
    assert run.evaluation.annotations.images == held.images
    assert run.evaluation.role == "validation"
    assert any(line.startswith("VALIDATION, NOT TEST: these faces chose the epoch") for line in run.notes)
    assert "they chose the epoch" in str(run)
    assert run.report is not None
    page = run.report.read_text(encoding="utf-8")
    assert "VALIDATION, NOT TEST" in page
    assert f"{held.scheme.count(len(held))}, held out of the training data, which has no split 'val'" in html.unescape(
        page
    )
    again = Run.open(run.folder).evaluation
    assert again is not None
    assert again.role == "validation"
    # All of the data are the network's own training faces, most of them.
    assert main(["evaluate", str(run.folder), "--data", str(data)]) == 0
    assert "THE NETWORK WAS TRAINED ON SOME OF THESE FACES" in capsys.readouterr().err
    scored = acrloss.evaluate(run.folder, data, thresholds=(5, 20), normalizer="box_diagonal")
    assert (scored.role, scored.thresholds, scored.normalizer) == ("training", (5, 20), "box_diagonal")
    # The mean face is scored in the same figures.
    mean_face = evaluate_mean_face(run.folder, TINY.crop, scored)
    assert mean_face is not None
    assert (mean_face.role, mean_face.thresholds, mean_face.normalizer) == ("training", (5, 20), "box_diagonal")
    assert mean_face.annotations is scored.annotations
    # Of a network alone, or faces from elsewhere, nobody can tell.
    assert acrloss.evaluate(run.model(), data).role == "test"
    elsewhere = tmp_path / "elsewhere.csv"
    elsewhere.write_bytes(data.read_bytes())
    assert acrloss.evaluate(run.folder, elsewhere).role == "test"
    assert evaluate_mean_face(run.best, TINY.crop, scored) is None


def test_how_predictions_were_matched_is_said_with_the_scores(faces_csv: Path, tmp_path: Path) -> None:
    faces = read_annotations(faces_csv).split("test")
    shifted = replace(faces, images=(*faces.images[:-1], "someone.jpg"))
    write_predictions(tmp_path / "theirs.npz", scores.evaluate(shifted, shifted.landmarks + 1.0))
    evaluation = acrloss.evaluate(None, faces.select(np.arange(len(faces) - 1)), predictions=tmp_path / "theirs.npz")
    assert evaluation.remarks == ("1 prediction is of others and not used",)
    assert evaluation.to_dict()["remarks"] == ["1 prediction is of others and not used"]
    report = write_run_report(tmp_path / "report", evaluation, command="acrloss evaluate")
    assert "; 1 prediction is of others and not used" in report.read_text(encoding="utf-8")


@pytest.mark.usefixtures("undrawn", "undetected")
def test_a_run_is_set_against_its_mean_face_and_can_be_made_again(faces_csv: Path, tmp_path: Path) -> None:
    run = train(faces_csv, TINY, tmp_path / "first run", detectors=())
    assert run.evaluation is not None
    assert run.baseline is not None
    assert run.evaluation.role == "test"
    faces = read_annotations(faces_csv).split("test")
    # By hand: the mean shape in crop units, in the square around the landmarks that the crop is.
    # Two epochs teach nothing, and that is said.
    assert run.report is not None
    page = html.unescape(run.report.read_text(encoding="utf-8"))
    assert [line for line in run.notes if "THE MEAN FACE, which looks at no picture" in line]
    assert all(line in page for line in run.notes if "THE MEAN FACE" in line)
    mean = ShapeModel.load(run.folder / "shape_model.safetensors").mean.reshape(-1, 2).numpy()
    boxes = faces.landmark_boxes()
    side = TINY.crop.enlargement * (boxes[:, 2:] - boxes[:, :2]).max(axis=1)[:, None, None]
    corner = ((boxes[:, 2:] + boxes[:, :2]) / 2)[:, None] - side / 2
    away = np.linalg.norm(corner + side * mean - faces.landmarks, axis=-1).mean(axis=1)
    eyes = np.linalg.norm(faces.landmarks[:, 36] - faces.landmarks[:, 45], axis=1)
    assert run.baseline.score.nme == pytest.approx(100 * np.mean(away / eyes), rel=1e-3)
    assert run.report is not None
    page = html.unescape(run.report.read_text(encoding="utf-8"))
    assert f"the mean face everywhere</td><td>NME {run.baseline.score.nme:.2f} % of the inter-ocular distance" in page
    kept = json.loads((run.folder / "training.json").read_text())
    assert (kept["train"], kept["val"], kept["held_out"], kept["unreadable"]) == (15, 3, False, 0)
    assert kept["seconds"] > 0
    command = re.search(r"<pre>(acrloss train .*?)</pre>", page)
    assert command is not None
    words = shlex.split(command[1])
    assert words[-1] == "first run-again"
    assert main([*words[1:-1], str(tmp_path / words[-1])]) == 0
    first, second = ((folder / "faces.csv").read_text() for folder in (run.folder, tmp_path / words[-1]))
    assert first == second
