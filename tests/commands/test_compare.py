"""`acrloss compare` as a user runs it."""

import json
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import numpy as np
import pytest

from acrloss.commands.main import main
from acrloss.study import one_training, trainings
from acrloss.training import fit
from acrloss.training.progress_bar import TrainingProgress

STUDY = """
data: {{faces: {data}}}
settings:
  epochs: 1
  batch_size: 4
  workers: 0
  crop: {{size: 32}}
  model: {{backbone: test_efficientnet, pretrained: none}}
methods:
  L2: {{loss: l2}}
  ACR: {{loss: acr}}
  "broken $x [/b] | _": {{model: {{backbone: test_efficientnt}}}}
seeds: [0, 1]
score: test
"""


class Here:
    """Stands in for the process of a run: to start one costs five times as much as to train for an epoch."""

    one_at_a_time = threading.Lock()

    def __init__(self, command: list[str], **_: Any) -> None:
        assert command[:3] == [sys.executable, "-m", "acrloss.study.one_training"]
        with Here.one_at_a_time:
            self.status = one_training.main(command[3:])

    def wait(self) -> int:
        return self.status

    def terminate(self) -> None:
        raise AssertionError("it has ended")


@pytest.fixture
def trained_here(monkeypatch: pytest.MonkeyPatch, undetected: None) -> list[str]:
    """Trains all runs in this process; the list gets the specification of each."""
    specs: list[str] = []

    def start(command: list[str], **options: Any) -> Here:
        specs.append(command[3])
        return Here(command, **options)

    monkeypatch.setattr(trainings, "subprocess", SimpleNamespace(Popen=start, STDOUT=subprocess.STDOUT))
    return specs


def test_a_study_is_trained_once_and_reported(
    faces_300w: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    trained_here: list[str],
    request: pytest.FixtureRequest,
) -> None:
    (tmp_path / "s.yaml").write_text(STUDY.format(data=faces_300w))
    arguments = ["compare", str(tmp_path / "s.yaml"), "--output", str(tmp_path / "out"), "--jobs", "2"]
    assert main(arguments) == 1, "some runs failed"
    shown = capsys.readouterr()
    report = tmp_path / "out" / "s" / "report.html"
    assert shown.out.rstrip().endswith(f"results: {report}")
    assert "failed: faces, broken $x [/b] | _, seed 0: " in shown.err
    assert "did you mean" in shown.err
    assert "2 of 6 runs failed" in shown.err
    assert "failed" in report.read_text()
    assert "faces: differences to L2, face by face" in report.read_text()
    text = report.with_suffix(".md").read_text()
    rows = re.findall(r"^\| (L2|ACR|broken) \| 2 \| (\d+\.\d+) ± \d+\.\d+ \| (\S+)", text, re.MULTILINE)
    assert [(name, difference == "–") for name, _, difference in rows] == [("L2", True), ("ACR", False)]
    # Each figure is that of the runs.
    runs = [folder for folder in (tmp_path / "out" / "runs").iterdir() if (folder / "done.json").is_file()]
    assert len(runs) == 4
    assert len(trained_here) == 6
    nme = [json.loads((r / "train" / "evaluation.json").read_text())["scores"][0]["nme"] for r in runs]
    assert sum(nme) / 4 == pytest.approx(sum(float(mean) for _, mean, _ in rows) / 2, abs=0.01)
    times = {r: (r / "train" / "last.ckpt").stat().st_mtime for r in runs}
    request.getfixturevalue("undrawn")
    assert main(arguments) == 1
    assert "6 runs, 4 of them done already" in capsys.readouterr().err
    assert times == {r: (r / "train" / "last.ckpt").stat().st_mtime for r in runs}
    # Other thresholds train nothing anew; each figure is that of the runs again.
    assert main([*arguments, "--thresholds", "12", "5", "12"]) == 1
    assert "6 runs, 4 of them done already" in capsys.readouterr().err
    other = report.with_suffix(".md").read_text()
    assert "| FR@5 % | FR@12 % | AUC@5 % | AUC@12 % |" in other
    assert "--thresholds 5 12" in other
    figures = json.loads((tmp_path / "out" / "s" / "results.json").read_text())["runs"]
    worse = [100 * (np.array(figure["nme"]) > 12).mean() for figure in figures if figure["method"] == "L2"]
    (cells,) = re.findall(r"^\| L2 \| 2 \|(.*)\|$", other.split("subsets")[0], re.MULTILINE)
    assert cells.split("|")[4].strip().startswith(f"{np.mean(worse):.2f}")
    assert main(arguments) == 1
    assert report.with_suffix(".md").read_text() == text
    # The figures alone give the same report, without runs or data.
    shutil.rmtree(tmp_path / "out" / "runs")
    whole = STUDY.format(data=tmp_path / "gone").split('  "broken')[0] + "seeds: [0, 1]\nscore: test\n"
    (tmp_path / "s.yaml").write_text(whole)
    assert main(arguments) == 0
    assert "4 runs, 4 of them done already" in capsys.readouterr().err
    assert [row for row in text.splitlines() if row.startswith("| ")] == [
        row for row in report.with_suffix(".md").read_text().splitlines() if row.startswith("| ")
    ]


class OneEpoch(TrainingProgress):
    """Ends a training after an epoch, however many it has."""

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        super().on_train_epoch_end(trainer, pl_module)
        trainer.should_stop = True


def test_terminated_it_stops_its_runs_and_goes_on_next_time(
    faces_300w: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trained_here: list[str]
) -> None:
    study = STUDY.format(data=faces_300w).replace("epochs: 1", "epochs: 3000").split("  ACR")[0] + "seeds: [0]\n"
    (tmp_path / "s.yaml").write_text(study)
    command = [sys.executable, "-m", "acrloss", "compare", str(tmp_path / "s.yaml"), "--output", str(tmp_path / "out")]
    process = subprocess.Popen(command, stderr=subprocess.PIPE)
    runs = tmp_path / "out" / "runs"
    deadline = time.monotonic() + 240
    try:
        while not list(runs.glob("*/train/last.ckpt")):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130
    assert b"Traceback" not in said
    assert b"stopped; the same command goes on" in said
    log = next(runs.glob("*/log.txt"))
    size = -1
    # A run that is told to stop finishes its step first.
    while size != (size := log.stat().st_size):
        assert time.monotonic() < deadline
        time.sleep(2)
    metrics = next(runs.glob("*/train/metrics.csv"))
    before = len(metrics.read_text().splitlines())
    assert before < 3000
    # It goes on where it was, even if the folder is another by now; an epoch of it is enough.
    (tmp_path / "out").rename(tmp_path / "moved")
    metrics = next((tmp_path / "moved").glob("runs/*/train/metrics.csv"))
    monkeypatch.setattr(fit, "TrainingProgress", OneEpoch)
    assert main(["compare", str(tmp_path / "s.yaml"), "--output", str(tmp_path / "moved")]) == 0
    assert len(metrics.read_text().splitlines()) == before + 1
    assert len(trained_here) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("trained_here")
def test_without_faces_to_score_it_says_so(
    faces_300w: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    study = STUDY.format(data=faces_300w).split("  ACR")[0].replace("epochs: 1", "epochs: 1\n  validation_share: 0")
    (tmp_path / "s.yaml").write_text(study + "seeds: [0]\nscore: val\n")
    assert main(["compare", str(tmp_path / "s.yaml"), "--output", str(tmp_path / "out")]) == 2
    assert "no faces to score; give the data a split 'val'" in capsys.readouterr().err


def test_what_is_wrong_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compare", str(tmp_path / "none.yaml")]) == 2
    assert "none.yaml: cannot be read" in capsys.readouterr().err
    study = tmp_path / "s.yaml"
    arguments = ["compare", str(study), "--output", str(tmp_path / "out")]
    # Wrong options are seen before anything is trained.
    for options, message in (
        ("loss: wnig", "did you mean"),
        ("loss: l1, loss_options: {omga: 3}", "omga"),
        ("epoch: 3", "'epoch' is not accepted"),
        ("crop: 32", "crop is a group of options"),
        ("model: ", "model is a group of options"),
        ("optim.learning_rate: -1", "optim.learning_rate must be above 0"),
        ("loss: null", "loss has no value"),
        ("loss_options: null", "loss_options has no value"),
        ("model: {head: null}", "model.head has no value"),
        ("crop: {size: [64]}", "crop.size: expected int, got [64] (acrloss train --help lists the options)"),
    ):
        study.write_text(f"data: synthetic:20\nmethods: {{A: {{loss: l2}}, B: {{{options}}}}}\nseeds: [0]\n")
        assert main(arguments) == 2
        said = capsys.readouterr().err
        assert "s.yaml: B: " in said
        assert message in said
        assert not (tmp_path / "out").exists()
    study.write_text(f"data: {tmp_path / 'none'}\nmethods: {{A: {{loss: l2}}}}\nseeds: [0]\n")
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert "none: no such file or folder" in said
    assert "every run failed" in said
    study.write_text("data: synthetic:20\nmethods: {A: {loss: l2}}\nseeds: [0]\n")
    assert main(["compare", str(study), "--output", str(study)]) == 2
    assert "cannot make" in capsys.readouterr().err
    assert main(["compare", str(tmp_path / "s.yaml"), "--jobs", "-1"]) == 2
    assert main(["compare", str(tmp_path / "s.yaml"), "--thresholds", "0"]) == 2
    assert "--thresholds are NME in % above 0, not 0" in capsys.readouterr().err
    assert main(["compare", str(tmp_path / "s.yaml"), "--otput", "x"]) == 2
    assert "did you mean --output" in capsys.readouterr().err
