"""What a training run shows while it works."""

import math
import time
from typing import Any

import lightning as L
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn, TimeRemainingColumn

# Columns of the bar, and of what always stands around it: epoch, share, and the two times.
_BAR, _REST = 14, 42


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
        self.nme: list[str] = []

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if not trainer.is_global_zero or not self.console.is_terminal:
            return
        self.bar = Progress(
            TextColumn("epoch {task.fields[epoch]}"),
            # Of fixed width: what is told beside it would else push it out of a narrow terminal.
            BarColumn(bar_width=_BAR),
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
            state=self._state(),
        )

    def _state(self) -> str:
        """What fits beside the bar, the most telling first."""
        parts = [*self.nme, f"{self.images_per_second:.0f} images/s", f"loss {self.loss:.4g}"]
        room = self.console.width - _BAR - _REST
        shown: list[str] = []
        while parts and len("  ".join([*shown, parts[0]])) <= room:
            shown.append(parts.pop(0))
        return "  ".join(shown)

    def epoch_done(self, row: dict[str, float], epochs: int) -> None:
        """Show a finished epoch: a row of metrics.csv."""
        validated = not math.isnan(row["val_nme"])
        self.nme = [f"val NME {row['val_nme']:.2f} %"] if validated else []
        self.nme.append(f"NME {row['train_nme']:.2f} %")
        if self.bar is None:
            told = [f"epoch {row['epoch']:.0f}/{epochs}", f"loss {row['train_loss']:.4g}", *reversed(self.nme)]
            self.console.print("  ".join([*told, f"{row['images_per_second']:.0f} images/s"]), highlight=False)

    def teardown(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        if self.bar is not None:
            self.bar.stop()
            self.bar = None
