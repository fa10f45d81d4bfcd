"""What a training run shows while it works."""

import math
import time
from typing import Any

import lightning as L
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class TrainingProgress(L.Callback):
    """One bar for the whole run with loss, NME, images/s and time left; where there is no terminal, a line an epoch.

    Attributes:
        images_per_second: of the current epoch's training, validation apart.
    """

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self.bar: Progress | None = None
        self.task = TaskID(0)
        self.loss = math.nan
        self.images = 0
        self.started = 0.0
        self.images_per_second = math.nan
        self.nme = ""

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.is_global_zero or not self.console.is_terminal:
            return
        self.bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            TextColumn("{task.percentage:3.0f} % {task.fields[state]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
        )
        steps = int(trainer.num_training_batches) * (trainer.max_epochs or 1)
        self.task = self.bar.add_task("", total=steps, completed=trainer.global_step, epoch="", state="")
        self.bar.start()

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.started, self.images = time.perf_counter(), 0

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.images += len(batch["index"]) * trainer.world_size
        self.images_per_second = self.images / (time.perf_counter() - self.started)
        if self.bar is None:
            return
        loss = float(outputs["loss"].detach())
        self.loss = loss if math.isnan(self.loss) else 0.95 * self.loss + 0.05 * loss
        self.bar.update(
            self.task,
            completed=trainer.global_step,
            epoch=f"{trainer.current_epoch + 1}/{trainer.max_epochs}",
            state=f"loss {self.loss:.4g}  {self.nme}{self.images_per_second:.0f} images/s",
        )

    def epoch_done(self, row: dict[str, float], epochs: int) -> None:
        """Show a finished epoch: a row of metrics.csv."""
        val = "" if math.isnan(row["val_nme"]) else f"val NME {row['val_nme']:.2f} %  "
        self.nme = f"NME {row['train_nme']:.2f} %  {val}"
        if self.bar is None:
            self.console.print(
                f"epoch {row['epoch']:.0f}/{epochs}  loss {row['train_loss']:.4g}  {self.nme}"
                f"{row['images_per_second']:.0f} images/s",
                highlight=False,
            )

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
