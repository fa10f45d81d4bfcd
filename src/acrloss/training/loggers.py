"""Where the curves of a training go besides its folder: TensorBoard, CSV, Weights & Biases, MLflow."""

import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Literal

from lightning.pytorch.loggers import CSVLogger, Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from acrloss.errors import DataError

LoggerName = Literal["tensorboard", "csv", "wandb", "mlflow"]


class _TensorBoard(TensorBoardLogger):
    """Interrupted while it hands a line to its thread, it may not wake it, and closing it then takes two minutes."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        with _interrupted_afterwards():
            super().log_metrics(metrics, step)


@contextmanager
def _interrupted_afterwards() -> Iterator[None]:
    """Ctrl-C waits for the end of what is done here; other threads than the main one never get it."""
    handler = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(handler):
        yield
        return
    came: list[FrameType | None] = []
    signal.signal(signal.SIGINT, lambda _, frame: came.append(frame))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if came:
            handler(signal.SIGINT, came[0])


def create_logger(name: LoggerName, folder: Path) -> Logger:
    """One of Lightning's loggers; all but the two with a server of their own write into the run folder.

    Args:
        name: "tensorboard" (RUN/log), "csv" (RUN/csv), "wandb" (project acrloss; WANDB_MODE=offline keeps it here) or
            "mlflow" (experiment acrloss; MLFLOW_TRACKING_URI names the server, else RUN/mlruns).
        folder: the run's; its name is the run's name there.

    Raises:
        DataError: the logger is unknown, or its package is not installed.
    """
    arguments: dict[str, tuple[type[Any], dict[str, Any]]] = {
        "tensorboard": (_TensorBoard, {"save_dir": folder, "name": None, "version": "log"}),
        "csv": (CSVLogger, {"save_dir": folder, "name": None, "version": "csv"}),
        "wandb": (WandbLogger, {"save_dir": folder, "name": folder.name, "project": "acrloss"}),
        "mlflow": (
            MLFlowLogger,
            {"experiment_name": "acrloss", "run_name": folder.name, "save_dir": str(folder / "mlruns")},
        ),
    }
    if name not in arguments:
        raise DataError(f"unknown logger {name!r}; give one of {', '.join(arguments)}")
    kind, options = arguments[name]
    try:
        logger: Logger = kind(**options)
    except ModuleNotFoundError as error:
        raise DataError(f"logger {name} is not installed; pip install {name}") from error
    return logger
