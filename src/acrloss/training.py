"""Training a landmark network: from annotations to a run folder that can be resumed, evaluated and read.

The run folder holds `config.yaml`, `environment.json`, `shape_model.safetensors`, `best.safetensors` and
`last.safetensors` (networks), `last.ckpt` (all that resuming needs), `metrics.csv`, `log/` (TensorBoard) and
`left_out.txt`, a line for each face that could not be used.
"""

import csv
import io
import json
import math
import platform
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import lightning as L
import numpy as np
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader

from acrloss.annotations import Annotations
from acrloss.crops.augment import Augmentation
from acrloss.crops.crop import CropSpec, normalized_landmarks
from acrloss.crops.dataset import EpochSampler, LandmarkDataset, limit_worker_threads
from acrloss.errors import DataError
from acrloss.evaluation.metrics import available_normalizers
from acrloss.evaluation.torch_metrics import NormalizedMeanError
from acrloss.files import write_atomic
from acrloss.losses import ACRLoss, LandmarkLoss, create_loss
from acrloss.networks.landmark_net import LandmarkNet, create_model
from acrloss.progress import TrainingProgress
from acrloss.shapes.schedule import ModeSchedule
from acrloss.shapes.shape_model import ShapeModel


@dataclass(frozen=True)
class ModelConfig:
    """The network.

    Attributes:
        backbone: a timm model name, or "mobilenetv2"; "efficientnet_b0" and "efficientnet_b3" are the paper's others.
        pretrained: "auto" (ImageNet weights of an installed package, else timm's download), "none", or a weight file.
    """

    backbone: str = "efficientnet_lite0"
    pretrained: str = "auto"


@dataclass(frozen=True)
class OptimConfig:
    """AdamW with linear warm-up and cosine decay, gradient clipping and an average of the weights.

    Attributes:
        learning_rate: peak learning rate.
        weight_decay: decoupled weight decay; normalisation layers and biases have none.
        warmup: share of all steps in which the learning rate rises.
        gradient_clip: largest gradient norm, as a multiple of the running mean of the norms. A fixed norm would mean
            something else for every loss and unit; 0 switches clipping off.
        ema_decay: decay per step of the averaged weights that are validated and saved; 0 switches averaging off.
    """

    learning_rate: float = 2e-3
    weight_decay: float = 0.05
    warmup: float = 0.05
    gradient_clip: float = 3.0
    ema_decay: float = 0.998

    def __post_init__(self) -> None:
        if not 0 < self.learning_rate < 10:
            raise ValueError(f"optim.learning_rate must be above 0 and below 10, not {self.learning_rate}")
        if self.weight_decay < 0 or self.gradient_clip < 0:
            raise ValueError("optim.weight_decay and optim.gradient_clip must not be negative")
        if not 0 <= self.warmup <= 1:
            raise ValueError(f"optim.warmup is a share of the run, 0 to 1, not {self.warmup}")
        if not 0 <= self.ema_decay < 1:
            raise ValueError(f"optim.ema_decay must be 0 or more and below 1, not {self.ema_decay}")


@dataclass(frozen=True)
class TrainConfig:
    """All that determines a run, besides the data.

    Attributes:
        loss: "acr" (the newest of the presets "acr-1", "acr-2" and "acr-3"), "acr-paper" (as printed), "acr-control"
            (another Φ, for studies), "l1", "l2", "smooth_l1", "wing", "soft_wing", "rectified_wing", "gaussian_nll" or
            "rle"; see `acrloss.create_loss`.
        loss_options: options of the loss, such as {"unit": "pixel", "omega": 10}. The ACR losses' `schedule` is
            "stretched" (the paper's stages over this run's epochs; the default), "paper" (its epochs as printed) or
            one share of modes for the whole run.
        difficulty_frame: which face Φ is computed from (ACR only): "augmented", the rotated and shifted face that the
            network sees, or "annotated", the face as annotated (permuted when it is mirrored).
        model: the network.
        crop: the crop that the network sees.
        augmentation: random changes to training faces.
        optim: the optimiser.
        epochs: passes over the training faces.
        batch_size: faces a step.
        validation_share: share of the training faces held out to choose the best epoch where the data has no "val"
            split; whole persons where persons are known. 0 trains on all and keeps the last epoch.
        seed: of everything random.
        precision: Lightning's precision: "32-true", "16-mixed" or "bf16-mixed".
        accelerator: Lightning's accelerator; "auto" is a CUDA GPU where there is one, else the CPU (Apple's GPUs lack
            the float64 that metrics and crops are kept in).
        devices: how many devices, or "auto".
        workers: processes that load data; 0 loads in the main process.
        threads: CPU threads of the network; 0 leaves PyTorch's choice.
    """

    loss: str = "acr"
    loss_options: dict[str, Any] = field(default_factory=dict)
    difficulty_frame: Literal["augmented", "annotated"] = "annotated"
    model: ModelConfig = ModelConfig()
    crop: CropSpec = CropSpec()
    augmentation: Augmentation = Augmentation()
    optim: OptimConfig = OptimConfig()
    epochs: int = 60
    batch_size: int = 32
    validation_share: float = 0.05
    seed: int = 0
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "32-true"
    accelerator: str = "auto"
    devices: int | str = "auto"
    workers: int = 1
    threads: int = 0

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("workers", "threads", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}")
        if not 0 <= self.validation_share < 1:
            raise ValueError(f"validation_share must be 0 or more and below 1, not {self.validation_share}")


def training_split(annotations: Annotations, validation_share: float, seed: int) -> tuple[Annotations, Annotations]:
    """Training and validation faces.

    Splits "train" and "val" are taken as they are. Without "val", a random `validation_share` of the training faces
    is held out, whole persons where persons are known. Data without any split is all for training.

    Raises:
        DataError: there are no faces to train on, or too few to hold any out.
    """
    known = set(annotations.split_names)
    train = annotations.split("train") if known else annotations
    if len(train) == 0:
        raise DataError(
            f"{annotations.source} has no faces of split 'train' (it has: {', '.join(sorted(known))}); "
            "name the training faces' split 'train'"
        )
    if "val" in known:
        return train, annotations.split("val")
    if validation_share == 0:
        return train, train.select(np.zeros(len(train), dtype=bool))
    # Faces without a person are each their own.
    persons = np.array([person or f"face {i}" for i, person in enumerate(train.persons)])
    names = np.unique(persons)
    held = np.random.default_rng(seed).permutation(names)[: max(1, round(len(names) * validation_share))]
    out = np.isin(persons, held)
    if out.all():
        raise DataError(
            f"{annotations.source} has faces of one person only, none can be held out for validation; "
            "add people, or train without validation: --validation_share 0"
        )
    return train.select(~out), train.select(out)


def average_weights(decay: float) -> Callable[[Any, Any, Any], None]:
    """The update of an exponential moving average whose decay rises to `decay` with the number of steps.

    With the full decay from the first step on, the average would keep the untrained weights for half a short run.
    """

    def update(averaged: Any, current: Any, count: Tensor | int) -> None:
        rising = (1 + int(count)) / (10 + int(count))
        get_ema_multi_avg_fn(min(decay, rising))(averaged, current, count)  # type: ignore[no-untyped-call]

    return update


class LandmarkTraining(L.LightningModule):
    """One training run for Lightning: a network, a loss, and the average of the network's weights."""

    def __init__(self, network: LandmarkNet, criterion: LandmarkLoss, config: TrainConfig) -> None:
        super().__init__()
        self.network, self.criterion, self.config = network, criterion, config
        self.average = None
        if config.optim.ema_decay:
            self.average = AveragedModel(
                network, multi_avg_fn=average_weights(config.optim.ema_decay), use_buffers=True
            )
            # Nobody differentiates it, and with several processes Lightning would wait for its gradients.
            self.average.requires_grad_(False)
        normalizer = available_normalizers(network.scheme)[0]
        self.train_nme = NormalizedMeanError(network.scheme, normalizer)
        self.val_nme = NormalizedMeanError(network.scheme, normalizer)
        self.register_buffer("typical_norm", torch.zeros(()))
        self.typical_norm: Tensor
        self.unreadable: set[int] = set()

    @property
    def evaluated_network(self) -> LandmarkNet:
        """The network that validation judges and the run folder keeps."""
        module = self.average.module if self.average is not None else self.network
        assert isinstance(module, LandmarkNet)
        return module

    def on_train_epoch_start(self) -> None:
        # Whatever is random inside the network depends on the seed and the epoch alone, so that a resumed run draws
        # what the uninterrupted one would have drawn.
        torch.manual_seed(self.config.seed * 1_000_003 + self.current_epoch)
        self.criterion.set_epoch(self.current_epoch)

    def loss_of(self, prediction: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """The loss of a network's output (N, M, channels) on a batch."""
        if self.config.difficulty_frame == "augmented" or not isinstance(self.criterion, ACRLoss):
            return self.criterion(prediction, batch["landmarks"])  # type: ignore[no-any-return]
        difficulty = self.criterion.difficulty(batch["annotated"])
        mirrored = batch["mirrored"][:, None, None]
        difficulty = torch.where(mirrored, self.network.scheme.permute(difficulty), difficulty)
        return self.criterion(prediction, batch["landmarks"], difficulty)  # type: ignore[no-any-return]

    def training_step(self, batch: dict[str, Tensor], batch_index: int) -> Tensor:
        prediction = self.network(batch["image"])
        loss = self.loss_of(prediction, batch)
        if not torch.isfinite(loss):
            raise DataError(
                f"the loss became {loss.item()} in epoch {self.current_epoch + 1}; lower --optim.learning_rate, "
                "or train with --precision 32-true"
            )
        self.train_nme.update(prediction[..., :2], batch["landmarks"])
        self.unreadable.update(batch["index"][~batch["readable"]].tolist())
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(prediction), sync_dist=True)
        return loss

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        clip = self.config.optim.gradient_clip
        if not clip:
            return
        limit = clip * self.typical_norm if self.typical_norm > 0 else torch.tensor(math.inf)
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), float(limit))
        if torch.isfinite(norm):
            seen = torch.minimum(norm, limit.to(norm.device))
            self.typical_norm.copy_(seen if self.typical_norm == 0 else 0.98 * self.typical_norm + 0.02 * seen)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_index: int) -> None:
        if self.average is not None:
            self.average.update_parameters(self.network)

    def validation_step(self, batch: dict[str, Tensor], batch_index: int) -> None:
        self.val_nme.update(self.evaluated_network(batch["image"])[..., :2], batch["landmarks"])

    def configure_optimizers(self) -> Any:
        optim = self.config.optim
        # A loss may have parameters of its own, as RLE's density.
        parameters = [p for p in (*self.network.parameters(), *self.criterion.parameters()) if p.requires_grad]
        groups = [
            {"params": [p for p in parameters if p.ndim > 1], "weight_decay": optim.weight_decay},
            {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
        ]
        # A tiny epsilon: with the usual one, losses in crop units would learn slower for their unit alone.
        optimizer = torch.optim.AdamW(groups, lr=optim.learning_rate, eps=1e-12)
        steps = int(self.trainer.estimated_stepping_batches)
        warmup = max(1, round(optim.warmup * steps))

        def rate(step: int) -> float:
            if step < warmup:
                return (step + 1) / warmup
            return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


class RunRecorder(L.Callback):
    """Writes the run folder after every epoch: metrics.csv, the networks, and the checkpoint to resume from.

    Everything is written whole or not at all, and the checkpoint last: a run killed at any moment resumes from the
    last finished epoch and writes the same files again.
    """

    def __init__(self, folder: Path, progress: TrainingProgress, faces: Annotations) -> None:
        self.folder, self.progress, self.faces = folder, progress, faces
        self.history: list[dict[str, float]] = []

    def state_dict(self) -> dict[str, Any]:
        return {"history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history = list(state_dict["history"])

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        assert isinstance(pl_module, LandmarkTraining)
        row: dict[str, float] = {
            "epoch": trainer.current_epoch + 1,
            "train_loss": float(trainer.callback_metrics["train_loss"]),
            "train_nme": float(pl_module.train_nme.compute()),
            "val_nme": float(pl_module.val_nme.compute()) if pl_module.val_nme.faces > 0 else math.nan,
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
            "images_per_second": self.progress.images_per_second,
        }
        pl_module.train_nme.reset()
        pl_module.val_nme.reset()
        for name in ("train_nme", "val_nme"):
            for logger in trainer.loggers:
                logger.log_metrics({name: row[name]}, step=trainer.global_step)
        self.history.append(row)
        if trainer.is_global_zero:
            best = min((r["val_nme"] for r in self.history if not math.isnan(r["val_nme"])), default=math.nan)
            if math.isnan(best) or row["val_nme"] == best:
                pl_module.evaluated_network.save(self.folder / "best.safetensors")
            pl_module.evaluated_network.save(self.folder / "last.safetensors")
            write_atomic(self.folder / "metrics.csv", csv_text(self.history))
            unreadable = [self.faces.images[i] for i in sorted(pl_module.unreadable)]
            left_out = [*self.faces.skipped, *(f"{image}: cannot be decoded; not trained on" for image in unreadable)]
            write_atomic(self.folder / "left_out.txt", "".join(f"{line}\n" for line in left_out))
            self.progress.epoch_done(row, pl_module.config.epochs)
        # Every process takes part: Lightning waits for all of them here.
        trainer.save_checkpoint(self.folder / "last.ckpt")


def csv_text(rows: list[dict[str, float]]) -> str:
    """Rows of equal keys as CSV with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def environment() -> dict[str, Any]:
    """What the run was made with: versions and hardware."""
    packages = (
        "acrloss",
        "torch",
        "torchvision",
        "timm",
        "lightning",
        "torchmetrics",
        "numpy",
        "opencv-python-headless",
    )
    versions = {}
    for name in packages:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu_threads": torch.get_num_threads(),
        "gpus": gpus,
        "packages": versions,
    }


def create_criterion(
    config: TrainConfig, shape_model: ShapeModel, crop: CropSpec, eyes: tuple[int, int] | None
) -> LandmarkLoss:
    """The loss that `config` names; the input size and the eyes that its unit may need are filled in.

    Raises:
        DataError: the loss or an option of it is unknown, or has a value that it does not take.
    """
    options = dict(config.loss_options)
    if config.loss.startswith("acr"):
        schedule = options.get("schedule", "stretched")
        if schedule == "stretched":
            options["schedule"] = ModeSchedule().stretched(config.epochs)
        elif schedule == "paper":
            options["schedule"] = ModeSchedule()
        elif isinstance(schedule, str):
            raise DataError(f"--loss_options.schedule is 'stretched', 'paper' or a share such as 0.9, not {schedule!r}")
    if options.get("unit") == "pixel":
        options.setdefault("input_size", crop.size)
    if options.get("unit") == "interocular":
        options.setdefault("eyes", eyes)
    try:
        return create_loss(config.loss, shape_model, **options)
    except (TypeError, ValueError) as error:
        raise DataError(f"--loss {config.loss}: {error}") from error


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
