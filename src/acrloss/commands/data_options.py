"""The options with which commands name the faces and the network that they work on."""

from pathlib import Path
from typing import Any

from acrloss.annotations import Annotations
from acrloss.commands.terminal import notes, progress
from acrloss.errors import DataError
from acrloss.formats import FORMATS, read_annotations, recognise

FORMAT_HELP = f"format of the data, recognised if not given: {', '.join(FORMATS)}"
OPTIONS_HELP = "options of the format's reader, such as --data_options.image_column=file: " + "; ".join(
    f"{name} has {', '.join(option.name for option in format.options)}"
    for name, format in FORMATS.items()
    if format.options
)


def add_data_arguments(parser: Any, positional: bool = False, required: bool = True) -> None:
    """Add --data, or with `positional` a word without an option's name, and what belongs to it."""
    what = "folder or file of annotated faces, or synthetic:COUNT@SEED"
    if positional:
        parser.add_argument("data", metavar="SOURCE", type=str, help=what)
    else:
        parser.add_argument("--data", type=str if required else str | None, required=required, help=what)
    parser.add_argument("--format", type=str | None, default=None, help=FORMAT_HELP)
    parser.add_argument("--scheme", type=str | None, default=None, help="landmark scheme: a name or a YAML file")
    parser.add_argument(
        "--data_options",
        type=dict[str, Any],
        default={},
        help=OPTIONS_HELP,
    )


def read_data(values: Any, **options: Any) -> Annotations:
    """The faces that the options name; says on standard error what was read and what was left out.

    `options` are the command's own defaults for those of `read_annotations`.
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
    for reason in annotations.skipped[:5]:
        notes.print(f"  left out: {reason}", markup=False, soft_wrap=True)
    if len(annotations.skipped) > 5:
        notes.print(f"  and {len(annotations.skipped) - 5} more")
    return annotations


def choose_split(annotations: Annotations, split: str | None, data: str) -> Annotations:
    """The faces to score: those of `split`, or if that is None of "test" where there is one, or all.

    Raises:
        DataError: no face is of that split.
    """
    split = split or ("test" if "test" in annotations.split_names else None)
    if split is None:
        return annotations
    chosen = annotations.split(split)
    if not len(chosen):
        raise DataError(f"{data} has no faces of split {split!r}; choose another --split")
    return chosen
