"""Train a landmark network on annotated faces, score it on the test faces and write the run's report.

The run folder holds the configuration, the networks, logs, figures and report.html. A run that was interrupted goes
on with `acrloss train --config RUN/config.yaml --resume` and ends with the same weights.
"""

from __future__ import annotations

import logging
import os
import shlex
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import yaml
from jsonargparse import Namespace

from acrloss.annotations import Annotations
from acrloss.commands.data_options import add_data_arguments, read_data
from acrloss.commands.terminal import notes, print_table, progress, results_in
from acrloss.errors import DataError
from acrloss.files import write_atomic
from acrloss.training.config import TrainConfig

if TYPE_CHECKING:
    from acrloss.networks.landmark_net import LandmarkNet


def add_arguments(parser: Any) -> None:
    add_data_arguments(parser)
    parser.add_argument("--output", type=Path, required=True, help="folder of the run; new or empty")
    parser.add_argument("--resume", action="store_true", help="go on with the interrupted run in --output")
    parser.add_argument(
        "--score",
        type=Literal["test", "val"],
        default="test",
        help="faces to score at the end; val leaves the test faces alone, for choosing between runs",
    )
    parser.add_class_arguments(TrainConfig)


def run(parsed: Any) -> None:
    from acrloss.evaluation.scores import evaluate
    from acrloss.losses import versioned
    from acrloss.networks.landmark_net import LandmarkNet
    from acrloss.prediction.annotated import predict_annotated
    from acrloss.reports.run_report import write_run_report
    from acrloss.reports.tables import score_table
    from acrloss.training.fit import fit
    from acrloss.training.split import training_split

    # After the import: Lightning sets its own level when it is imported.
    for library in ("lightning.pytorch", "lightning.fabric"):
        logging.getLogger(library).setLevel(logging.ERROR)
    parser, values = parsed
    # The configuration that is kept must mean the same loss in the next version.
    values.loss = versioned(values.loss)
    config = training_config(parser, values)
    folder = Path(values.output)
    text = settings_text(parser, values)
    if values.resume:
        check_resumable(folder, text)
    elif (folder / "last.ckpt").is_file():
        raise DataError(f"{folder} holds a run; give another --output, or --resume to go on with it")
    elif folder.is_dir() and any(folder.iterdir()) and not (folder / "config.yaml").is_file():
        raise DataError(f"{folder} is not empty and no run; give another --output")
    annotations = read_data(values)
    write_atomic(folder / "config.yaml", text)
    command = f"acrloss train --config {shlex.quote(str(folder / 'config.yaml'))}"
    try:
        fit(annotations, config, folder, resume=values.resume)
    except KeyboardInterrupt:
        how = f"to go on: {command} --resume" if (folder / "last.ckpt").is_file() else "no epoch was finished"
        notes.print(f"stopped; {how}", markup=False, soft_wrap=True)
        raise
    if os.environ.get("LOCAL_RANK", "0") != "0":
        return  # one process of several writes the results
    unreadable = len((folder / "left_out.txt").read_text().splitlines()) - len(annotations.skipped)
    if unreadable:
        notes.print(
            f"{unreadable} training images could not be decoded and were left out; see {folder / 'left_out.txt'}"
        )
    train, val = training_split(annotations, config.validation_share, config.seed)
    network = LandmarkNet.load(folder / "best.safetensors")
    calibrate(network, train, val, config)
    network.save(folder / "best.safetensors")
    # The test faces are touched once, here; data without any is scored on the faces held out for validation.
    scored = annotations.split("test") if values.score == "test" else val
    if not len(scored):
        scored = val
    if not len(scored):
        notes.print("no test or validation faces: nothing to score")
        results_in(folder)
        return
    predictions = predict_annotated(network, scored, progress=progress)
    evaluation = evaluate(scored, predictions)
    report = write_run_report(folder, evaluation, command=command)
    print_table(*score_table(evaluation))
    results_in(report)


def training_config(parser: Any, values: Any) -> TrainConfig:
    """The configuration that the options mean.

    Raises:
        DataError: a group of options such as crop is none in a configuration file.
        ValueError: an option is out of its range.
    """
    for name in ("model", "crop", "augmentation", "optim"):
        if not isinstance(values[name], Namespace):
            raise DataError(f"{name} is a group of options, as in {name}: {{...: ...}}, not {values[name]!r}")
    ready = parser.instantiate_classes(values)
    return TrainConfig(**{field.name: ready[field.name] for field in fields(TrainConfig)})


def calibrate(network: LandmarkNet, train: Annotations, val: Annotations, config: TrainConfig) -> None:
    """Measure what predicting on photographs needs: confidences, and where a detector's boxes lie."""
    from acrloss.detection.installed import create_detector, installed_detectors
    from acrloss.training.calibrate import fit_confidence, fit_detector_boxes, fit_landmark_boxes

    fit_confidence(network, train, val, config.augmentation, config.seed, progress)
    fit_landmark_boxes(network, train)
    # All detectors, since the network may be used where others are installed.
    for name in installed_detectors():
        try:
            fit_detector_boxes(network, train, create_detector(name), config.seed, progress)
        except DataError as error:
            # Whatever these are, the detector takes none for a face: predicting asks for boxes then.
            notes.print(f"{name}: {error}", markup=False, soft_wrap=True)


def settings_text(parser: Any, values: Any) -> str:
    """The run's options as YAML, but for those that say how to start it."""
    kept = values.clone()
    for name in ("config", "resume"):
        kept.pop(name, None)
    return str(parser.dump(kept, skip_none=False))


def check_resumable(folder: Path, text: str) -> None:
    """Refuse to resume where there is nothing to resume or the options are not the run's own.

    Raises:
        DataError: says which option differs.
    """
    if not (folder / "last.ckpt").is_file():
        raise DataError(
            f"{folder} holds no last.ckpt to resume from (no epoch was finished); start again without --resume"
        )
    before, now = yaml.safe_load((folder / "config.yaml").read_text()), yaml.safe_load(text)
    different = sorted(key for key in before.keys() | now.keys() if before.get(key) != now.get(key))
    if different:
        key = different[0]
        raise DataError(
            f"{folder} was started with {key} = {before.get(key)!r}, not {now.get(key)!r}; resume it with "
            f"--config {folder / 'config.yaml'} --resume, or start another run"
        )
