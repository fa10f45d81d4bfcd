"""The epochs of a training: from annotated faces to networks, logs and a checkpoint in the run folder.

They leave `environment.json`, `shape_model.safetensors`, `best.safetensors` and `last.safetensors` (networks),
`last.ckpt` (all that resuming needs), `metrics.csv`, `log/` (TensorBoard), `left_out.txt`, a line for each face that
could not be used, and `notes.txt`, what was done otherwise than usual. What comes before and after is in
`acrloss.training.run`.
"""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
from lightning.pytorch.loggers import Logger
from torch.utils.data import DataLoader
from torchmetrics import Metric

from acrloss.annotations import Annotations, training_split
from acrloss.crops.dataset import EpochSampler, LandmarkDataset, limit_worker_threads
from acrloss.errors import DataError
from acrloss.files import write_atomic
from acrloss.networks.landmark_net import create_model
from acrloss.training.checkpoint import AtomicCheckpointIO, check_checkpoint
from acrloss.training.config import TrainConfig
from acrloss.training.criterion import create_criterion
from acrloss.training.lightning_module import LandmarkTraining
from acrloss.training.loggers import LoggerName, create_logger
from acrloss.training.progress_bar import TrainingProgress
from acrloss.training.run_folder import RunRecorder, environment
from acrloss.training.shape import mirror_notes, training_shape
from acrloss.training.usable_faces import usable_faces


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Without Lightning's talk of devices, tips and workers: what a user needs to know, the recorder and bar tell."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    with warnings.catch_warnings():
        # It advises as many workers as cores; on few cores they would only take time from the network.
        for message in (
            ".*does not have many workers.*",
            ".*lr_scheduler.step.*",
            ".*smaller than the logging interval.*",
        ):
            warnings.filterwarnings("ignore", message=message)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)


@dataclass(frozen=True)
class Fitted:
    """What came of the epochs of a training.

    Attributes:
        history: one row an epoch: epoch, train_loss, train_nme, val_nme (NaN without validation faces), learning_rate,
            images_per_second, and val_NAME for each further metric.
        train, val: the faces trained on, and those held out to choose the epoch.
        unreadable: images that could not be decoded and were not trained on.
    """

    history: tuple[dict[str, float], ...]
    train: Annotations
    val: Annotations
    unreadable: tuple[str, ...]


def fit(
    annotations: Annotations,
    config: TrainConfig,
    folder: Path,
    resume: bool = False,
    *,
    callbacks: Sequence[L.Callback] = (),
    loggers: Sequence[LoggerName | Logger] = ("tensorboard",),
    metrics: Mapping[str, Metric] | None = None,
) -> Fitted:
    """Train on `annotations` and leave networks, shape model and logs in `folder`.

    Args:
        annotations: the faces; see `training_split`.
        config: the rest.
        folder: of the run.
        resume: go on from `folder`/last.ckpt.
        callbacks: Lightning's or your own; "val_nme" is what they can watch.
        loggers: names (see `create_logger`) or Lightning's loggers.
        metrics: see `LandmarkTraining`.

    Raises:
        DataError: the data, the loss, the backbone or the checkpoint cannot be used.
        KeyboardInterrupt: the user stopped the run; the last finished epoch is saved.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    annotations = usable_faces(annotations, config.crop)
    train, val = training_split(annotations, config.validation_share, config.seed)
    scheme = annotations.scheme
    shape_model, mean_shape, notes = training_shape(train, config.crop)
    notes += mirror_notes(annotations, config.augmentation)
    for note in notes:
        warnings.warn(f"acrloss: {note}", stacklevel=2)
    criterion = create_criterion(config, shape_model, config.crop, scheme.interocular)
    if shape_model is not None:
        shape_model.save(folder / "shape_model.safetensors")
    write_atomic(folder / "environment.json", json.dumps(environment(), indent=2) + "\n")
    # What was left out is in left_out.txt, which grows while images are read.
    read = [note.line for note in annotations.notes if note.kind != "left out"]
    write_atomic(folder / "notes.txt", "".join(f"{note}\n" for note in (*read, *notes)))
    L.seed_everything(config.seed, verbose=False)
    network = create_model(
        config.model.backbone,
        scheme,
        config.crop,
        mean_shape,
        criterion.channels,
        # A resumed run takes its weights from the checkpoint.
        "none" if resume else config.model.pretrained,
        config.model.head,
    )
    module = LandmarkTraining(network, criterion, config, metrics)
    progress = TrainingProgress()
    recorder = RunRecorder(folder, progress, train)
    accelerator = config.accelerator
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    if accelerator == "cpu" and config.precision == "16-mixed":
        raise DataError("--precision 16-mixed needs a GPU; on a CPU take bf16-mixed or 32-true")
    plugins: list[Any] = [AtomicCheckpointIO()]
    if SLURMEnvironment.detect():
        # Lightning would write a checkpoint of its own at SIGUSR1, from which the next run here would start unasked.
        plugins.append(SLURMEnvironment(auto_requeue=False))
    with quiet_lightning():
        trainer = L.Trainer(
            accelerator=accelerator,
            devices=config.devices,
            precision=config.precision,
            max_epochs=config.epochs,
            logger=[create_logger(one, folder) if isinstance(one, str) else one for one in loggers],
            # The recorder last: its checkpoint then holds what the others know of the epoch.
            callbacks=[progress, *callbacks, recorder],
            plugins=plugins,
            # Not the current folder, where Lightning would look for a checkpoint that nobody named.
            default_root_dir=folder,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            deterministic="warn",
            log_every_n_steps=10,
        )
    sampler = EpochSampler(len(train), config.seed, trainer.global_rank, trainer.world_size)
    checkpoint = folder / "last.ckpt" if resume else None
    if checkpoint is not None:
        # Lightning starts to load faces before it tells the sampler which epoch it resumes with.
        sampler.set_epoch(check_checkpoint(checkpoint)["epoch"] + 1)
    train_loader = DataLoader(
        LandmarkDataset(train, config.crop, config.augmentation, config.seed),
        batch_size=config.batch_size,
        sampler=sampler,
        # A last step on a handful of faces would disturb the batch statistics more than it teaches.
        drop_last=len(train) >= config.batch_size,
        num_workers=config.workers,
        persistent_workers=config.workers > 0,
        worker_init_fn=limit_worker_threads,
        pin_memory=torch.cuda.is_available(),
    )
    val_loader = DataLoader(LandmarkDataset(val, config.crop), batch_size=config.batch_size) if len(val) else None
    with quiet_lightning():
        try:
            trainer.fit(module, train_loader, val_loader, ckpt_path=checkpoint, weights_only=True)
        except SystemExit:
            # Lightning answers Ctrl-C by leaving the program; what to say and do about it is the caller's matter.
            raise KeyboardInterrupt from None
    return Fitted(tuple(recorder.history), train, val, tuple(recorder.unreadable))
