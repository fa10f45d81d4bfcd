"""Training a landmark network: from annotations to a run folder that can be resumed, evaluated and read.

The run folder holds `config.yaml`, `environment.json`, `shape_model.safetensors`, `best.safetensors` and
`last.safetensors` (networks), `last.ckpt` (all that resuming needs), `metrics.csv`, `log/` (TensorBoard) and
`left_out.txt`, a line for each face that could not be used.
"""

import json
import warnings
from pathlib import Path

import lightning as L
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader

from acrloss.annotations import Annotations
from acrloss.crops.crop import normalized_landmarks
from acrloss.crops.dataset import EpochSampler, LandmarkDataset, limit_worker_threads
from acrloss.files import write_atomic
from acrloss.networks.landmark_net import create_model
from acrloss.shapes.shape_model import ShapeModel
from acrloss.training.config import TrainConfig
from acrloss.training.criterion import create_criterion
from acrloss.training.lightning_module import LandmarkTraining
from acrloss.training.progress_bar import TrainingProgress
from acrloss.training.run_folder import RunRecorder, environment
from acrloss.training.split import training_split


def fit(annotations: Annotations, config: TrainConfig, folder: Path, resume: bool = False) -> list[dict[str, float]]:
    """Train on `annotations` and leave networks, shape model and logs in `folder`.

    Returns:
        One row an epoch: epoch, train_loss, train_nme, val_nme (NaN without validation faces), learning_rate,
        images_per_second.

    Raises:
        DataError: the data, the loss or the backbone cannot be used.
        KeyboardInterrupt: the user stopped the run; the last finished epoch is saved.
    """
    if config.threads:
        torch.set_num_threads(config.threads)
    train, val = training_split(annotations, config.validation_share, config.seed)
    scheme = annotations.scheme
    normalized = normalized_landmarks(train, config.crop)
    shape_model = ShapeModel.fit(normalized)
    shape_model.save(folder / "shape_model.safetensors")
    write_atomic(folder / "environment.json", json.dumps(environment(), indent=2) + "\n")
    criterion = create_criterion(config, shape_model, config.crop, scheme.interocular)
    L.seed_everything(config.seed, verbose=False)
    network = create_model(
        config.model.backbone,
        scheme,
        config.crop,
        shape_model.mean.reshape(-1, 2),
        criterion.channels,
        # A resumed run takes its weights from the checkpoint.
        "none" if resume else config.model.pretrained,
    )
    module = LandmarkTraining(network, criterion, config)
    progress = TrainingProgress()
    recorder = RunRecorder(folder, progress, train)
    accelerator = config.accelerator
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    trainer = L.Trainer(
        accelerator=accelerator,
        devices=config.devices,
        precision=config.precision,
        max_epochs=config.epochs,
        logger=TensorBoardLogger(folder, name=None, version="log"),
        callbacks=[progress, recorder],
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
        sampler.set_epoch(torch.load(checkpoint, map_location="cpu", weights_only=True)["epoch"] + 1)
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
    with warnings.catch_warnings():
        # Lightning advises as many workers as cores; on few cores they would only take time from the network.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*lr_scheduler.step.*")
        try:
            trainer.fit(module, train_loader, val_loader, ckpt_path=checkpoint, weights_only=True)
        except SystemExit:
            # Lightning answers Ctrl-C by leaving the program; what to say and do about it is the caller's matter.
            raise KeyboardInterrupt from None
    return recorder.history
