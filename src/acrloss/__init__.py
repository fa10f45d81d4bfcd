"""Adaptive coordinate-based regression (ACR) loss for face landmarks; the losses need torch and NumPy only.

Names are imported when they are first used: the losses do not load OpenCV, nor `Predictor` torch, and each asks for
what it needs only then.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from acrloss.formats.read import read_annotations as read_annotations
    from acrloss.losses import *  # noqa: F403 - as the list of losses says
    from acrloss.prediction.evaluate import evaluate as evaluate
    from acrloss.prediction.faces import Faces as Faces
    from acrloss.prediction.predictor import Predictor as Predictor
    from acrloss.shapes.schedule import ModeSchedule as ModeSchedule
    from acrloss.shapes.shape_model import ShapeModel as ShapeModel
    from acrloss.training.config import TrainConfig as TrainConfig
    from acrloss.training.run import Run as Run
    from acrloss.training.run import train as train

__version__ = "0.1.0"

# Where names live that are not in acrloss.losses.
_HOMES = {
    "Faces": "acrloss.prediction.faces",
    "ModeSchedule": "acrloss.shapes.schedule",
    "Predictor": "acrloss.prediction.predictor",
    "Run": "acrloss.training.run",
    "ShapeModel": "acrloss.shapes.shape_model",
    "TrainConfig": "acrloss.training.config",
    "evaluate": "acrloss.prediction.evaluate",
    "read_annotations": "acrloss.formats.read",
    "train": "acrloss.training.run",
}

# Beside the losses, what `from acrloss import *` brings: it must work where nothing but torch and NumPy is installed.
_MATHEMATICS = ("ModeSchedule", "ShapeModel")


def __getattr__(name: str) -> Any:
    from acrloss.losses.table import exports

    if name == "__all__":
        return sorted({*exports(), *_MATHEMATICS})
    if name not in _HOMES and name not in exports():
        raise AttributeError(f"module 'acrloss' has no attribute {name!r}")
    home = _HOMES.get(name, "acrloss.losses")
    try:
        return getattr(importlib.import_module(home), name)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "acrloss":
            raise
        extra = "predict" if home.startswith("acrloss.prediction") else "loss"
        raise ModuleNotFoundError(
            f"acrloss.{name} needs {error.name}, which is not installed; pip install 'acrloss[{extra}]'",
            name=error.name,
        ) from None


def __dir__() -> list[str]:
    return sorted({*globals(), *__getattr__("__all__"), *_HOMES})
