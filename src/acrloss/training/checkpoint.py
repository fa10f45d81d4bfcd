"""The checkpoint that a run resumes from: written whole or not at all, and looked over before it is read."""

import zipfile
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import TorchCheckpointIO

from acrloss.errors import DataError
from acrloss.files import atomic_file


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the checkpoint and renames.

    Lightning writes to the folder for temporary files and copies from there: killed in that copy, or with that disk
    full, a run would lose its only checkpoint.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        with atomic_file(path, durable=True) as file:
            torch.save(checkpoint, file)


def check_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint, once it is known to be whole.

    Every part of the file carries a checksum, which torch itself does not look at: a flipped bit would resume with
    other weights.

    Raises:
        DataError: it is none, or damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
        if damaged is not None:
            raise DataError(f"{path} is damaged (in {damaged}); start the run again in another folder")
        content = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(content, dict) or not isinstance(content.get("epoch"), int):
            raise DataError(f"{path} is no checkpoint of a run; start the run again in another folder")
    except DataError:
        raise
    except Exception as error:  # damaged bytes lead to whatever
        raise DataError(
            f"{path} is damaged or no checkpoint ({type(error).__name__}); start the run again in another folder"
        ) from error
    return content
