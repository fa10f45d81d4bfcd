"""All that determines a training, besides the data."""

from dataclasses import dataclass, field
from typing import Any, Literal

from acrloss.crops.augmentation import Augmentation
from acrloss.crops.crop import CropSpec
from acrloss.losses.table import loss_names


@dataclass(frozen=True)
class ModelConfig:
    """The network.

    Attributes:
        backbone: a timm model name, or "mobilenetv2"; "efficientnet_b0" and "efficientnet_b3" are the paper's others.
        pretrained: "auto" (ImageNet weights of an installed package, else timm's download), "none", or a weight file.
        frozen_epochs: first epochs in which only the head learns and the backbone stays as it is; -1 for all of them.
        head: what makes landmarks of the backbone's features: "pooled" (one linear layer) or "soft_argmax" (each
            landmark at the mean of a map of its own; for convolutional backbones).
    """

    backbone: str = "efficientnet_lite0"
    pretrained: str = "auto"
    frozen_epochs: int = 0
    head: str = "pooled"

    def __post_init__(self) -> None:
        if self.frozen_epochs < -1:
            raise ValueError(f"model.frozen_epochs must be -1 (all epochs), 0 or more, not {self.frozen_epochs}")


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
        loss: one of `acrloss.loss_names()`; docs/losses.md says what each is.
        loss_options: options of the loss, such as {"unit": "pixel", "omega": 10}. A `schedule`, where the loss
            has one, is "stretched" (the paper's stages over this run's epochs; the default), "paper" (its epochs as
            printed) or one share of modes for the whole run.
        difficulty_frame: which face Φ is computed from, for losses that have one: "augmented", the rotated and shifted
            face that the network sees, or "annotated", the face as annotated (permuted when it is mirrored).
        model: the network.
        crop: the crop that the network sees.
        augmentation: random changes to training faces.
        optim: the optimiser.
        epochs: passes over the training faces.
        early_stopping: end the run when so many epochs in a row have brought no better validation NME; 0 never does.
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
    early_stopping: int = 0
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
        for name in ("early_stopping", "workers", "threads", "seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}")
        if not 0 <= self.validation_share < 1:
            raise ValueError(f"validation_share must be 0 or more and below 1, not {self.validation_share}")


# The names stand in the list of losses alone; `acrloss train --help` is made from this text.
TrainConfig.__doc__ = (TrainConfig.__doc__ or "").replace("`acrloss.loss_names()`", ", ".join(loss_names()))
