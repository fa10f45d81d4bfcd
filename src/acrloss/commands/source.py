"""The options with which commands name the faces and the network that they work on."""

from pathlib import Path
from typing import Any

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.models import LandmarkNet
from acrloss.readers import read_annotations
from acrloss.terminal import notes, progress


def add_data_arguments(parser: Any) -> None:
    """Add --data and what belongs to it."""
    parser.add_argument(
        "--data", type=str, required=True, help="folder or file of annotated faces, or synthetic:COUNT@SEED"
    )
    parser.add_argument("--format", type=str | None, default=None, help="format of the data; recognised if not given")
    parser.add_argument("--scheme", type=str | None, default=None, help="landmark scheme: a name or a YAML file")
    parser.add_argument(
        "--data_options",
        type=dict[str, Any],
        default={},
        help="options of the format's reader, such as --data_options.image_column=file",
    )


def read_data(values: Any) -> Annotations:
    """The faces that the options name; says on standard error what was read and what was left out."""
    annotations = read_annotations(
        values.data,
        values.format,
        values.scheme,
        progress=lambda faces: progress(faces, "reading"),
        **values.data_options,
    )
    notes.print(annotations.summary(), markup=False, soft_wrap=True)
    for reason in annotations.skipped[:5]:
        notes.print(f"  left out: {reason}", markup=False, soft_wrap=True)
    if len(annotations.skipped) > 5:
        notes.print(f"  and {len(annotations.skipped) - 5} more")
    return annotations


def load_network(path: Path) -> LandmarkNet:
    """The network of a run folder (its best) or of a model file.

    Raises:
        DataError: there is none.
    """
    if path.is_dir():
        if not (path / "best.safetensors").is_file():
            raise DataError(
                f"{path} is no run folder: it has no best.safetensors; give the --output folder of acrloss train"
            )
        path = path / "best.safetensors"
    return LandmarkNet.load(path)
