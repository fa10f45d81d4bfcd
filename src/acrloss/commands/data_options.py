"""The options with which commands name the faces and the network that they work on."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from acrloss.annotations import Annotations
from acrloss.commands.terminal import notes, progress, results_in
from acrloss.files import write_atomic
from acrloss.formats import FORMATS, read_annotations, recognise
from acrloss.formats.read import refuse_remarks
from acrloss.notes import NOTES, listed
from acrloss.schemes import get_scheme
from acrloss.schemes.lookup import SCHEME_FILE, scheme_beside

FORMAT_HELP = f"format of the data, recognised if not given: {', '.join(FORMATS)}"
OPTIONS_HELP = "options of the format's reader, such as --data_options.image_column=file: " + "; ".join(
    f"{name} has {', '.join(option.name for option in format.options)}"
    for name, format in FORMATS.items()
    if format.options
)

STRICT_HELP = "refuse data of which anything is left out, ignored, changed or guessed, or whose splits nobody uses"
_SHOWN = 5


def add_data_arguments(parser: Any, positional: bool = False, required: bool = True) -> None:
    """Add --data, or with `positional` a word without an option's name, and what belongs to it."""
    what = "folder or file of annotated faces, or synthetic:COUNT@SEED"
    if positional:
        parser.add_argument("data", metavar="SOURCE", type=str, help=what)
    else:
        parser.add_argument("--data", type=str if required else str | None, required=required, help=what)
    parser.add_argument("--format", type=str | None, default=None, help=FORMAT_HELP)
    add_reader_arguments(parser)


def add_reader_arguments(parser: Any) -> None:
    """Add what says how data is read, whatever the option is called that names it."""
    parser.add_argument("--scheme", type=str | None, default=None, help="landmark scheme: a name or a YAML file")
    parser.add_argument(
        "--data_options",
        type=dict[str, Any],
        default={},
        help=OPTIONS_HELP,
    )
    parser.add_argument("--strict", action="store_true", help=STRICT_HELP)


def read_data(values: Any, **options: Any) -> Annotations:
    """The faces that the options name; says on standard error what was read, and what was left out, ignored, changed or
    guessed. `list_notes` says where all of it is listed.

    `options` are the command's own defaults for those of `read_annotations`.

    Raises:
        DataError: as `read_annotations`, or --strict and there is any such thing.
    """
    annotations = read_annotations(
        values.data,
        values.format,
        values.scheme,
        progress=progress,
        **{**options, **values.data_options},
    )
    notes.print(annotations.summary(), markup=False, soft_wrap=True)
    if values.format is None and not values.data.startswith("synthetic"):
        notes.print(f"format: {recognise(Path(values.data))}, recognised by looking")
    if values.scheme is None and (beside := scheme_beside(Path(values.data))) is not None:
        fits = "lies beside the data" if get_scheme(beside) == annotations.scheme else "does not fit and is not used"
        notes.print(f"scheme: {beside} {fits}", markup=False, soft_wrap=True)
    # Faces that are lost first.
    found = sorted(annotations.notes, key=lambda note: note.kind != "left out")
    for note in found[:_SHOWN]:
        notes.print(f"  {note.kind}: {note}", markup=False, soft_wrap=True)
    if len(found) > _SHOWN:
        notes.print(f"  and {len(found) - _SHOWN} more")
    if values.strict:
        refuse_remarks(annotations)
    return annotations


def list_notes(annotations: Annotations, output: Path, further: Sequence[str] = ()) -> None:
    """Write data_notes.txt into the folder of the results, or beside a result that is a file.

    It has a line for each thing that reading left out, ignored, changed or guessed, and the `further` ones that the
    command left out; without any, only a file of an earlier run is emptied.
    """
    file = output.with_name(f"{output.stem}_{NOTES}") if output.suffix else output / NOTES
    if annotations.notes or further or file.exists():
        write_atomic(file, listed(annotations.notes) + "".join(f"{line}\n" for line in further))
    if annotations.notes or further:
        notes.print(f"all that was left out, ignored, changed or guessed: {file}", markup=False, soft_wrap=True)


def faces_in(folder: Path) -> None:
    """The last line of a command that wrote annotations: where they are, and their scheme if it is not built in."""
    scheme = f", with their scheme in {SCHEME_FILE}" if (folder / SCHEME_FILE).exists() else ""
    results_in(f"{folder}{scheme}")
