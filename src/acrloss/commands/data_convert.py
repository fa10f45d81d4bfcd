"""Write annotated faces in another format."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from acrloss.commands.data_options import FORMAT_HELP, add_reader_arguments, faces_in, list_notes, read_data
from acrloss.commands.terminal import notes, progress
from acrloss.formats import write_annotations
from acrloss.formats.registry import WRITERS
from acrloss.formats.write import not_written


def add_arguments(parser: Any) -> None:
    parser.add_argument("source", type=str, help="folder or file of annotated faces, or synthetic:COUNT@SEED")
    parser.add_argument("dest", type=Path, help="folder to write; new or empty")
    parser.add_argument("--format", type=str, required=True, help=f"format to write: {', '.join(WRITERS)}")
    parser.add_argument("--copy_images", type=bool, default=False, help="put the images into the folder too")
    parser.add_argument("--source_format", type=str | None, default=None, help=FORMAT_HELP)
    add_reader_arguments(parser)


def run(parsed: Any) -> None:
    _, values = parsed
    source = SimpleNamespace(
        data=values.source,
        format=values.source_format,
        scheme=values.scheme,
        data_options=values.data_options,
        strict=values.strict,
    )
    # What to do with a face that is annotated twice is for whoever trains on the result.
    annotations = read_data(source, repeated="keep")
    lost = write_annotations(
        annotations,
        Path(values.dest),
        values.format,
        copy_images=values.copy_images,
        progress=progress,
    )
    for note in lost:
        notes.print(note, markup=False, soft_wrap=True)
    list_notes(annotations, Path(values.dest), [*lost, *not_written(annotations, values.format)])
    faces_in(Path(values.dest))
