"""Draw a sheet of augmented training faces with their landmarks, as the network sees them: one face a row."""

from pathlib import Path
from typing import Any

from acrloss.commands.data_options import add_data_arguments, list_notes, read_data
from acrloss.commands.terminal import notes, progress, results_in
from acrloss.crops.augmentation import Augmentation
from acrloss.crops.crop import CropSpec
from acrloss.errors import DataError


def add_arguments(parser: Any) -> None:
    add_data_arguments(parser)
    parser.add_argument("--output", type=Path, default=Path("augmented.png"), help="the picture to write")
    parser.add_argument("--faces", type=int, default=6, help="how many faces (rows)")
    parser.add_argument(
        "--versions", type=int, default=8, help="how many versions of each (columns; the first is plain)"
    )
    parser.add_argument("--seed", type=int, default=0, help="of the choice of faces and the changes")
    parser.add_class_arguments(CropSpec, "crop")
    parser.add_class_arguments(Augmentation, "augmentation")


def run(parsed: Any) -> None:
    import numpy as np

    from acrloss.crops.dataset import LandmarkDataset
    from acrloss.figures.draw import contact_sheet, draw_landmarks
    from acrloss.images.encode import save_png
    from acrloss.training.shape import mirror_notes

    parser, values = parsed
    ready = parser.instantiate_classes(values)
    if values.faces < 1 or values.versions < 1:
        raise DataError("--faces and --versions must be at least 1")
    annotations = read_data(values)
    for note in mirror_notes(annotations, ready.augmentation):
        notes.print(note, markup=False, soft_wrap=True)
    chosen = np.random.default_rng(values.seed).permutation(len(annotations))[: values.faces]
    plain = LandmarkDataset(annotations, ready.crop)
    changed = LandmarkDataset(annotations, ready.crop, ready.augmentation, values.seed)
    pictures, captions = [], []
    for index in progress(chosen.tolist(), "drawing", len(chosen)):
        for version in range(values.versions):
            sample = changed[version, index] if version else plain[index]
            landmarks = sample["landmarks"].double().numpy() * ready.crop.size - 0.5
            pictures.append(draw_landmarks(sample["image"].permute(1, 2, 0).numpy(), landmarks, annotations.scheme))
            captions.append(
                ("mirrored" if sample["mirrored"] else "") if version else Path(annotations.images[index]).name
            )
    list_notes(annotations, Path(values.output))
    results_in(save_png(values.output, contact_sheet(pictures, captions, columns=values.versions)))
