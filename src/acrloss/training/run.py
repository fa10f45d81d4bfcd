"""The whole life of a run: fit, calibrate, save, score, report. Command, demo, studies and notebooks call it."""

from __future__ import annotations

import csv
import json
import os
import re
import shlex
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from filelock import FileLock, Timeout

from acrloss.annotations import Annotations
from acrloss.detection.installed import calibrated_detectors, create_detector
from acrloss.errors import DataError
from acrloss.evaluation.predictions import read_predictions
from acrloss.evaluation.predictions_file import read_scored_faces
from acrloss.evaluation.scores import Evaluation, Role, evaluate
from acrloss.files import remove_leftovers, write_atomic
from acrloss.formats import read_annotations
from acrloss.losses.table import versioned
from acrloss.networks.landmark_net import LandmarkNet
from acrloss.notes import NOTES, listed
from acrloss.prediction.annotated import predict_annotated
from acrloss.prediction.evaluate import evaluate_mean_face
from acrloss.prediction.predictor import Predictor
from acrloss.progress_hook import Progress, no_progress
from acrloss.reports.data_facts import TrainingFacts, write_training_facts
from acrloss.reports.run_report import write_run_report
from acrloss.reports.tables import score_table, warning
from acrloss.training.calibrate import fit_confidence, fit_detector_boxes, fit_landmark_boxes
from acrloss.training.config import TrainConfig
from acrloss.training.config_file import NAME, check_resumable, config_text
from acrloss.training.data_fingerprint import check_same_data, data_fingerprint
from acrloss.training.determinism import deterministic_algorithms
from acrloss.training.fit import Fitted, fit
from acrloss.training.usable_faces import usable_faces

if TYPE_CHECKING:
    import lightning as L
    from lightning.pytorch.loggers import Logger
    from torchmetrics import Metric

    from acrloss.training.loggers import LoggerName

Scored = Literal["test", "val"]
LOCK = ".lock"
# An NME of the whole normaliser is no landmark any more: what trains to that has diverged.
_DIVERGED = 100.0


@dataclass(frozen=True, eq=False)
class Run:
    """A finished training.

    Attributes:
        folder: where everything of it lies.
        history: one row an epoch, as in metrics.csv; see `acrloss.training.fit.Fitted`.
        evaluation: the scores of its best network; None where there were no faces to score.
        notes: what the user should know, one line each: faces left out, detectors that found nothing, faces scored that
            chose the epoch.
        baseline: the scores of the training's mean shape on the same faces; None where there are none, or the run was
            opened again.
    """

    folder: Path
    history: tuple[dict[str, float], ...]
    evaluation: Evaluation | None
    notes: tuple[str, ...] = ()
    baseline: Evaluation | None = None

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """A run that was trained before.

        Raises:
            DataError: the folder holds none.
        """
        folder = Path(folder)
        if not (folder / "best.safetensors").is_file() or not (folder / "metrics.csv").is_file():
            raise DataError(f"{folder} is no run folder; give the output folder of a training")
        with (folder / "metrics.csv").open(newline="", encoding="utf-8") as file:
            history = tuple({name: float(value) for name, value in row.items()} for row in csv.DictReader(file))
        evaluation = None
        if (folder / "predictions.npz").is_file():
            faces = read_scored_faces(folder)
            found = read_predictions(folder, faces)
            evaluation = evaluate(faces, found.landmarks, found.occlusion, role=found.role)
        return cls(folder, history, evaluation)

    @property
    def best(self) -> Path:
        """The file of the network of the best epoch."""
        return self.folder / "best.safetensors"

    @property
    def report(self) -> Path | None:
        """The page about it, where there is one."""
        return self.folder / "report.html" if (self.folder / "report.html").is_file() else None

    @property
    def best_epoch(self) -> int:
        """The epoch, from 1, of the lowest validation NME; the last where none was validated."""
        errors = np.array([row["val_nme"] for row in self.history])
        return len(errors) if np.isnan(errors).all() else int(np.nanargmin(errors)) + 1

    @property
    def diverged(self) -> bool:
        """Whether even its best epoch is worse than any landmarks could be."""
        row = self.history[self.best_epoch - 1]
        error = row["train_nme"] if np.isnan(row["val_nme"]) else row["val_nme"]
        return not error < _DIVERGED

    def model(self) -> LandmarkNet:
        """The network of the best epoch."""
        return LandmarkNet.load(self.best)

    def predictor(self, **options: Any) -> Predictor:
        """What finds landmarks in photographs with the network of the best epoch; options as of `Predictor`."""
        return Predictor(self.best, **options)

    def __str__(self) -> str:
        lines = [f"run {self.folder}: best epoch {self.best_epoch} of {len(self.history)}"]
        if self.evaluation is not None:
            caption, header, rows = score_table(self.evaluation, baseline=self.baseline)
            lines += [caption, "  ".join(header), *("  ".join(row) for row in rows)]
        return "\n".join([*lines, *self.notes])

    def _repr_html_(self) -> str:
        parts = [f"<b>run {escape(str(self.folder))}</b>: best epoch {self.best_epoch} of {len(self.history)}"]
        if self.evaluation is not None:
            caption, header, rows = score_table(self.evaluation, baseline=self.baseline)
            cells = "".join(f"<th>{escape(cell)}</th>" for cell in header)
            body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
            parts.append(f"<table><caption>{escape(caption)}</caption><tr>{cells}</tr>{body}</table>")
        if self.report is not None:
            parts.append(f'<a href="{escape(str(self.report))}">report</a>')
        return "<br>".join([*parts, *map(escape, self.notes)])


def train(
    data: Annotations | str | Path,
    config: TrainConfig | None = None,
    output: str | Path = "runs/acrloss",
    *,
    resume: bool = False,
    score: Scored = "test",
    callbacks: Sequence[L.Callback] = (),
    loggers: Sequence[LoggerName | Logger] = ("tensorboard",),
    metrics: Mapping[str, Metric] | None = None,
    detectors: Sequence[str] | None = None,
    progress: Progress = no_progress,
    read_as: Mapping[str, Any] | None = None,
) -> Run:
    """Train a landmark network on annotated faces, score it and write its report.

    >>> run = acrloss.train("300w", acrloss.TrainConfig(epochs=20), "runs/mine")
    >>> run.evaluation.score.nme
    >>> faces = run.predictor()("photo.jpg")

    Args:
        data: the faces, or the folder, file or "synthetic:COUNT@SEED" that `read_annotations` reads.
        config: all that determines the run; the defaults if None.
        output: folder of the run; new or empty, unless the run goes on.
        resume: go on with the interrupted run in `output`, or with a finished one for more epochs.
        score: faces to score at the end: "test", or "val" to leave the test faces alone, for choosing between runs.
            Data without test faces is scored on those held out for validation.
        callbacks: Lightning's or your own; "val_nme" is what they can watch.
        loggers: "tensorboard", "csv", "wandb", "mlflow", or Lightning's loggers.
        metrics: by name, further metrics (torchmetrics) of the validation faces, see
            `acrloss.training.lightning_module.LandmarkTraining`.
        detectors: face detectors whose boxes the network shall learn to use; all that are installed if None.
        progress: shows what goes on after the last epoch.
        read_as: how the data was read, for config.yaml: data, format, scheme and data_options of `acrloss train`.

    Returns:
        The run. Where several processes train, all but the first get it without an evaluation.

    Raises:
        DataError: the data, an option or the output folder cannot be used.
        KeyboardInterrupt: stopped; `resume` goes on after the last finished epoch.
    """
    annotations = data if isinstance(data, Annotations) else read_annotations(data)
    # The configuration that is kept must mean the same loss in the next version.
    config = replace(config or TrainConfig(), loss=versioned((config or TrainConfig()).loss))
    annotations = usable_faces(annotations, config.crop)
    folder = Path(output)
    others = {
        **_absolute(read_as or {"data": str(annotations.source if isinstance(data, Annotations) else data)}),
        "output": str(folder),
        "score": score,
        "logger": [one for one in loggers if isinstance(one, str)],
    }
    notes = []
    if resume:
        extended = check_resumable(folder, config, others)
        notes += [extended] if extended else []
        check_same_data(folder / "data.json", annotations)
    else:
        _check_new(folder)
    fresh = not folder.exists() or not any(folder.iterdir())
    with _only_one(folder), deterministic_algorithms():
        remove_leftovers(folder, ("last.ckpt", "best.safetensors", "last.safetensors", "metrics.csv", "left_out.txt"))
        write_atomic(folder / NAME, config_text(config, others))
        if not resume:
            write_atomic(folder / NOTES, listed(annotations.notes))
            write_atomic(folder / "data.json", json.dumps(data_fingerprint(annotations), indent=2) + "\n")
        try:
            started = time.monotonic()
            fitted = fit(annotations, config, folder, resume, callbacks=callbacks, loggers=loggers, metrics=metrics)
            seconds = time.monotonic() - started
        except DataError:
            if fresh and not (folder / "last.ckpt").exists():
                # An option was refused before anything was trained: the same command can be given again, mended.
                shutil.rmtree(folder, ignore_errors=True)
            raise
        if not is_first_process():
            return Run(folder, fitted.history, None)
        if fitted.unreadable:
            many = len(fitted.unreadable) > 1
            images = f"{len(fitted.unreadable)} training images were" if many else "1 training image was"
            notes.append(f"{images} left out: not to be decoded; see {folder / 'left_out.txt'}")
        network = LandmarkNet.load(folder / "best.safetensors")
        notes += calibrate(network, fitted, config, detectors, progress)
        network.save(folder / "best.safetensors")
        write_training_facts(
            folder,
            TrainingFacts(
                train=len(fitted.train),
                val=len(fitted.val),
                held_out="val" not in annotations.split_names,
                unreadable=len(fitted.unreadable),
                # Of a run that was interrupted only the last part is known.
                seconds=None if resume else seconds,
            ),
        )
        evaluation, baseline = _score(network, annotations, fitted, score, folder, progress)
        notes += warning(evaluation, baseline=baseline) if evaluation is not None else []
    run = Run(folder, fitted.history, evaluation, tuple(notes), baseline)
    if evaluation is None:
        run = replace(run, notes=(*run.notes, "no test or validation faces: nothing to score"))
    elif score == "test" and not len(annotations.split("test")):
        run = replace(
            run,
            notes=(
                *run.notes,
                f"there are no test faces: the scores are of the {len(evaluation.annotations)} faces that chose the "
                "epoch, and better than those of others; acrloss data split holds test faces out",
            ),
        )
    if run.diverged:
        run = replace(run, notes=(*run.notes, "the training diverged; lower optim.learning_rate"))
    return run


def calibrate(
    network: LandmarkNet,
    fitted: Fitted,
    config: TrainConfig,
    detectors: Sequence[str] | None = None,
    progress: Progress = no_progress,
) -> list[str]:
    """Measure what predicting on photographs needs: confidences, and where a detector's boxes lie.

    Returns:
        A line for each detector that takes none of these for faces.
    """
    fit_confidence(network, fitted.train, fitted.val, config.augmentation, config.seed, progress)
    fit_landmark_boxes(network, fitted.train)
    notes = []
    # All that are so marked, since the network may be used where others are installed.
    for name in calibrated_detectors() if detectors is None else detectors:
        try:
            fit_detector_boxes(network, fitted.train, create_detector(name), config.seed, progress)
        except DataError as error:
            # Whatever these are, the detector takes none for a face: predicting asks for boxes then.
            notes.append(f"{name}: {error}")
    return notes


def is_first_process() -> bool:
    """Whether this is the one of several processes that writes the results."""
    return all(os.environ.get(name, "0") == "0" for name in ("RANK", "LOCAL_RANK", "SLURM_PROCID"))


def resume_command(folder: Path) -> str:
    """The command that goes on with a run."""
    return f"acrloss train --config {shlex.quote(str(folder / NAME))} --resume"


def _score(
    network: LandmarkNet, annotations: Annotations, fitted: Fitted, score: Scored, folder: Path, progress: Progress
) -> tuple[Evaluation | None, Evaluation | None]:
    """Score the network and write its report; the test faces are touched once, here.

    Returns:
        The scores of the network and of the mean shape, None where there are no faces to score.
    """
    scored = annotations.split("test") if score == "test" else fitted.val
    role: Role = "test" if score == "test" and len(scored) else "validation"
    scored = scored if len(scored) else fitted.val
    if not len(scored):
        return None, None
    evaluation = evaluate(scored, predict_annotated(network, scored, progress=progress), role=role)
    baseline = evaluate_mean_face(folder, network.crop, evaluation)
    config = shlex.quote(str(folder.absolute() / NAME))
    command = f"acrloss train --config {config} --output {shlex.quote(f'{folder.resolve().name}-again')}"
    write_run_report(folder, evaluation, command=command, baseline=baseline)
    return evaluation, baseline


@contextmanager
def _only_one(folder: Path) -> Iterator[None]:
    """Refuse to train where another process trains: two runs in one folder would become one mixed run."""
    if not is_first_process():
        yield
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / LOCK, blocking=False):
            yield
    except Timeout:
        raise DataError(f"{folder}: another training is writing here; wait for it, or give another output") from None
    except OSError as error:
        raise DataError(
            f"cannot write {folder}: {error.strerror or error}; choose a folder you can write to"
        ) from error


def _check_new(folder: Path) -> None:
    if (folder / "last.ckpt").is_file():
        raise DataError(f"{folder} holds a run; give another output, or resume it: {resume_command(folder)}")
    if folder.is_dir() and {path.name for path in folder.iterdir()} - {LOCK} and not (folder / NAME).is_file():
        raise DataError(f"{folder} is not empty and no run; give another output")


def _absolute(read_as: Mapping[str, Any]) -> dict[str, Any]:
    """Paths as they are from everywhere, so that a run goes on from another folder."""
    result = dict(read_as)
    for key in ("data", "scheme"):
        value = result.get(key)
        if isinstance(value, str) and not re.match(r"synthetic\b", value) and Path(value).exists():
            result[key] = str(Path(value).absolute())
    return result
