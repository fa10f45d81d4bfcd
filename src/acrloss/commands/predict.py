"""Find the landmarks of a face in each photograph and write them as JSON, as .pts and drawn on the picture."""

from pathlib import Path
from typing import Any

from acrloss.commands.source import load_network
from acrloss.errors import DataError
from acrloss.predict import predict_file
from acrloss.terminal import notes, progress, results_in


def add_arguments(parser: Any) -> None:
    parser.add_argument("run", type=Path, help="run folder or model file (.safetensors)")
    parser.add_argument("images", type=Path, nargs="+", help="image files")
    parser.add_argument(
        "--box", type=str | None, default=None, help="x0,y0,x1,y1 of the face in pixels; the whole image if not given"
    )
    parser.add_argument("--output", type=Path, default=Path("predictions"), help="folder of the results")


def run(parsed: Any) -> None:
    _, values = parsed
    box = parse_box(values.box) if values.box is not None else None
    network = load_network(Path(values.run))
    images = [Path(image) for image in values.images]
    if box is None:
        notes.print("no --box: each whole image is taken as the face's box")
    if len({image.stem for image in images}) < len(images):
        raise DataError("two images have the same name, and so would their results; give them in separate commands")
    folder, failed = Path(values.output), 0
    for image in progress(images, "predicting", len(images)):
        try:
            predict_file(network, image, box, folder / image.stem)
        except DataError as error:
            # One bad image must not cost the results of the others.
            notes.print(f"left out: {error}", style="yellow", markup=False, soft_wrap=True)
            failed += 1
    if failed == len(images):
        raise DataError("none of the images could be read; the lines above say why")
    if failed:
        notes.print(f"{failed} of {len(images)} images left out")
    results_in(folder)


def parse_box(text: str) -> tuple[float, float, float, float]:
    """x0,y0,x1,y1 as numbers.

    Raises:
        DataError: it is something else.
    """
    try:
        x0, y0, x1, y1 = (float(part) for part in text.split(","))
    except ValueError:
        raise DataError(
            f"--box is four numbers x0,y0,x1,y1 in pixels, as in --box 40,30,180,190; not {text!r}"
        ) from None
    return x0, y0, x1, y1
