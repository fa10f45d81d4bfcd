"""One training for Lightning: steps, validation, optimiser, and the average of the weights."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import lightning as L
import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torchmetrics import Metric

from acrloss.errors import DataError
from acrloss.evaluation.normalizers import available_normalizers
from acrloss.evaluation.torch_metrics import NormalizedMeanError
from acrloss.losses import LandmarkLoss
from acrloss.networks.landmark_net import LandmarkNet
from acrloss.training.config import TrainConfig


def average_weights(decay: float) -> Callable[[Any, Any, Any], None]:
    """The update of an exponential moving average whose decay rises to `decay` with the number of steps.

    With the full decay from the first step on, the average would keep the untrained weights for half a short run.
    """

    def update(averaged: Any, current: Any, count: Tensor | int) -> None:
        rising = (1 + int(count)) / (10 + int(count))
        get_ema_multi_avg_fn(min(decay, rising))(averaged, current, count)  # type: ignore[no-untyped-call]

    return update


class LandmarkTraining(L.LightningModule):
    """One training run for Lightning: a network, a loss, and the average of the network's weights.

    Args:
        network: to be trained.
        criterion: its loss.
        config: the rest.
        metrics: by name, further metrics of the validation faces: `update` takes landmarks (N, M, 2) found and
            annotated (NaN where missing), in crop units, and `compute` gives a number.
    """

    def __init__(
        self,
        network: LandmarkNet,
        criterion: LandmarkLoss,
        config: TrainConfig,
        metrics: Mapping[str, Metric] | None = None,
    ) -> None:
        super().__init__()
        self.network, self.criterion, self.config = network, criterion, config
        self.average = None
        if config.optim.ema_decay:
            self.average = AveragedModel(
                network, multi_avg_fn=average_weights(config.optim.ema_decay), use_buffers=True
            )
            # Nobody differentiates it, and with several processes Lightning would wait for its gradients.
            self.average.requires_grad_(False)
        # A single landmark has no extent of its own: its error is a share of the longer side of the box cropped around.
        self.length = 1 / network.crop.enlargement if network.scheme.num_landmarks == 1 else None
        normalizer = available_normalizers(network.scheme)[0] if self.length is None else "given"
        self.train_nme = NormalizedMeanError(network.scheme, normalizer)
        self.val_nme = NormalizedMeanError(network.scheme, normalizer)
        self.metrics = dict(metrics or {})
        # So that they follow to the network's device.
        self.metric_modules = torch.nn.ModuleDict(self.metrics)
        self.register_buffer("typical_norm", torch.zeros(()))
        self.typical_norm: Tensor
        self.unreadable: set[int] = set()

    @property
    def evaluated_network(self) -> LandmarkNet:
        """The network that validation judges and the run folder keeps."""
        module = self.average.module if self.average is not None else self.network
        assert isinstance(module, LandmarkNet)
        return module

    @property
    def backbone_is_frozen(self) -> bool:
        """Whether only the head learns in this epoch."""
        frozen = self.config.model.frozen_epochs
        return frozen < 0 or self.current_epoch < frozen

    def on_train_epoch_start(self) -> None:
        self.network.backbone.requires_grad_(not self.backbone_is_frozen)
        # Its batch statistics stay as they are, too.
        self.network.backbone.train(not self.backbone_is_frozen)
        # Whatever is random inside the network depends on the seed and the epoch alone, so that a resumed run draws
        # what the uninterrupted one would have drawn.
        torch.manual_seed(self.config.seed * 1_000_003 + self.current_epoch)
        self.criterion.set_epoch(self.current_epoch)

    def loss_of(self, prediction: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """The loss of a network's output (N, M, channels) on a batch."""
        if self.config.difficulty_frame == "augmented" or not self.criterion.takes_difficulty:
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
        self.train_nme.update(prediction[..., :2], batch["landmarks"], lengths=self._lengths(prediction))
        self.unreadable.update(batch["index"][~batch["readable"]].tolist())
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(prediction), sync_dist=True)
        return loss

    def _lengths(self, prediction: Tensor) -> Tensor | None:
        """What the errors of a batch are a share of, where the landmarks do not tell."""
        return None if self.length is None else torch.full((len(prediction),), self.length)

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
        landmarks = self.evaluated_network(batch["image"])[..., :2]
        self.val_nme.update(landmarks, batch["landmarks"], lengths=self._lengths(landmarks))
        for metric in self.metrics.values():
            metric.update(landmarks, batch["landmarks"])

    def on_validation_epoch_end(self) -> None:
        # For callbacks that watch it, such as Lightning's own; the recorder hands it to the loggers.
        self.log("val_nme", self.val_nme.compute().float(), logger=False)

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
