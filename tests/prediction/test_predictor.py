"""Finding landmarks in images of every kind, with a network that is known to be right."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image as PIL

from acrloss.annotations import Annotations
from acrloss.crops.crop import CropSpec
from acrloss.detection.box_map import BoxMap
from acrloss.detection.detector import Detections
from acrloss.errors import DataError
from acrloss.prediction.inputs import as_rgb, check_boxes, image_files
from acrloss.prediction.predictor import Predictor, roll
from acrloss.schemes import Scheme, generic_scheme, get_scheme

SIZE = 64


class BrightSpot:
    """A network that finds the brightest spots of each colour: the truth is where they were painted."""

    scheme: Scheme = generic_scheme(3)
    crop = CropSpec(size=SIZE, enlargement=2.0)
    mean_shape: NDArray[np.float64] = np.array([[0.3, 0.3], [0.7, 0.3], [0.5, 0.7]])

    def __init__(self) -> None:
        self.box_maps: dict[str, BoxMap] = {}
        self.batches: list[int] = []

    def locate_crops(self, crops: Any) -> Any:
        self.batches.append(len(crops))
        grid = (np.stack(np.meshgrid(*[np.arange(SIZE)] * 2), axis=-1) + 0.5) / SIZE
        weight = crops.astype(np.float64) ** 2 + 1e-9
        points = np.einsum("nhwc,hwd->ncd", weight, grid) / weight.sum(axis=(1, 2))[..., None]
        return points, np.full(points.shape[:2], 0.9)


class Known:
    """A detector that knows the boxes."""

    name = "known"

    def __init__(self, boxes: Any) -> None:
        self.boxes = np.asarray(boxes, dtype=np.float64).reshape(-1, 4)

    def __call__(self, image: Any) -> Detections:
        return Detections(self.boxes, np.linspace(0.9, 0.8, len(self.boxes)))


def paint(centre: tuple[float, float], size: float, angle: float = 0.0, canvas: Any = None) -> tuple[Any, Any]:
    """A picture with a face of three coloured spots, and where they are."""
    image = np.zeros((300, 400, 3), np.uint8) if canvas is None else canvas
    turn = np.deg2rad(angle)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = np.array(centre) + size * (BrightSpot.mean_shape - BrightSpot.mean_shape.mean(axis=0)) @ rotation.T
    for channel, (x, y) in enumerate(points):
        layer = np.zeros(image.shape[:2], np.uint8)
        cv2.circle(layer, (round(x * 16), round(y * 16)), round(size / 16 * 16), 255, -1, cv2.LINE_AA, 4)
        image[..., channel] |= layer
    return image, points


def box_around(points: Any, margin: float = 0.0) -> Any:
    extent = points.max(axis=0) - points.min(axis=0)
    return np.concatenate([points.min(axis=0) - margin * extent, points.max(axis=0) + margin * extent])


def test_landmarks_are_pixels_of_the_image_whatever_the_size_and_turn() -> None:
    for centre, size, angle in [
        ((200, 150), 100, 0),
        ((120, 180), 60, 25),
        ((250, 130), 150, -70),
        ((80, 90), 40, 170),
    ]:
        image, points = paint(centre, size, angle)
        network = BrightSpot()
        found = Predictor(network, detector=Known(box_around(points)))(image)
        assert network.batches == [1, 1], "it looks twice"
        assert found.landmarks[0] == pytest.approx(points, abs=0.03 * size)
        assert found.confidence.tolist() == [[0.9] * 3]
        assert found.scores.tolist() == [0.9]
        assert found.image == ""


def test_the_second_look_is_upright_and_tight() -> None:
    _, points = paint((200, 150), 100, 50)
    predictor = Predictor(BrightSpot(), detector=Known([]))
    squares, turns = predictor.crops_around(points[None])
    assert turns == pytest.approx([50])
    assert squares[0] == pytest.approx([194.9, 154.3, 80.0], abs=0.1)
    assert roll(points[None], None).tolist() == [0]


def test_an_unsure_face_is_looked_at_elsewhere() -> None:
    class Doubting(BrightSpot):
        """Sure of what it sees whole."""

        def locate_crops(self, crops: Any) -> Any:
            points, _ = super().locate_crops(crops)
            whole = (crops.max(axis=(1, 2)) > 200).all(axis=1)
            return points, np.where(whole, 0.9, 0.1)[:, None].repeat(3, axis=1)

    image, points = paint((200, 150), 100)
    network = Doubting()
    # A box that ends above the lowest of the three.
    box = box_around(points)
    box[[1, 3]] -= 36
    other, known = paint((60, 60), 60, canvas=image)
    found = Predictor(network, detector=Known([box, box_around(known)]))(other)
    assert network.batches == [2, 2, 1, 1, 1, 1, 1, 1], "only the unsure one is looked at again"
    assert np.abs(found.landmarks - [points, known]).max() < 5
    assert (found.confidence == 0.9).all()


def test_a_loose_box_is_mended_by_the_second_look() -> None:
    image, points = paint((200, 150), 100)
    loose = box_around(points, margin=0.4) + 8
    for refine, most in ((True, 2.0), (False, 8.0)):
        found = Predictor(BrightSpot(), detector=Known(loose), refine=refine)(image)
        assert np.abs(found.landmarks[0] - points).max() < most


def test_detected_boxes_are_mapped_and_given_boxes_are_not() -> None:
    image, points = paint((200, 150), 100)
    box = box_around(points)
    network = BrightSpot()
    network.box_maps["known"] = BoxMap(0.5, 0.25, 2.0, 9)
    predictor = Predictor(network, detector=Known(box), refine=False)
    mapped = predictor.map_boxes(box[None])
    assert mapped[0] == pytest.approx(network.box_maps["known"](box[None])[0])
    assert predictor.map_boxes(np.empty((0, 4))).shape == (0, 4)
    assert predictor(image).boxes[0] == pytest.approx(box), "the box shown is the detector's own"
    given = predictor(image, box)
    assert given.landmarks[0] == pytest.approx(points, abs=3)
    assert given.scores.tolist() == [1.0]


def test_no_face_one_face_and_many() -> None:
    image = np.zeros((300, 400, 3), np.uint8)
    truth = []
    for i in range(40):
        image, points = paint((25 + 45 * (i % 8), 30 + 55 * (i // 8)), 30, canvas=image)
        truth.append(points)
    boxes = np.stack([box_around(points) for points in truth])
    network = BrightSpot()
    found = Predictor(network, detector=Known(boxes), refine=False)(image)
    assert network.batches == [32, 8]
    assert np.abs(found.landmarks - np.stack(truth)).max() < 3
    assert found.ids.tolist() == list(range(40))
    nobody = Predictor(BrightSpot(), detector=Known([]))(image)
    assert (nobody.landmarks.shape, nobody.boxes.shape, len(nobody)) == ((0, 3, 2), (0, 4), 0)


def test_files_are_upright_and_any_kind_of_image_is_taken(tmp_path: Path) -> None:
    image, points = paint((200, 150), 100)
    predictor = Predictor(BrightSpot(), detector=Known([]))
    box = box_around(points)
    expected = predictor(image, box).landmarks
    PIL.fromarray(image).save(tmp_path / "a.png")
    # Stored lying on its side, as phones do.
    exif = PIL.Exif()
    exif[0x0112] = 6
    PIL.fromarray(np.rot90(image).copy()).save(tmp_path / "b.jpg", exif=exif, quality=98)
    for source in (
        tmp_path / "a.png",
        str(tmp_path / "b.jpg"),
        PIL.fromarray(image),
        PIL.open(tmp_path / "b.jpg"),
        PIL.fromarray(np.dstack([image, np.full(image.shape[:2], 9, np.uint8)])),
        np.dstack([image, image[..., :1]]),
        image.astype(np.uint16) * 257,
        image / 255,
        (image / 255).astype(np.float32),
    ):
        assert predictor(source, box).landmarks == pytest.approx(expected, abs=1.0), source
    grey = predictor(image.max(axis=2), box)
    assert grey.landmarks.shape == (1, 3, 2)
    assert predictor(tmp_path / "a.png", box).image == str(tmp_path / "a.png")
    assert predictor(image, box, name="x").image == "x"


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4, 2), np.uint8), "not of shape"),
        (np.zeros((0, 4, 3), np.uint8), "not of shape"),
        (np.zeros(5, np.uint8), "not of shape"),
        (np.full((4, 4, 3), 255.0), "divide it by 255"),
        (np.full((4, 4, 3), np.nan), "divide it by 255"),
        (np.zeros((4, 4, 3), np.int64), "uint8, uint16 or floats"),
    ],
)
def test_what_is_no_image_is_refused(image: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_rgb(image)


@pytest.mark.parametrize(
    "boxes", [[1, 2, 3], [[1, 2, 3]], [5, 5, 4, 9], [0, 0, np.inf, 1], [[0, 0, 1, 1], [1, 1, 1, 2]]]
)
def test_impossible_boxes_are_refused(boxes: Any) -> None:
    with pytest.raises(ValueError, match="box"):
        check_boxes(boxes)


def test_one_box_or_several() -> None:
    assert check_boxes([0, 0, 1, 1]).shape == (1, 4)
    assert check_boxes(np.empty((0, 4))).shape == (0, 4)


def test_paths_folders_and_patterns_name_images(tmp_path: Path) -> None:
    for name in ("b.JPG", "a.png", "sub/c.webp", "notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")

    def names(*sources: str | Path) -> list[str]:
        return [str(path.relative_to(tmp_path)) for path in image_files(sources)]

    assert names(tmp_path) == ["a.png", "b.JPG"]
    assert names(f"{tmp_path}/**/*") == ["a.png", "b.JPG", "sub/c.webp"]
    assert names(tmp_path / "b.JPG", tmp_path) == ["b.JPG", "a.png"]
    # Somebody's own odd suffix is taken at their word, and brackets in a real name are no pattern.
    assert names(tmp_path / "notes.txt") == ["notes.txt"]
    (tmp_path / "[1].png").write_bytes(b"x")
    assert names(tmp_path / "[1].png") == ["[1].png"]
    for bad, message in ((tmp_path / "nope.jpg", "no such file"), (f"{tmp_path}/*.gif", "no image matches")):
        with pytest.raises(DataError, match=message):
            image_files(bad)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="holds no image"):
        image_files(tmp_path / "empty")


def test_a_stream_goes_on_after_a_bad_image(tmp_path: Path) -> None:
    image, points = paint((200, 150), 100)
    PIL.fromarray(image).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_text("no picture")
    predictor = Predictor(BrightSpot(), detector=Known(box_around(points)))
    failed: list[str] = []
    found = list(predictor.stream(tmp_path, failed))
    assert [faces.image for _, faces in found] == [str(tmp_path / "a.png")]
    assert len(failed) == 1
    assert "b.png" in failed[0]
    with pytest.raises(DataError, match=r"b\.png"):
        list(predictor.stream(tmp_path))


def test_a_stream_fills_batches_across_images(tmp_path: Path) -> None:
    truth = []
    for i in range(40):
        image, points = paint((100 + 4 * i, 150), 100)
        PIL.fromarray(image).save(tmp_path / f"{i:02}.png")
        truth.append(points)

    class Lit(Known):
        def __call__(self, image: Any) -> Detections:
            y, x = np.nonzero(image.max(axis=2) > 100)
            return Detections(np.array([[x.min(), y.min(), x.max(), y.max()]], dtype=np.float64), np.ones(1))

    network = BrightSpot()
    found = list(Predictor(network, detector=Lit([]), refine=False).stream(tmp_path))
    assert network.batches == [32, 8]
    assert [Path(faces.image).name for _, faces in found] == [f"{i:02}.png" for i in range(40)]
    assert np.abs(np.concatenate([faces.landmarks for _, faces in found]) - np.stack(truth)).max() < 3
    same = list(Predictor(BrightSpot()).stream(tmp_path / "00.png", boxes=box_around(truth[0])))
    assert same[0][1].landmarks[0] == pytest.approx(truth[0], abs=3)


def test_models_that_cannot_be_had_are_one_line(tmp_path: Path) -> None:
    for name in ("defualt", tmp_path / "none", tmp_path):
        with pytest.raises(DataError):
            Predictor(name)


def test_annotated_crops_are_found_again_through_the_landmarks_box() -> None:
    image, points = paint((200, 150), 100)
    network = BrightSpot()
    network.crop = CropSpec(size=SIZE, box="annotated", enlargement=1.0)
    box = box_around(points, margin=0.5)
    assert not Predictor(network, detector=Known(box))._refine
    network.box_maps["landmarks"] = BoxMap(0.0, 0.0, 2.0, 9)
    found = Predictor(network, detector=Known(box))(image)
    assert network.batches == [1, 1]
    assert found.landmarks[0] == pytest.approx(points, abs=3)


def test_the_scheme_and_annotations_fit_together() -> None:
    image, points = paint((200, 150), 100)
    annotations = Predictor(BrightSpot(), detector=Known(box_around(points)))(image, name="a.png").to_annotations()
    assert isinstance(annotations, Annotations)
    assert annotations.scheme.num_landmarks == 3
    assert get_scheme("ibug68").num_landmarks == 68
