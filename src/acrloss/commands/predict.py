"""Find faces and their landmarks in photographs or videos; draws them and writes them as JSON and .pts, or as CSV.

Give image files, folders, patterns such as 'photos/**/*.jpg', videos ('clips/*.mp4'), the address of a stream, or a
camera's number. The packaged model is used unless --model names another; faces are detected unless --box gives their
places. Nothing is replaced but results of an earlier run.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acrloss.commands.terminal import notes, progress, results_in
from acrloss.detection.registry import DETECTORS
from acrloss.errors import DataError

if TYPE_CHECKING:
    from acrloss.prediction.box_file import BoxFile
    from acrloss.prediction.faces import Faces
    from acrloss.prediction.passed_over import PassedOver
    from acrloss.prediction.predictor import BoxesOf, Predictor


def add_arguments(parser: Any) -> None:
    parser.add_argument(
        "images", type=str, nargs="+", help="images, folders, patterns; or videos, an address, a camera 0, 1 …"
    )
    parser.add_argument(
        "--model", type=str, default="default", help="packaged model (acrloss models), run folder, or model file"
    )
    parser.add_argument(
        "--box",
        type=str | None,
        default=None,
        help="the face's place instead of detection: x0,y0,x1,y1 in pixels; whole, for all of the image; "
        "or a CSV file with the columns image,x0,y0,x1,y1",
    )
    parser.add_argument("--detector", type=str, default="auto", help=f"face detector: auto, {', '.join(DETECTORS)}")
    parser.add_argument(
        "--smallest_face",
        type=float | None,
        default=None,
        help="side in pixels of the smallest faces to look for in large pictures; 40 if not given",
    )
    parser.add_argument(
        "--flip_test", action="store_true", help="average over each crop and its mirror image; takes longer"
    )
    parser.add_argument("--refine", type=bool, default=True, help="look at each face a second time, upright and tight")
    parser.add_argument(
        "--retry",
        type=bool,
        default=True,
        help="look for lost faces elsewhere, lying on their side and upside down",
    )
    parser.add_argument(
        "--min_confidence",
        type=float | None,
        default=None,
        help="leave out faces of a lower mean confidence, 0 to 1; 0 if not given, in videos 0.5",
    )
    parser.add_argument("--output", type=Path, default=Path("predictions"), help="folder of the results")
    parser.add_argument(
        "--format", type=str | None, default=None, help="write all faces as a data set too: csv, coco, cvat, imglab …"
    )
    parser.add_argument("--seconds", type=float, default=0.0, help="stop a video or camera after so long; 0: never")


def run(parsed: Any) -> int:
    from acrloss.detection.installed import create_detector
    from acrloss.networks.flip_averaging import FlipTest
    from acrloss.networks.localizer import load_model
    from acrloss.prediction.inputs import image_files, videos_among
    from acrloss.prediction.passed_over import by_kind
    from acrloss.prediction.photographs import PhotographResults
    from acrloss.prediction.predictor import Predictor
    from acrloss.prediction.video import claim_videos

    _, values = parsed
    _check(values)
    boxes = parse_box(values.box)
    sources = [str(source) for source in values.images]
    passed: list[PassedOver] = []
    videos, others = videos_among(sources, passed)
    if videos and others:
        raise DataError(f"give images or videos, not both in one command: {videos[0]} is a video, {others[0]} is not")
    if videos and (boxes is not None or values.format is not None):
        raise DataError("--box and --format are for images; a video's faces are detected and written as CSV")
    names = claim_videos(videos, values.output) if videos else []
    results = None if videos else PhotographResults(image_files(others, passed), values.output, values.format, passed)
    network = load_model(values.model)
    detector: Any = values.detector
    if values.smallest_face is not None:
        detector = create_detector(values.detector, values.smallest_face, network.box_maps)
    predictor = Predictor(
        FlipTest(network) if values.flip_test else network,
        detector=detector,
        refine=values.refine,
        retry=values.retry,
    )
    if boxes is None:
        # Asked for now, so that a missing detector is known before any work.
        predictor.detector  # noqa: B018
    for line in by_kind(passed if results is None else results.passed):
        notes.print(line, style="yellow", soft_wrap=True)
    if results is None:
        return _follow(predictor, dict(zip(videos, names, strict=True)), [*map(str, passed)], values)
    if results.drawn:
        notes.print(f"passed over {len(results.drawn)} pictures that an earlier run drew into {values.output}")
    return _find(predictor, results, boxes, values)


def _check(values: Any) -> None:
    """Refuse what is known to be wrong before anything is loaded."""
    if not (math.isfinite(values.seconds) and values.seconds >= 0):
        raise DataError(f"--seconds is 0 (never stop) or more, not {values.seconds:g}")
    if values.min_confidence is not None and not 0 <= values.min_confidence <= 1:
        raise DataError(f"--min_confidence is 0 to 1, not {values.min_confidence:g}")
    for source in map(str, values.images):
        if Path(source).suffix in (".safetensors", ".onnx") or (Path(source) / "best.safetensors").is_file():
            raise DataError(f"{source} is a model; give it with --model {source}")


def _follow(predictor: Predictor, videos: dict[str, str], passed: list[str], values: Any) -> int:
    """The faces of videos, one after another; each with the name of its results. left_out.txt names what was `passed`
    over besides."""
    from acrloss.prediction.faces import UNSURE
    from acrloss.prediction.results_folder import LEFT_OUT, ResultsFolder
    from acrloss.prediction.video import predict_video

    least = UNSURE if values.min_confidence is None else values.min_confidence
    worked, whole, drawn = 0, True, values.output
    lost: list[str] = []
    for source, name in videos.items():
        try:
            followed = predict_video(
                predictor, source, values.output, values.seconds, progress, name=name, min_confidence=least
            )
        except DataError as error:
            if len(videos) == 1:
                raise
            notes.print(f"left out: {error}", style="yellow", soft_wrap=True)
            lost.append(str(error))
            continue
        worked, drawn = worked + 1, followed.drawn
        count = f"{followed.faces} face{'s' * (followed.faces != 1)} in {followed.frames} frames"
        notes.print(f"{count}; landmarks in {followed.table}", soft_wrap=True)
        if followed.shortfall:
            whole = False
            lost.append(followed.shortfall)
            notes.print(f"warning: {followed.shortfall}", style="yellow", soft_wrap=True)
        if not followed.faces:
            _say_why_not(predictor)
    results = ResultsFolder(values.output)
    results.list_left_out([*lost, *passed])
    results.close()
    if lost or passed:
        notes.print(f"named in {values.output / LEFT_OUT}", soft_wrap=True)
    if not worked:
        raise DataError("none of the videos could be read; the lines above say why")
    results_in(drawn if len(videos) == 1 else values.output)
    return 0 if whole and worked == len(videos) else 1


def _find(predictor: Predictor, results: Any, boxes: BoxesOf | BoxFile | None, values: Any) -> int:
    """The faces of photographs."""
    from acrloss.prediction.box_file import BoxFile
    from acrloss.prediction.results_folder import LEFT_OUT

    found: list[Faces] = []
    failed: list[str] = []
    doubtful = 0
    files = results.files
    for pixels, faces in progress(predictor.stream(files, failed, boxes), "predicting", len(files)):
        if values.min_confidence is not None:
            kept = faces.select(~(faces.certainty < values.min_confidence))
            doubtful, faces = doubtful + len(faces) - len(kept), kept
        results.write(pixels, faces)
        found.append(faces)
    # One bad image must not cost the results of the others.
    for reason in failed:
        notes.print(f"left out: {reason}", style="yellow", soft_wrap=True)
    unused = boxes.unused() if isinstance(boxes, BoxFile) else []
    lost = results.finish(found, [*failed, *(f"{values.box}: {image} was not given" for image in unused)])
    if not found:
        raise DataError("none of the images could be read; the lines above say why")
    named = f"named in {values.output / LEFT_OUT}"
    if failed:
        notes.print(f"{len(failed)} of {len(files)} images left out, {named}")
    if unused:
        notes.print(
            f"{len(unused)} images in {values.box} were not given, the first is {unused[0]}; {named}", soft_wrap=True
        )
    if results.passed and not failed:
        notes.print(f"what was passed over is {named}", soft_wrap=True)
    _say_first("no face found in", [faces.image for faces in found if not len(faces)])
    _say_first("unsure (drawn dashed, may be no face):", [faces.image for faces in found if faces.unsure.any()])
    if doubtful:
        notes.print(f"{doubtful} face{'s' * (doubtful != 1)} below --min_confidence left out")
    count = sum(map(len, found))
    notes.print(f"{count} face{'s' * (count != 1)} in {len(found)} image{'s' * (len(found) != 1)}")
    for line in lost:
        notes.print(line, soft_wrap=True)
    unable = not count and boxes is None and _say_why_not(predictor)
    results_in(values.output)
    return 1 if failed or unable else 0


def _say_first(what: str, images: list[str], most: int = 5) -> None:
    for image in images[:most]:
        notes.print(f"{what} {image}", soft_wrap=True)
    if len(images) > most:
        notes.print(f"and in {len(images) - most} more")


def _say_why_not(predictor: Predictor) -> bool:
    """Whether the model was never shown what the detector finds, which is said."""
    if predictor.detector.name in predictor.model.box_maps:
        return False
    notes.print(
        f"the model was trained without the boxes of {predictor.detector.name}, which finds human faces only; "
        "give the places with --box x0,y0,x1,y1, --box whole or --box FILE.csv",
        style="yellow",
        soft_wrap=True,
    )
    return True


def parse_box(text: str | None) -> BoxesOf | BoxFile | None:
    """--box as a function of an image; None where there is none.

    Raises:
        DataError: it is neither four numbers, nor "whole", nor a file of boxes.
        ValueError: the numbers are no box.
    """
    from acrloss.prediction.box_file import BoxFile
    from acrloss.prediction.inputs import check_boxes, is_there

    if text is None:
        return None
    if text == "whole":
        return lambda image, size: (-0.5, -0.5, size[0] - 0.5, size[1] - 0.5)
    if Path(text).suffix.lower() == ".csv" or is_there(Path(text)):
        return BoxFile(text)
    try:
        x0, y0, x1, y1 = (float(part) for part in text.split(","))
    except ValueError:
        raise DataError(
            f"--box is four numbers x0,y0,x1,y1 in pixels, as in 40,30,180,190, or whole, or a CSV file; not {text!r}"
        ) from None
    box = check_boxes((x0, y0, x1, y1))
    return lambda image, size: box
