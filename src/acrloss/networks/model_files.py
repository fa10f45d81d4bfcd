"""The models that come with the package, and finding any model by name, run folder or file.

Each has a network as NAME.onnx and the same weights as NAME.safetensors, and a card, NAME.json, with what it was
trained on, how it scores, its licence, and the SHA-256 of its files. Nothing is ever downloaded.
"""

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from acrloss.errors import DataError
from acrloss.files import read_checked
from acrloss.suggestions import did_you_mean

FOLDER = Path(str(files("acrloss"))) / "weights"


def model_names() -> list[str]:
    """The packaged models, "default" first."""
    return sorted((path.stem for path in FOLDER.glob("*.json")), key=lambda name: (name != "default", name))


def model_card(name: str) -> dict[str, Any]:
    """What is known of a packaged model.

    Raises:
        DataError: there is no such model.
    """
    if name not in model_names():
        raise DataError(f"there is no packaged model {name!r}; there are: {', '.join(model_names()) or 'none'}")
    card: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return card


def find_model(name: str | Path, prefer: str = ".safetensors") -> Path:
    """The file of a model.

    Args:
        name: a packaged model's name, a run folder (its best network), or a .safetensors or .onnx file.
        prefer: which file of a packaged model: ".safetensors" or ".onnx".

    Raises:
        DataError: there is none, or a packaged file is not the one that its card describes.
    """
    path = Path(name)
    if str(name) in model_names():
        return _checked(str(name), prefer)
    if path.is_dir():
        if not (path / "best.safetensors").is_file():
            raise DataError(
                f"{path} is no run folder: it has no best.safetensors; give the --output folder of acrloss train"
            )
        return path / "best.safetensors"
    if path.is_file():
        if path.suffix not in (".safetensors", ".onnx"):
            raise DataError(f"{path} is no model; give a .safetensors or .onnx file that acrloss wrote")
        return path
    hint = did_you_mean(str(name), model_names()) or f"; packaged models: {', '.join(model_names()) or 'none'}"
    raise DataError(f"there is no model {name}: no run folder, no model file and no packaged model{hint}")


def _checked(name: str, suffix: str) -> Path:
    path = FOLDER / f"{name}{suffix}"
    read_checked(path, model_card(name)["sha256"][path.name])
    return path
