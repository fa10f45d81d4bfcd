"""What a training leaves in its folder, epoch by epoch."""

import csv
import io
import math
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import lightning as L
import torch

from acrloss.annotations import Annotations
from acrloss.files import write_atomic
from acrloss.training.lightning_module import LandmarkTraining
from acrloss.training.progress_bar import TrainingProgress


class RunRecorder(L.Callback):
    """Writes the run folder after every epoch: metrics.csv, the networks, and the checkpoint to resume from.

    Everything is written whole or not at all, and the checkpoint last: a run killed at any moment resumes from the
    last finished epoch and writes the same files again.
    """

    def __init__(self, folder: Path, progress: TrainingProgress, faces: Annotations) -> None:
        self.folder, self.progress, self.faces = folder, progress, faces
        self.history: list[dict[str, float]] = []
        self.unreadable: list[str] = []

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
        validated = pl_module.val_nme.faces > 0
        for name, metric in pl_module.metrics.items():
            row[f"val_{name}"] = float(metric.compute()) if validated else math.nan
            metric.reset()
        pl_module.train_nme.reset()
        pl_module.val_nme.reset()
        for logger in trainer.loggers:
            for name in ("train_nme", "val_nme", *(f"val_{name}" for name in pl_module.metrics)):
                logger.log_metrics({name: row[name]}, step=trainer.global_step)
        self.history.append(row)
        self._stop_early(trainer, pl_module.config.early_stopping)
        self.unreadable = [self.faces.images[i] for i in self._seen_unreadable(pl_module)]
        if trainer.is_global_zero:
            best = min((r["val_nme"] for r in self.history if not math.isnan(r["val_nme"])), default=math.nan)
            if math.isnan(best) or row["val_nme"] == best:
                pl_module.evaluated_network.save(self.folder / "best.safetensors")
            pl_module.evaluated_network.save(self.folder / "last.safetensors")
            write_atomic(self.folder / "metrics.csv", csv_text(self.history))
            left_out = [*self.faces.skipped]
            left_out += [f"{image}: cannot be decoded; not trained on" for image in self.unreadable]
            write_atomic(self.folder / "left_out.txt", "".join(f"{line}\n" for line in left_out))
            self.progress.epoch_done(row, pl_module.config.epochs)
        # Every process takes part: Lightning waits for all of them here.
        trainer.save_checkpoint(self.folder / "last.ckpt")

    def _stop_early(self, trainer: L.Trainer, patience: int) -> None:
        """End the run where the last `patience` epochs brought nothing."""
        errors = [row["val_nme"] for row in self.history]
        known = [error for error in errors if not math.isnan(error)]
        if patience and known and len(errors) - 1 - errors.index(min(known)) >= patience:
            trainer.should_stop = True

    def _seen_unreadable(self, module: LandmarkTraining) -> list[int]:
        """Which faces any of the processes could not decode."""
        seen = torch.zeros(len(self.faces), dtype=torch.uint8, device=module.device)
        seen[list(module.unreadable)] = 1
        everywhere = module.all_gather(seen)
        assert isinstance(everywhere, torch.Tensor)
        return everywhere.reshape(-1, len(self.faces)).amax(dim=0).nonzero()[:, 0].tolist()


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
