"""Cut every face out of its photograph once, with room for augmentation, so that training reads small pictures. Give
the --crop and --augmentation that you will train with; train on the folder with --data."""

from pathlib import Path
from typing import Any

from acrloss.commands.data_options import add_data_arguments, list_notes, read_data
from acrloss.commands.terminal import notes, progress, results_in
from acrloss.crops.augmentation import Augmentation
from acrloss.crops.crop import CropSpec


def add_arguments(parser: Any) -> None:
    add_data_arguments(parser, positional=True)
    parser.add_argument("dest", metavar="DEST", type=Path, help="folder to write; new or empty")
    parser.add_argument("--lossless", action="store_true", help="PNG in place of JPEG of quality 95")
    parser.add_class_arguments(CropSpec, "crop")
    parser.add_class_arguments(Augmentation, "augmentation")


def run(parsed: Any) -> None:
    from acrloss.crops.pack import pack

    parser, values = parsed
    ready = parser.instantiate_classes(values)
    annotations = read_data(values)
    left_out = pack(
        annotations, Path(values.dest), ready.crop, ready.augmentation, lossless=values.lossless, progress=progress
    )
    for reason in left_out[:5]:
        notes.print(f"  left out: {reason}", markup=False, soft_wrap=True)
    if left_out:
        notes.print(f"{len(left_out)} of {len(annotations)} faces could not be packed")
    list_notes(annotations, Path(values.dest), left_out)
    results_in(values.dest)
