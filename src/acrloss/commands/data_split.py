"""Split a data set into training, validation and test faces that share no person and no picture, and write it.

Faces of one person, of one picture, or of pictures that look the same stay together; usual and unusual shapes are
spread evenly. The images stay where they are unless --copy_images says otherwise.
"""

from collections import Counter
from pathlib import Path
from typing import Any

from acrloss.commands.data_options import add_data_arguments, faces_in, list_notes, read_data
from acrloss.commands.terminal import notes, progress
from acrloss.formats import write_annotations
from acrloss.formats.registry import WRITERS
from acrloss.formats.write import not_written


def add_arguments(parser: Any) -> None:
    add_data_arguments(parser, positional=True)
    parser.add_argument("--output", type=Path, required=True, help="folder to write; new or empty")
    parser.add_argument(
        "--test", type=float, default=0.2, help="share of the faces to test on, touched once at the end"
    )
    parser.add_argument("--val", type=float, default=0.1, help="share of the faces that choose the epoch")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same split")
    parser.add_argument("--to_format", type=str, default="csv", help=f"format to write: {', '.join(WRITERS)}")
    parser.add_argument("--copy_images", type=bool, default=False, help="put the images into the folder too")


def run(parsed: Any) -> None:
    # Only here: a mistyped option is told without it.
    from acrloss.data_check.split import split_faces

    _, values = parsed
    annotations = read_data(values, repeated="keep")
    if annotations.split_names:
        notes.print(f"the splits that it has ({', '.join(annotations.split_names)}) are replaced", markup=False)
    split = split_faces(annotations, values.test, values.val, values.seed, progress)
    lost = write_annotations(
        split.annotations, Path(values.output), values.to_format, copy_images=values.copy_images, progress=progress
    )
    for note in lost:
        notes.print(note, markup=False, soft_wrap=True)
    counts = Counter(split.annotations.splits)
    kept = f"{split.people} named people" if split.people else "nobody is named"
    notes.print(
        f"{counts['train']} training, {counts['val']} validation and {counts['test']} test faces in {split.units} "
        f"groups that share nothing ({kept}; {split.duplicates} pictures are there twice)",
        markup=False,
        soft_wrap=True,
    )
    notes.print(f"next: acrloss train --data {values.output} --output RUN", markup=False, soft_wrap=True)
    list_notes(annotations, Path(values.output), [*lost, *not_written(split.annotations, values.to_format)])
    faces_in(Path(values.output))
