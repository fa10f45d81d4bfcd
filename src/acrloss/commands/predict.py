"""Find faces and their landmarks in photographs or a video; draws them and writes them as JSON and .pts.

Give image files, folders, patterns such as 'photos/**/*.jpg', one video file, or a camera's number. The packaged model
is used unless --model names another; faces are detected unless --box gives the face's place.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from acrloss.commands.terminal import notes, progress, results_in
from acrloss.errors import DataError

if TYPE_CHECKING:
    from acrloss.prediction.faces import Faces


def add_arguments(parser: Any) -> None:
    parser.add_argument("images", type=str, nargs="+", help="images, folders, patterns, a video, or a camera 0, 1 …")
    parser.add_argument(
        "--model", type=str, default="default", help="packaged model (acrloss models), run folder, or model file"
    )
    parser.add_argument(
        "--box", type=str | None, default=None, help="x0,y0,x1,y1 of the face in pixels, instead of detection"
    )
    parser.add_argument("--detector", type=str, default="auto", help="face detector: auto, yuface or mtcnn")
    parser.add_argument(
        "--flip_test", action="store_true", help="average over each crop and its mirror image; takes longer"
    )
    parser.add_argument("--output", type=Path, default=Path("predictions"), help="folder of the results")
    parser.add_argument(
        "--format", type=str | None, default=None, help="write all faces as a data set too: csv, coco, cvat, imglab …"
    )
    parser.add_argument("--seconds", type=float, default=0.0, help="stop a video or camera after so long; 0: never")


def run(parsed: Any) -> None:
    from acrloss.images.encode import save_png
    from acrloss.networks.flip_averaging import FlipTest
    from acrloss.networks.localizer import load_model
    from acrloss.prediction.inputs import VIDEO_SUFFIXES, check_boxes, image_files
    from acrloss.prediction.predictor import Predictor

    _, values = parsed
    box = check_boxes(parse_box(values.box)) if values.box is not None else None
    sources, folder = [str(source) for source in values.images], Path(values.output)
    for source in sources:
        if Path(source).suffix in (".safetensors", ".onnx") or (Path(source) / "best.safetensors").is_file():
            raise DataError(f"{source} is a model; give it with --model {source}")
    moving = [s for s in sources if s.isdecimal() or Path(s).suffix.lower() in VIDEO_SUFFIXES]
    if moving and len(sources) > 1:
        raise DataError("give one video or camera alone")
    if moving and (box is not None or values.format is not None):
        raise DataError("--box and --format are for images; a video's faces are detected and written as CSV")
    files = [] if moving else image_files(sources)
    _refuse_equal_names(files)
    network = load_model(values.model)
    predictor = Predictor(FlipTest(network) if values.flip_test else network, detector=values.detector)
    if box is None:
        # Asked for now, so that a missing detector is known before any work.
        predictor.detector  # noqa: B018
    if moving:
        from acrloss.prediction.video import predict_video

        followed = predict_video(predictor, sources[0], folder, values.seconds, progress)
        notes.print(
            f"{followed.faces} faces in {followed.frames} frames; landmarks in {followed.table}",
            markup=False,
            soft_wrap=True,
        )
        results_in(followed.drawn)
        return
    found: list[Faces] = []
    failed: list[str] = []
    for pixels, faces in progress(predictor.stream(files, failed, box), "predicting", len(files)):
        stem = Path(faces.image).stem
        faces.write_json(folder / f"{stem}.json")
        faces.write_pts(folder / f"{stem}.pts")
        save_png(folder / f"{stem}.png", faces.draw(pixels))
        found.append(faces)
    # One bad image must not cost the results of the others.
    for reason in failed:
        notes.print(f"left out: {reason}", style="yellow", markup=False, soft_wrap=True)
    if not found:
        raise DataError("none of the images could be read; the lines above say why")
    if failed:
        notes.print(f"{len(failed)} of {len(files)} images left out")
    faceless = [faces.image for faces in found if not len(faces)]
    for image in faceless[:5]:
        notes.print(f"no face found in {image}", markup=False, soft_wrap=True)
    if len(faceless) > 5:
        notes.print(f"and in {len(faceless) - 5} more")
    count = sum(map(len, found))
    notes.print(f"{count} face{'s' * (count != 1)} in {len(found)} image{'s' * (len(found) != 1)}")
    if values.format is not None:
        _write_data_set(found, folder / values.format, values.format)
    results_in(folder)


def _write_data_set(found: list[Faces], folder: Path, format: str) -> None:
    from acrloss.annotations import concatenate
    from acrloss.formats import write_annotations

    parts = [faces.to_annotations() for faces in found if len(faces)]
    if not parts:
        raise DataError(f"no face was found, so there is none to write as {format}")
    for note in write_annotations(concatenate(parts), folder, format):
        notes.print(note, markup=False, soft_wrap=True)


def _refuse_equal_names(files: list[Path]) -> None:
    stems: dict[str, Path] = {}
    for path in files:
        if (other := stems.setdefault(path.stem, path)) != path:
            raise DataError(
                f"{other} and {path} have the same name, and so would their results; give them in separate commands"
            )


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
