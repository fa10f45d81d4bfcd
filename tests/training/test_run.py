"""A run as one call: from Python, gone on with, extended, and refused where it would go wrong in silence."""

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
import yaml
from filelock import FileLock
from torch import Tensor
from torchmetrics import Metric

import acrloss
from acrloss.commands.main import main
from acrloss.crops.crop import CropSpec
from acrloss.errors import DataError
from acrloss.formats import read_annotations
from acrloss.networks.landmark_net import LandmarkNet
from acrloss.training.config import ModelConfig, OptimConfig, TrainConfig
from acrloss.training.fit import fit
from acrloss.training.run import Run, train

TINY = TrainConfig(
    model=ModelConfig("test_efficientnet", "none"), crop=CropSpec(size=32), epochs=2, batch_size=4, workers=0, threads=1
)


class Watch(L.Callback):
    def __init__(self) -> None:
        self.seen: list[float] = []

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.seen.append(float(trainer.callback_metrics["val_nme"]))


class MeanX(Metric):
    """Mean x of the landmarks that were found."""

    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(()), dist_reduce_fx="sum")

    def update(self, landmarks: Tensor, target: Tensor) -> None:
        assert landmarks.shape == target.shape
        self.total += landmarks[..., 0].sum()
        self.count += landmarks[..., 0].numel()

    def compute(self) -> Tensor:
        return self.total / self.count


@pytest.fixture(scope="module")
def made(faces_csv: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run of two epochs, trained from Python; no test changes it."""
    return train(faces_csv, TINY, tmp_path_factory.mktemp("runs") / "made", detectors=())


def copy_of(run: Run, folder: Path) -> Path:
    import shutil

    shutil.copytree(run.folder, folder)
    return folder


def test_one_call_trains_scores_and_reports(made: Run, faces_csv: Path) -> None:
    faces = read_annotations(faces_csv)
    assert [row["epoch"] for row in made.history] == [1, 2]
    assert made.report == made.folder / "report.html"
    assert made.evaluation is not None
    assert made.evaluation.annotations.images == faces.split("test").images
    stored = json.loads((made.folder / "evaluation.json").read_text())
    assert made.evaluation.score.nme == pytest.approx(stored["scores"][0]["nme"], abs=1e-5)
    # The same from the folder alone, and by scoring the network again.
    again = Run.open(made.folder)
    assert again.history == made.history
    assert again.evaluation is not None
    assert again.evaluation.score.nme == pytest.approx(made.evaluation.score.nme, rel=1e-5)
    assert acrloss.evaluate(made.folder, faces_csv).score.nme == pytest.approx(made.evaluation.score.nme, rel=1e-5)
    assert acrloss.evaluate(made.model(), faces, split="val").nme["interocular"].shape == (3,)
    errors = [row["val_nme"] for row in made.history]
    assert made.best_epoch == 1 + errors.index(min(errors))
    faces_found = made.predictor()(faces.images[0], boxes=faces.landmark_boxes()[0])
    assert faces_found.landmarks.shape == (1, 68, 2)


def test_a_run_shows_itself(made: Run) -> None:
    assert made.evaluation is not None
    for shown in (str(made), made._repr_html_()):
        assert f"best epoch {made.best_epoch} of 2" in shown
        assert f"{made.evaluation.score.nme:.2f}" in shown
    run = replace(made, folder=Path("<b>"), notes=("<i>",))
    assert "<i>" not in run._repr_html_()
    assert "&lt;b&gt;" in run._repr_html_()


@pytest.mark.usefixtures("undrawn", "undetected")
def test_what_python_trained_the_program_goes_on_with(made: Run, faces_csv: Path, tmp_path: Path) -> None:
    moved = copy_of(made, tmp_path / "moved")
    config = yaml.safe_load((moved / "config.yaml").read_text())
    assert config["data"] == str(faces_csv)
    assert config["loss"] == "acr-3"
    assert main(["train", "--config", str(moved / "config.yaml"), "--resume", "--workers", "1"]) == 0
    for name in ("last.safetensors", "predictions.npz"):
        assert (moved / name).stat().st_size == (made.folder / name).stat().st_size
    assert (moved / "last.safetensors").read_bytes() == (made.folder / "last.safetensors").read_bytes()


@pytest.mark.usefixtures("undrawn")
def test_options_of_an_older_version_are_the_defaults(made: Run, faces_csv: Path, tmp_path: Path) -> None:
    folder = copy_of(made, tmp_path / "old")
    config = yaml.safe_load((folder / "config.yaml").read_text())
    del config["early_stopping"], config["model"]["frozen_epochs"], config["logger"]
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    assert len(train(faces_csv, TINY, folder, resume=True, detectors=()).history) == 2
    with pytest.raises(DataError, match="started with model"):
        train(faces_csv, replace(TINY, model=replace(TINY.model, frozen_epochs=1)), folder, resume=True)


@pytest.mark.usefixtures("undrawn")
def test_a_finished_run_is_extended_and_not_shortened(made: Run, faces_csv: Path, tmp_path: Path) -> None:
    folder = copy_of(made, tmp_path / "longer")
    longer = train(faces_csv, replace(TINY, epochs=4), folder, resume=True, detectors=())
    assert longer.history[:2] == made.history
    assert [row["epoch"] for row in longer.history] == [1, 2, 3, 4]
    assert any("extended from 2 to 4 epochs" in note for note in longer.notes)
    # The learning rate is that of a run of four epochs, three steps each: cosine decay after one step of warm-up.
    expected = [2e-3 * 0.5 * (1 + np.cos(np.pi * (3 * epoch - 1) / (3 * 4 - 1))) for epoch in (3, 4)]
    assert [row["learning_rate"] for row in longer.history[2:]] == pytest.approx(expected, abs=1e-9)
    with pytest.raises(DataError, match="started with epochs = 4, not 2"):
        train(faces_csv, TINY, folder, resume=True)


@pytest.mark.usefixtures("undrawn")
def test_other_data_is_refused_when_a_run_goes_on(made: Run, faces_csv: Path, tmp_path: Path) -> None:
    folder = copy_of(made, tmp_path / "run")
    faces = read_annotations(faces_csv)
    with pytest.raises(DataError, match=r"image names, image contents, landmarks.* changed \(24 faces then, 23 now\)"):
        train(faces.select(np.arange(23)), TINY, folder, resume=True)
    moved = faces.landmarks.copy()
    moved[3, 5, 0] += 0.5
    with pytest.raises(DataError, match="other data: landmarks changed;"):
        train(replace(faces, landmarks=moved), TINY, folder, resume=True)
    # The same data in another place is the same data, and other pixels under the same names are not.
    shutil.copytree(faces_csv.parent, tmp_path / "elsewhere")
    there = read_annotations(tmp_path / "elsewhere" / faces_csv.name)
    assert len(train(there, replace(TINY, epochs=3), folder, resume=True, detectors=()).history) == 3
    image = Path(there.images[0])
    image.write_bytes(image.read_bytes()[:-1] + b"\0")
    with pytest.raises(DataError, match="other data: image contents changed;"):
        train(there, replace(TINY, epochs=4), folder, resume=True)


def flipped(content: bytes) -> bytes:
    at = len(content) // 2
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


@pytest.mark.parametrize(
    "damage", [flipped, lambda content: content[:-1000], lambda content: b"", lambda content: b"text"]
)
def test_a_damaged_checkpoint_is_one_line(
    damage: Callable[[bytes], bytes], made: Run, faces_csv: Path, tmp_path: Path
) -> None:
    folder = copy_of(made, tmp_path / "run")
    (folder / "last.ckpt").write_bytes(damage((folder / "last.ckpt").read_bytes()))
    with pytest.raises(DataError, match=r"last\.ckpt is damaged"):
        train(faces_csv, replace(TINY, epochs=3), folder, resume=True)


@pytest.mark.parametrize("content", ["", "- 1", "epochs: [", "\x00"])
def test_a_damaged_configuration_names_its_file(content: str, made: Run, faces_csv: Path, tmp_path: Path) -> None:
    folder = copy_of(made, tmp_path / "run")
    (folder / "config.yaml").write_text(content)
    with pytest.raises(DataError, match=r"config\.yaml"):
        train(faces_csv, TINY, folder, resume=True)


def test_one_training_a_folder(faces_csv: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with FileLock(tmp_path / "run" / ".lock"), pytest.raises(DataError, match="another training is writing here"):
        train(faces_csv, TINY, tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]


@pytest.mark.usefixtures("undrawn")
def test_callbacks_loggers_and_metrics_are_handed_in(faces_csv: Path, tmp_path: Path) -> None:
    watch = Watch()
    run = train(
        faces_csv,
        TINY,
        tmp_path / "run",
        callbacks=[watch],
        loggers=["csv"],
        metrics={"mean_x": MeanX()},
        detectors=(),
    )
    assert watch.seen == pytest.approx([row["val_nme"] for row in run.history], rel=1e-5)
    # An untrained network puts every face in the middle of its crop.
    assert all(0.3 < row["val_mean_x"] < 0.7 for row in run.history)
    logged = (tmp_path / "run" / "csv" / "metrics.csv").read_text()
    assert "val_mean_x" in logged.splitlines()[0]
    assert not (tmp_path / "run" / "log").exists()


def test_an_unknown_or_missing_logger_is_one_line(
    faces_csv: Path, tmp_path: Path, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "--logger" in fails("train", "--data", faces_csv, "--output", tmp_path / "a", "--logger", "tensorbord")
    monkeypatch.setattr("lightning.pytorch.loggers.wandb._WANDB_AVAILABLE", False)
    tiny = ["--model.backbone", "test_efficientnet", "--model.pretrained", "none", "--crop.size", "32"]
    said = fails("train", "--data", faces_csv, "--output", tmp_path / "b", *tiny, "--logger", "wandb")
    assert "pip install wandb" in said
    assert not (tmp_path / "b").exists()


@pytest.mark.usefixtures("undrawn")
def test_early_stopping_waits_for_its_epochs(faces_csv: Path, tmp_path: Path) -> None:
    # Nothing is learned, so the first epoch is the best and two more are waited for.
    still = OptimConfig(learning_rate=1e-30, ema_decay=0, weight_decay=0)
    model = replace(TINY.model, frozen_epochs=-1)
    config = replace(TINY, epochs=12, early_stopping=2, optim=still, model=model)
    run = train(faces_csv, config, tmp_path / "run", detectors=())
    assert (len(run.history), run.best_epoch) == (3, 1)
    # A run that goes on knows what it waited for.
    assert len(train(faces_csv, config, tmp_path / "run", resume=True, detectors=()).history) == 4


def test_a_frozen_backbone_stays_as_it_is(faces_csv: Path, tmp_path: Path) -> None:
    def weights(name: str) -> dict[str, Any]:
        return LandmarkNet.load(tmp_path / name / "last.safetensors").state_dict()

    def changed(first: str, second: str) -> set[str]:
        a, b = weights(first), weights(second)
        return {name.partition(".")[0] for name in a if not torch.equal(a[name], b[name])}

    optim = replace(TINY.optim, ema_decay=0)
    for name, frozen, epochs in (("all", -1, 2), ("one", 1, 2), ("none", 0, 2), ("short", -1, 1)):
        config = replace(TINY, optim=optim, epochs=epochs, model=replace(TINY.model, frozen_epochs=frozen))
        fit(read_annotations(faces_csv), config, tmp_path / name)
    # Frozen throughout, runs of one and of two epochs differ in the head alone, batch statistics included.
    assert changed("all", "short") == {"head"}
    assert "backbone" in changed("all", "one")
    assert "backbone" in changed("one", "none")


@pytest.mark.usefixtures("undetected")
def test_a_diverged_run_says_so(faces_csv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "--data", str(faces_csv), "--output", str(tmp_path / "run"), "--loss", "l2"]
    arguments += ["--model.backbone", "test_efficientnet", "--model.pretrained", "none", "--crop.size", "32"]
    arguments += ["--epochs", "1", "--batch_size", "4", "--workers", "0", "--threads", "1"]
    arguments += ["--optim.learning_rate", "9.9", "--optim.ema_decay", "0", "--optim.gradient_clip", "0"]
    assert main(arguments) == 1
    assert "the training diverged; lower optim.learning_rate" in capsys.readouterr().err


def test_a_refused_option_leaves_no_folder(faces_csv: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="efficientnet_lite"):
        train(faces_csv, replace(TINY, model=ModelConfig("efficientnet_lite9")), tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with pytest.raises(DataError, match="16-mixed needs a GPU"):
        train(faces_csv, replace(TINY, precision="16-mixed"), tmp_path / "run")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("mine")
    with pytest.raises(DataError, match="not empty"):
        train(faces_csv, TINY, tmp_path / "mine")
    assert (tmp_path / "mine" / "letter.txt").read_text() == "mine"


@pytest.mark.usefixtures("undrawn")
def test_checkpoints_need_no_folder_for_temporary_files(
    faces_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Lightning's own way writes there first; and a checkpoint in the current folder is nobody's.
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "full"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hpc_ckpt_1.ckpt").write_bytes(b"of another run")
    train(faces_csv, replace(TINY, epochs=1), tmp_path / "run", detectors=())
    assert sorted(path.name for path in (tmp_path / "run").glob("last.*")) == ["last.ckpt", "last.safetensors"]


@pytest.mark.usefixtures("undrawn")
def test_what_a_killed_run_left_is_cleaned(made: Run, faces_csv: Path, tmp_path: Path) -> None:
    folder = copy_of(made, tmp_path / "run")
    (folder / ".last.ckpt.a1b2c3d4").write_bytes(b"half")
    (folder / ".mine").write_bytes(b"kept")
    train(faces_csv, TINY, folder, resume=True, detectors=())
    assert not (folder / ".last.ckpt.a1b2c3d4").exists()
    assert (folder / ".mine").exists()
