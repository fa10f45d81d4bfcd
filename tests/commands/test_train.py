"""`acrloss train` as a user runs it: a subprocess, interrupted and resumed, and with everything that can be wrong."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import yaml

from acrloss.commands.main import main

TINY = [
    *("--model.backbone", "test_efficientnet", "--model.pretrained", "none", "--crop.size", "32"),
    *("--epochs", "5", "--batch_size", "4", "--threads", "1", "--workers", "1"),
]
RESULTS = ("best.safetensors", "last.safetensors")


def start(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "acrloss", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


@pytest.fixture(scope="module")
def finished(faces_300w: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that nothing disturbed."""
    run = tmp_path_factory.mktemp("runs") / "whole"
    # The resumed run, with which it is compared, learns no detector's boxes either.
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as said, redirect_stderr(said):
        patch.setattr("acrloss.training.run.calibrated_detectors", list)
        assert main(["train", "--data", str(faces_300w), "--output", str(run), *TINY]) == 0
    assert said.getvalue().rstrip().splitlines()[-1] == f"results: {run / 'report.html'}"
    assert "epoch 5/5" in said.getvalue()
    return run


def test_the_run_folder_tells_the_whole_story(finished: Path) -> None:
    files = {str(path.relative_to(finished)) for path in finished.rglob("*")}
    assert files >= {
        *RESULTS,
        *("config.yaml", "environment.json", "evaluation.json", "metrics.csv", "predictions.npz", "report.html"),
        *("shape_model.safetensors", "last.ckpt", "left_out.txt"),
        *(f"figures/{name}.png" for name in ("learning_curves", "cumulative_error", "landmark_errors", "regions")),
        *("figures/worst_faces.jpg", "figures/best_faces.jpg"),
    }
    evaluation = json.loads((finished / "evaluation.json").read_text())
    whole = evaluation["scores"][0]
    assert (whole["subset"], whole["normalizer"], whole["faces"]) == ("full", "interocular", 10)
    assert {score["subset"] for score in evaluation["scores"]} == {"full", "common", "challenging"}
    with np.load(finished / "predictions.npz", allow_pickle=False) as archive:
        eyes = np.linalg.norm(archive["landmarks"][:, 36] - archive["landmarks"][:, 45], axis=-1)
        errors = np.linalg.norm(archive["predictions"] - archive["landmarks"], axis=-1).mean(axis=1)
    assert whole["nme"] == pytest.approx(100 * np.mean(errors / eyes), rel=1e-5)
    assert f"NME {whole['nme']:.2f} %" in (finished / "report.html").read_text()


@pytest.mark.usefixtures("undrawn", "undetected")
@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_run_resumes_to_the_same_weights(
    sign: signal.Signals, finished: Path, faces_300w: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    process = start("train", "--data", faces_300w, "--output", run, *TINY)
    deadline = time.monotonic() + 200
    try:
        while not (run / "last.ckpt").exists():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, sign)
        output = process.communicate(timeout=60)[0]
    finally:
        process.kill()
    assert process.returncode != 0, output
    assert len((run / "metrics.csv").read_text().splitlines()) < 6, "it was done before it could be interrupted"
    if sign == signal.SIGINT:
        assert f"--config {run / 'config.yaml'} --resume" in output
    # In this process, where nothing of the first is left.
    assert main(["train", "--config", str(run / "config.yaml"), "--resume"]) == 0
    for name in RESULTS:
        assert (run / name).read_bytes() == (finished / name).read_bytes()


def test_the_printed_configuration_makes_the_same_run(faces_300w: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--data", str(faces_300w), "--output", "x", "--loss", "wing", "--print_config"])
    config = yaml.safe_load(capsys.readouterr().out)
    assert config["loss"] == "wing"
    assert config["crop"]["size"] == 112
    assert config["augmentation"]["mirror"] == 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--epcohs", "3"], "did you mean --epochs"),
        (["--epochs", "three"], "--epochs"),
        (["--epochs", "0"], "epochs must be at least 1"),
        (["--crop.size", "3"], "crop size"),
        (["--crop.szie", "64"], "did you mean --crop.size"),
        (["--augmentation.mirror", "2"], "mirror"),
        (["--optim.learning_rate", "-1"], "learning_rate"),
        (["--loss", "wnig"], "wing"),
        (["--loss_options.omga", "3", "--loss", "wing"], "omga"),
        (["--model.backbone", "efficientnet_lite9"], "efficientnet_lite"),
        (["--model.pretrained", "nowhere.pth"], "nowhere.pth"),
        (["--precision", "8"], "--precision"),
        (["--scheme", "cofw29"], "cofw29"),
        (["--scheme", "ibug86"], "ibug68"),
        (["--format", "ptss"], "ptss"),
        (["--data_options.image_colum", "x"], "image_colum"),
        (["--config", "no.yaml"], "no.yaml"),
    ],
)
def test_a_wrong_option_is_one_line(
    arguments: list[str], message: str, faces_300w: Path, tmp_path: Path, fails: Callable[..., str]
) -> None:
    # What is given last counts, so the small settings stand first.
    assert message in fails("train", "--data", faces_300w, "--output", tmp_path / "r", *TINY, *arguments)


def test_bad_data_is_one_line(tmp_path: Path, fails: Callable[..., str]) -> None:
    run = ["--output", str(tmp_path / "run"), *TINY]
    assert "missing" in fails("train", "--data", tmp_path / "missing", *run)
    (tmp_path / "empty").mkdir()
    assert "empty" in fails("train", "--data", tmp_path / "empty", *run)
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "a.jpg").write_text("no picture")
    (bad / "a.pts").write_text("version: 1\nn_points: 68\n{\n" + "5 5\n" * 68 + "}\n")
    assert "a.jpg" in fails("train", "--data", bad, *run)


@pytest.mark.usefixtures("undrawn", "undetected")
def test_bad_faces_are_left_out_with_a_count(
    faces_300w: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    shutil.copytree(faces_300w, data)
    pts = (data / "afw" / "face_0.pts").read_text().splitlines()
    (data / "afw" / "face_0.pts").write_text("\n".join(pts[:-2] + pts[-1:]))
    (data / "afw" / "face_1.pts").write_text("\n".join([*pts[:5], "nan inf", *pts[6:]]))
    (data / "afw" / "face_2.jpg").write_text("text")
    truncated = data / "afw" / "face_3.jpg"
    truncated.write_bytes(truncated.read_bytes()[:-300])
    assert main(["train", "--data", str(data), "--output", str(tmp_path / "run"), *TINY, "--epochs", "1"]) == 0
    said = capsys.readouterr().err
    assert "3 left out" in said
    assert "1 training image was left out: not to be decoded" in said
    named = (tmp_path / "run" / "left_out.txt").read_text()
    assert all(f"face_{i}" in named for i in range(4))


def test_an_output_that_cannot_be_used(
    finished: Path, faces_300w: Path, tmp_path: Path, fails: Callable[..., str]
) -> None:
    common = ["train", "--data", str(faces_300w), *TINY]
    assert "holds a run" in fails(*common, "--output", finished)
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in fails(*common, "--output", tmp_path / "file" / "run")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("")
    assert "not empty" in fails(*common, "--output", tmp_path / "other")
    assert "no last.ckpt" in fails(*common, "--output", tmp_path / "new", "--resume")
    assert "epochs" in fails(*common, "--epochs", "4", "--output", finished, "--resume")
    assert "--output is missing" in fails(*common)
