"""`acrloss evaluate` as a user runs it: schemes, roles, thresholds, several faces, and making it again."""

import csv
import html
import json
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml

from acrloss.commands.command_line import command_line
from acrloss.commands.main import main
from acrloss.crops.crop import CropSpec, normalized_landmarks
from acrloss.formats import read_annotations
from acrloss.formats.pts import write_pts
from acrloss.networks.landmark_net import create_model
from acrloss.schemes import Scheme
from acrloss.shapes.shape_model import ShapeModel

BOX = ("box_x0", "box_y0", "box_x1", "box_y1")
AEROFOIL = Scheme("aerofoil4", 4, (0, 1, 2, 3), interocular=(0, 3), regions={"nose": (0, 1)}, noun="aerofoil")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """16 pictures of 4 landmarks with boxes of 60 x 80 px: 12 train, 4 test; the trailing edge of one is missing."""
    root = tmp_path_factory.mktemp("aerofoils")
    rng = np.random.default_rng(4)
    with (root / "a.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "split", *(f"{c}{i}" for i in range(4) for c in "xy"), *BOX])
        for i in range(16):
            cv2.imwrite(str(root / f"{i}.png"), rng.integers(0, 256, (100, 120, 3), np.uint8))
            marks = np.array([[20, 50], [40, 40], [60, 45], [90, 55]]) + rng.uniform(-4, 4, (4, 2))
            cells: list[Any] = marks.round(3).ravel().tolist()
            if i == 13:
                cells[6:] = ["", ""]
            rows.writerow([f"{i}.png", "train" if i < 12 else "test", *cells, 20, 10, 80, 90])
    return root / "a.csv"


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder on that data, of a network that was not trained: all landmarks in the crop's middle."""
    folder = tmp_path_factory.mktemp("runs") / "mine"
    network = create_model("test_efficientnet", AEROFOIL, CropSpec(size=32), pretrained="none")
    network.save(folder / "best.safetensors")
    (folder / "config.yaml").write_text(yaml.safe_dump({"data": str(data), "validation_share": 0.25, "seed": 3}))
    return folder


def evaluation_in(folder: Path) -> Any:
    return json.loads((folder / "evaluation.json").read_text())


def test_a_network_worse_than_the_mean_shape_is_said(
    data: Path, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)
    faces = read_annotations(data, scheme=AEROFOIL)
    ShapeModel.fit(normalized_landmarks(faces, CropSpec(size=32))).save(folder / "shape_model.safetensors")
    for chosen, said in (("train", "WORSE THAN THE MEAN AEROFOIL, which looks at no picture: NME "), ("test", "")):
        out = tmp_path / chosen
        assert main(["evaluate", str(folder), "--data", str(data), "--split", chosen, "--output", str(out)]) == 0
        shown = capsys.readouterr().err
        page = html.unescape((out / "report.html").read_text(encoding="utf-8"))
        # All landmarks in the middle of the crop are far off for twelve, and for three.
        assert said in shown
        assert said in page
        assert "THE MEAN AEROFOIL" in shown


def test_the_model_knows_its_scheme_and_the_command_makes_it_again(
    data: Path, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(data.parent)
    options = [
        "--thresholds",
        "5",
        "7",
        "--normalizer",
        "annotated_box_diagonal",
        "--output",
        str(tmp_path / "out put"),
    ]
    assert main(["evaluate", str(run), "--data", "a.csv", *options]) == 0
    shown = capsys.readouterr()
    assert "AUC@7 %" in shown.out
    plain = evaluation_in(tmp_path / "out put")
    assert (plain["scheme"], plain["normalizer"], plain["thresholds"]) == (
        "aerofoil4",
        "annotated_box_diagonal",
        [5, 7],
    )
    assert plain["role"] == "test"
    page = html.unescape((tmp_path / "out put" / "report.html").read_text(encoding="utf-8"))
    again = re.search(r"<pre>(cd .*\n.*)</pre>", page)
    assert again is not None
    place, command = again[1].splitlines()
    assert shlex.split(place) == ["cd", str(data.parent)]
    words = shlex.split(command)
    assert words[:2] == ["acrloss", "evaluate"]
    monkeypatch.chdir(shlex.split(place)[1])
    (tmp_path / "out put" / "evaluation.json").unlink()
    assert main(words[1:]) == 0
    assert evaluation_in(tmp_path / "out put") == plain


def test_lengths_that_are_missing_are_counted_and_the_box_scores_them(
    data: Path, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(run), "--data", str(data), "--output", str(tmp_path)]) == 0
    shown = capsys.readouterr()
    said = (
        "1 aerofoil of 4 not scored: its distance of landmarks 0 and 3 is not known; the diagonal of the landmark box"
    )
    assert f"{said} scores 4 (--normalizer box_diagonal)" in shown.err
    plain = evaluation_in(tmp_path)
    assert {s["normalizer"]: s["faces"] for s in plain["scores"]} == {
        "interocular": 3,
        "box_diagonal": 4,
        "box_size": 4,
        "annotated_box_diagonal": 4,
        "annotated_box_size": 4,
    }
    assert plain["unscored_reasons"] == {"its distance of landmarks 0 and 3 is not known": 1}
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for text in (page, shown.out):
        assert re.search(r"\b[Ff]aces?\b(?!\.csv)", re.sub(r"<style>.*?</style>", "", text, flags=re.DOTALL)) is None
        assert "ocular" not in text
    rows = list(csv.DictReader((tmp_path / "faces.csv").open()))
    assert [Path(row["image"]).name for row in rows][-1] == "13.png"
    assert rows[-1]["not_scored"] == "its distance of landmarks 0 and 3 is not known"
    errors = [float(row["nme_interocular"]) for row in rows[:-1]]
    assert errors == sorted(errors, reverse=True)
    assert np.mean(errors) == pytest.approx(plain["scores"][0]["nme"], abs=1e-4)
    ratio = [float(row["nme_annotated_box_diagonal"]) / float(row["nme_annotated_box_size"]) for row in rows]
    assert ratio == pytest.approx([(60 * 80) ** 0.5 / 100] * 4, rel=1e-4)


@pytest.mark.usefixtures("undrawn")
def test_faces_that_the_run_was_trained_on_are_marked(
    data: Path, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["evaluate", str(run), "--data", str(data), "--output", str(tmp_path), "--split"]
    assert main([*arguments, "train"]) == 0
    assert "THE NETWORK WAS TRAINED ON SOME OF THESE AEROFOILS" in capsys.readouterr().err
    assert evaluation_in(tmp_path)["role"] == "training"
    assert "training aerofoils among them" in (tmp_path / "report.html").read_text(encoding="utf-8")
    # The same faces elsewhere are somebody else's data, as far as is known.
    copy = data.with_name("copy.csv")
    copy.write_bytes(data.read_bytes())
    assert main(["evaluate", str(run), "--data", str(copy), "--output", str(tmp_path), "--split", "train"]) == 0
    assert evaluation_in(tmp_path)["role"] == "test"
    text = data.read_text().replace("11.png,train", "11.png,val").replace("10.png,train", "10.png,val")
    # A configuration that somebody emptied tells nothing.
    emptied = tmp_path / "emptied"
    shutil.copytree(run, emptied)
    (emptied / "config.yaml").write_text(f"{{data: {data}, validation_share: null, seed: null}}")
    assert main(["evaluate", str(emptied), *arguments[2:], "train"]) == 0
    assert evaluation_in(tmp_path)["role"] == "test"
    capsys.readouterr()
    original = data.read_text()
    data.write_text(text)
    try:
        assert main([*arguments, "val"]) == 0
        said = capsys.readouterr()
        assert "VALIDATION, NOT TEST: these aerofoils chose the epoch" in said.err
        assert "validation aerofoils: they chose the epoch" in " ".join(said.out.split())
        assert evaluation_in(tmp_path)["role"] == "validation"
        # What is known of the faces goes along with the predictions.
        assert main(["report", str(tmp_path), "--output", str(tmp_path / "report")]) == 0
        assert "validation aerofoils: they chose the epoch" in (tmp_path / "report" / "report.html").read_text()
    finally:
        data.write_text(original)


def test_what_cannot_be_scored_is_one_line(
    data: Path, run: Path, tmp_path: Path, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = ("--data", data, "--output", tmp_path)
    assert "--thresholds are NME in % above 0, not -1" in fails("evaluate", run, *there, "--thresholds", "8", "-1")
    message = fails("evaluate", run, *there, "--normalizer", "eyes")
    assert "unknown --normalizer eyes; choose from interocular, interpupil, box_diagonal" in message
    assert "aerofoil4 names no landmarks for interpupil" in fails("evaluate", run, *there, "--normalizer", "interpupil")

    class Blind:
        name = "blind"

        def __call__(self, image: Any) -> Any:
            from acrloss.detection.detector import Detections

            return Detections(np.zeros((0, 4)), np.zeros(0))

    from acrloss.prediction import predictor

    monkeypatch.setattr(predictor.Predictor, "detector", Blind(), raising=False)
    message = fails("evaluate", run, *there, "--boxes", "detected")
    assert "found none of 4 aerofoils; score with --boxes true, or try another --detector" in message
    for i in range(12, 16):
        (data.parent / f"{i}.png").rename(data.parent / f"{i}.away")
        (data.parent / f"{i}.png").write_bytes((data.parent / f"{i}.away").read_bytes()[:-2000])
    try:
        message = fails("evaluate", run, *there)
        assert "nothing could be scored; " in message
    finally:
        for i in range(12, 16):
            (data.parent / f"{i}.away").rename(data.parent / f"{i}.png")


def test_two_people_of_a_photograph_are_scored(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = list(csv.reader(data.open()))
    landmarks = np.array([[float(cell) for cell in row[2:10]] for row in rows[1:3]]).reshape(2, 4, 2) / 2
    landmarks[1] += (55, 40)
    with (tmp_path / "duo.csv").open("w", newline="") as file:
        csv.writer(file).writerows([rows[0][:10], *(["duo.png", "test", *marks.ravel()] for marks in landmarks)])
    (tmp_path / "duo.png").write_bytes((data.parent / "0.png").read_bytes())
    # As acrloss predict writes them, in another order.
    write_pts(tmp_path / "found" / "duo.pts", landmarks[1] + 1)
    write_pts(tmp_path / "found" / "duo_2.pts", landmarks[0] + 1)
    arguments = ["evaluate", "--predictions", str(tmp_path / "found"), "--data", str(tmp_path / "duo.csv")]
    assert main([*arguments, "--scheme", "generic", "--output", str(tmp_path / "out")]) == 0
    assert "in 1 image with several objects or predictions, those that overlap were matched" in capsys.readouterr().err
    scores = evaluation_in(tmp_path / "out")["scores"]
    diagonals = np.hypot(*np.ptp(landmarks, axis=1).T)
    assert scores[0]["faces"] == 2
    assert scores[0]["nme"] == pytest.approx(100 * np.mean(2**0.5 / diagonals), rel=1e-3)


def test_a_command_line_says_what_is_not_the_default() -> None:
    from jsonargparse import ArgumentParser

    from acrloss.commands import report

    parser = ArgumentParser()
    report.add_arguments(parser)
    given = ["a run", "b", "--thresholds", "5", "8", "--data", "x;y", "--data_options.image_column=f g"]
    values = parser.parse_args(given)
    line = command_line("report", parser, values)
    assert shlex.split(line)[:2] == ["acrloss", "report"]
    assert parser.parse_args(shlex.split(line)[2:]) == values
    assert "--output" not in line
