"""Finding landmarks in images of every kind, with a network that is known to be right."""

import pickle
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
from acrloss.detection.installed import create_detector
from acrloss.errors import DataError
from acrloss.formats.pts import read_pts
from acrloss.prediction.inputs import as_rgb, check_boxes, image_files
from acrloss.prediction.passed_over import PassedOver, by_kind
from acrloss.prediction.predictor import Predictor, roll
from acrloss.schemes import Scheme, generic_scheme, get_scheme
from real_data import FACES_300W, needs_300w

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


def test_a_face_whose_turn_is_known_is_upright_in_the_first_look() -> None:
    class Turned(Known):
        def __call__(self, image: Any) -> Detections:
            return Detections(self.boxes, np.ones(2), np.array([0.0, 110.0]))

    image, upright = paint((80, 80), 80)
    image, turned = paint((280, 180), 100, 110, canvas=image)
    boxes = np.stack([box_around(upright), box_around(turned)])
    network = Upright()
    found = Predictor(network, detector=Turned(boxes), refine=False)(image)
    assert network.batches == [2]
    assert np.abs(found.landmarks - [upright, turned]).max() < 5
    assert (found.confidence == 0.95).all()
    # Told nothing, the network is wrong about the second.
    lost = Predictor(Upright(), detector=Known(boxes), refine=False)(image)
    assert (lost.confidence[1] == 0.05).all()


def test_auto_prefers_a_detector_whose_boxes_the_network_has_met() -> None:
    network = BrightSpot()
    assert Predictor(network).detector.name == "blazeface"
    network.box_maps["mtcnn"] = BoxMap(0.0, 0.0, 1.0, 9)
    assert Predictor(network).detector.name == "mtcnn"
    assert create_detector("blazeface", known=network.box_maps).name == "blazeface"
    network.box_maps["blazeface"] = BoxMap(0.0, 0.0, 1.0, 9)
    assert Predictor(network).detector.name == "blazeface"


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
    # Both in two looks; then the unsure one alone: three looks at each of six places.
    assert network.batches == [2, 2, 6, 6, 6]
    assert np.abs(found.landmarks - [points, known]).max() < 5
    assert (found.confidence == 0.9).all()


class Upright(BrightSpot):
    """Finds faces up to 45 degrees, and is unsure of all others and wrong."""

    def __init__(self, right: float = 0.95, wrong: float = 0.05) -> None:
        super().__init__()
        self.right, self.wrong = right, wrong

    def locate_crops(self, crops: Any) -> Any:
        points, confidence = super().locate_crops(crops)
        seen = np.abs(roll(points, self.mean_shape)) < 45
        # Further from the truth with each look, as real networks are.
        points[~seen] = 0.2 + 0.5 * points[~seen][:, ::-1]
        confidence[:] = np.where(seen, self.right, self.wrong)[:, None]
        return points, confidence


@pytest.mark.parametrize("angle", [60, 90, 120, 180, -135, -90, 270])
def test_a_turned_face_is_found(angle: float) -> None:
    image, points = paint((200, 150), 100, angle)
    box = box_around(points)
    network = Upright()
    found = Predictor(network, detector=Known(box))(image)
    assert network.batches == [1, 1, 6, 6, 6]
    assert found.landmarks[0] == pytest.approx(points, abs=3)
    assert found.confidence.tolist() == [[0.95] * 3]
    assert not found.unsure.any()
    for options in ({"retry": False}, {"refine": False}):
        once = Predictor(Upright(), detector=Known(box), **options)(image)
        assert np.abs(once.landmarks[0] - points).max() > 20
        assert once.unsure.tolist() == [True]
        assert once.certainty == pytest.approx([0.05])


class Scripted(BrightSpot):
    """Gives a shape about the middle of a crop and a confidence, for each look in turn."""

    def __init__(self, *looks: tuple[float, float]) -> None:
        super().__init__()
        self.looks = list(looks)

    def locate_crops(self, crops: Any) -> Any:
        self.batches.append(len(crops))
        moved, sure = self.looks[len(self.batches) - 1]
        # Half as large as the crop, so that the crop around it is the same again where nothing moves.
        shape = 1.25 * (self.mean_shape - (0.5, 0.5)) + 0.5 + moved
        points = np.tile(shape, (len(crops), 1, 1))
        return points, np.full(points.shape[:2], sure)


@pytest.mark.parametrize(
    ("looks", "kept"),
    [
        # (shift of what is found as a share of the crop's side, confidence) of the two looks and the three elsewhere.
        ([(0.1, 0.3), (-0.1, 0.2), (0, 0.9), (0, 0.9), (0, 0.9)], "elsewhere"),
        ([(0.1, 0.3), (-0.1, 0.2), (0, 0.1), (0, 0.1), (0, 0.9)], "elsewhere"),
        ([(0.1, 0.3), (-0.1, 0.2), (0, 0.9), (0, 0.9), (0, 0.69)], "second"),  # not by enough
        ([(0.1, 0.1), (-0.1, 0.1), (0, 0.9), (0, 0.9), (0, 0.59)], "second"),  # not sure enough
        ([(0.1, 0.49), (-0.1, 0.2), (0, 0.9), (0, 0.9), (0, 0.88)], "second"),  # the first look counts
        ([(0.1, 0.1), (-0.1, 0.1), (0, 0.9), (0, 0.9), (0.3, 0.9)], "second"),  # not the same when looked at again
        ([(0.1, 0.1), (-0.1, 0.1), (0.6, 0.9), (0.6, 0.9), (0.1, 0.9)], "second"),  # far from the box
        ([(0.0, 0.3), (0.0, 0.2), (0, 0.9), (0, 0.9), (0, 0.9)], "second"),  # both looks agree
        ([(0.1, 0.51), (-0.1, 0.2), (0, 1.0), (0, 1.0), (0, 1.0)], "second"),  # the first was sure
        ([(0.1, 0.2), (-0.1, 0.51), (0, 1.0), (0, 1.0), (0, 1.0)], "second"),  # the second was
        ([(0.1, np.nan), (-0.1, np.nan), (0, np.nan), (0, np.nan), (0, np.nan)], "second"),  # it cannot tell
    ],
)
def test_what_is_found_elsewhere_must_be_better(looks: list[tuple[float, float]], kept: str) -> None:
    network = Scripted(*looks)
    predictor = Predictor(network, detector=Known([]))
    _, confidence = predictor.locate_boxes(np.zeros((300, 400, 3), np.uint8), np.array([[100.0, 80, 200, 180]]))
    assert confidence.mean() == pytest.approx(looks[-1 if kept == "elsewhere" else 1][1], nan_ok=True)


def test_confidence_stays_with_its_face_in_every_batch() -> None:
    """Of 70 faces in one picture, each of its own confidence: three batches of the network."""

    class Brightness(BrightSpot):
        def locate_crops(self, crops: Any) -> Any:
            points, _ = super().locate_crops(crops)
            return points, crops.max(axis=(1, 2)) / 255.0

    image = np.zeros((400, 500, 3), np.uint8)
    truth, values = [], np.arange(70) * 2 + 100
    for i, value in enumerate(values):
        one, points = paint((25 + 45 * (i % 10), 25 + 52 * (i // 10)), 26, canvas=np.zeros_like(image))
        image = np.maximum(image, (one * (value / 255)).astype(np.uint8))
        truth.append(points)
    boxes = np.stack([box_around(points) for points in truth])
    found = Predictor(Brightness(), detector=Known(boxes), refine=False)(image)
    assert found.confidence.mean(axis=1) == pytest.approx(values / 255, abs=0.02)
    assert np.abs(found.landmarks - np.stack(truth)).max() < 3


def test_several_images_in_one_call() -> None:
    pictures = [paint((60 + 50 * i, 100 + 20 * i), 60 + 10 * i) for i in range(5)]
    network = BrightSpot()
    predictor = Predictor(network, detector=Known([]))
    images, boxes = [image for image, _ in pictures], [box_around(points) for _, points in pictures]
    found = predictor.batch(images, boxes, names=list("abcde"))
    assert network.batches == [5, 5]
    assert [faces.image for faces in found] == list("abcde")
    assert np.abs(np.concatenate([f.landmarks for f in found]) - [p for _, p in pictures]).max() < 3
    assert [len(f) for f in predictor([images[0], images[1]], [boxes[0], []])] == [1, 0]
    assert [len(f) for f in predictor(images)] == [0] * 5, "without boxes the detector is asked"
    assert predictor.batch([]) == []
    with pytest.raises(ValueError, match="2 images need as many entries of boxes, not 1"):
        predictor.batch(images[:2], boxes[:1])
    assert len(predictor(images[0], [])) == 0


def test_boxes_may_depend_on_the_image(tmp_path: Path) -> None:
    for name, size in (("a", (300, 200)), ("b", (100, 400))):
        PIL.fromarray(np.zeros((*size[::-1], 3), np.uint8)).save(tmp_path / f"{name}.png")
    asked = []

    def boxes(name: str, size: tuple[int, int]) -> Any:
        asked.append((Path(name).name, size))
        return [] if "b" in Path(name).name else [0, 0, *size]

    found = [faces for _, faces in Predictor(BrightSpot()).stream(tmp_path, boxes=boxes)]
    assert asked == [("a.png", (300, 200)), ("b.png", (100, 400))]
    assert [faces.boxes.tolist() for faces in found] == [[[0, 0, 300, 200]], []]


def test_a_predictor_can_be_pickled() -> None:
    image, points = paint((200, 150), 100)
    for detector in ("mtcnn", Known(box_around(points))):
        predictor = Predictor("default", detector=detector, threads=1)
        expected = predictor(image, box_around(points))
        assert predictor.detector.name in ("mtcnn", "known")
        again = pickle.loads(pickle.dumps(predictor))
        assert again.detector.name == predictor.detector.name
        assert again(image, box_around(points)).landmarks.tolist() == expected.landmarks.tolist()


def test_a_huge_jpeg_is_decoded_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if 100 megapixels were 40,000: the picture of 400 x 300 is read at a half."""
    image, points = paint((203, 151), 100)
    PIL.fromarray(image).save(tmp_path / "a.jpg", quality=98)
    PIL.fromarray(image).save(tmp_path / "a.png")
    for module in ("header", "read"):
        monkeypatch.setattr(f"acrloss.images.{module}.MAX_PIXELS", 40_000)
    box = box_around(points)
    (pixels, found), *_ = Predictor(BrightSpot()).stream(tmp_path / "a.jpg", boxes=box)
    assert (pixels.shape, found.reduced) == ((150, 200, 3), 2)
    assert found.landmarks[0] == pytest.approx(points, abs=1.5)
    assert found.boxes[0] == pytest.approx(box)
    drawn = found.draw(pixels)
    assert drawn.shape == (300, 400, 3), "tiny pictures are enlarged"
    changed = np.abs(drawn.astype(int) - cv2.resize(pixels, (400, 300), interpolation=cv2.INTER_CUBIC)).max(axis=2) > 40
    y, x = np.nonzero(changed)
    assert [x.min(), y.min(), x.max(), y.max()] == pytest.approx(box, abs=4)
    with pytest.raises(DataError, match="400 x 300 pixels"):
        as_rgb(tmp_path / "a.png")


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
    mapped = predictor.map_boxes(Detections(box[None], np.ones(1)))
    assert mapped[0] == pytest.approx(network.box_maps["known"](box[None])[0])
    assert predictor.map_boxes(Detections(np.empty((0, 4)), np.empty(0))).shape == (0, 4)
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


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
def test_values_of_fewer_bits_in_uint16_are_scaled(bits: int, recwarn: pytest.WarningsRecorder) -> None:
    ramp = np.linspace(0, (1 << bits) - 1, 256).round().astype(np.uint16)
    image = np.dstack([ramp.reshape(16, 16)] * 3)
    assert np.abs(as_rgb(image)[..., 0].ravel().astype(int) - np.arange(256)).max() <= 1
    said = [str(w.message) for w in recwarn]
    assert len(said) == (bits < 16)
    assert all(f"read as {bits} bits" in line for line in said)


def test_alpha_is_no_brightness() -> None:
    image = np.zeros((4, 4, 4), np.uint16)
    image[..., 3] = 65535
    image[0, 0, :3] = 4095
    with pytest.warns(UserWarning, match="end at 4095"):
        assert as_rgb(image)[0, 0].tolist() == [255, 255, 255]


def test_every_mode_of_pil_gives_the_same_face() -> None:
    image, _ = paint((200, 150), 100)
    grey = image.max(axis=2)
    wide = grey.astype(np.uint16) * 257
    cases = {
        "L": PIL.fromarray(grey),
        "I;16": PIL.fromarray(wide),
        "I;16B": PIL.frombytes("I;16B", (400, 300), wide.astype(">u2").tobytes()),
        "I": PIL.fromarray(wide.astype(np.int32)),
        "I of 8 bits": PIL.fromarray(grey.astype(np.int32)),
        "F to 1": PIL.fromarray((grey / 255).astype(np.float32)),
        "F to 255": PIL.fromarray(grey.astype(np.float32)),
        "F to 65535": PIL.fromarray(wide.astype(np.float32)),
        "P": PIL.fromarray(grey).convert("P"),
        "LA": PIL.fromarray(grey).convert("LA"),
        "RGBA": PIL.fromarray(grey).convert("RGBA"),
        "CMYK": PIL.fromarray(grey).convert("CMYK"),
    }
    for name, picture in cases.items():
        assert np.abs(as_rgb(picture).astype(int) - grey[..., None]).max() <= 1, name
    assert as_rgb(PIL.fromarray(grey > 128).convert("1")).max() == 255
    for bad in (np.full((4, 4), -1, np.int32), np.full((4, 4), np.nan, np.float32), np.full((4, 4), 70000, np.int32)):
        with pytest.raises(ValueError, match="values from 0 to 65535"):
            as_rgb(PIL.fromarray(bad))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_a_file_of_12_bits_in_16_is_read_as_its_array(suffix: str, tmp_path: Path) -> None:
    image = paint((200, 150), 100)[0]
    path = tmp_path / f"a.{suffix}"
    cv2.imwrite(str(path), (image.astype(np.uint16) * 16)[..., ::-1])
    with pytest.warns(UserWarning, match="16-bit images in .* end below 4096 and are read as 12 bits; scale them"):
        np.testing.assert_array_equal(as_rgb(path), image)
    with pytest.warns(UserWarning, match="values end at 4080 and are read as 12 bits"):
        np.testing.assert_array_equal(as_rgb(image.astype(np.uint16) * 16), image)


def test_almost_black_images_are_named(tmp_path: Path) -> None:
    dark = paint((200, 150), 100)[0] // 17
    cv2.imwrite(str(tmp_path / "a.png"), dark)
    with pytest.warns(UserWarning, match=r"a\.png is almost black .*brightest value is 15 of 255.*12 bits"):
        assert as_rgb(tmp_path / "a.png").max() == 15
    # PIL drops the lower bits of colours of 16 when it opens them.
    cv2.imwrite(str(tmp_path / "b.png"), dark.astype(np.uint16) * 257)
    with pytest.warns(UserWarning, match="the image is almost black .* or give the file's name"):
        assert as_rgb(PIL.open(tmp_path / "b.png")).max() == 15


@pytest.mark.parametrize(
    "boxes", [[1, 2, 3], [[1, 2, 3]], [5, 5, 4, 9], [0, 0, np.inf, 1], [[0, 0, 1, 1], [1, 1, 1, 2]]]
)
def test_impossible_boxes_are_refused(boxes: Any) -> None:
    with pytest.raises(ValueError, match="box"):
        check_boxes(boxes)


def test_one_box_or_several() -> None:
    assert check_boxes([0, 0, 1, 1]).shape == (1, 4)
    nothing: list[Any] = [np.empty((0, 4)), [], [[]], ()]
    for none in nothing:
        assert check_boxes(none).shape == (0, 4)


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


def test_every_common_kind_of_image_file_is_read_and_what_is_passed_over_is_named(tmp_path: Path) -> None:
    image, points = paint((200, 150), 100)
    picture = PIL.fromarray(image)
    for suffix, kind in (("jfif", "JPEG"), ("jpe", "JPEG"), ("JPG", "JPEG"), ("png", "PNG"), ("webp", "WEBP")):
        picture.save(tmp_path / f"{suffix}.{suffix}", kind, quality=95)
    picture.save(tmp_path / "avif.avif", quality=95)
    for name in ("IMG_1.HEIC", "x.jp2", "y.jp2", "clip.mp4", "a.pts", "LICENSE"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "deeper").mkdir()
    passed: list[PassedOver] = []
    files = image_files(tmp_path, passed)
    assert [path.name for path in files] == ["JPG.JPG", "avif.avif", "jfif.jfif", "jpe.jpe", "png.png", "webp.webp"]
    for found in Predictor(BrightSpot()).batch(files, [box_around(points)] * 6):
        assert found.landmarks[0] == pytest.approx(points, abs=1.5)
    others = ("IMG_1.HEIC", "LICENSE", "a.pts", "clip.mp4", "deeper", "x.jp2", "y.jp2")
    assert sorted(one.path.name for one in passed) == sorted(others)
    assert f"passed over: {tmp_path / 'a.pts'}: no image" in map(str, passed)
    lines = by_kind(passed)
    assert len(lines) == 6
    for words in (
        ("1 .heic file (convert it to JPEG", "IMG_1.HEIC"),
        ("2 .jp2 files (convert it", "x.jp2"),
        ("1 .mp4 file (videos are given by name)", "clip.mp4"),
        ("1 .pts file (no image)", "a.pts"),
        ("1 unnamed file (no image)", "LICENSE"),
        ("1 folder (give '", "/**/*.jpg' for what is in it)", "deeper"),
    ):
        assert any(all(word in line for word in words) for line in lines), words
    assert [path.name for path in image_files(f"{tmp_path}/*.jfif")] == ["jfif.jfif"]
    assert [path.name for path in image_files(f"{tmp_path}/j*")] == ["jfif.jfif", "jpe.jpe"]
    with pytest.raises(DataError, match=r"IMG_1\.HEIC: convert it to JPEG, as with: heif-convert"):
        as_rgb(tmp_path / "IMG_1.HEIC")
    with pytest.raises(DataError, match=r"no image matches .*\.HEIC; passed over 1 \.heic file \(convert it to JPEG"):
        image_files(f"{tmp_path}/*.HEIC")
    with pytest.raises(DataError, match="no such file or folder"):
        image_files("x" * 300)


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


@needs_300w
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_real_faces_are_found_however_they_are_turned(quarters: int) -> None:
    predictor = Predictor(threads=1, detector="mtcnn")
    for path in sorted((FACES_300W / "lfpw" / "testset").glob("*.pts"))[:3]:
        image = as_rgb(next(p for p in path.parent.glob(f"{path.stem}.*") if p.suffix != ".pts"))
        truth = read_pts(path)
        height, width = image.shape[:2]
        for _ in range(quarters):
            truth = np.stack([height - 1 - truth[:, 1], truth[:, 0]], axis=1)
            height, width = width, height
        found = predictor(np.ascontiguousarray(np.rot90(image, -quarters)), box_around(truth))
        side = float(np.ptp(truth, axis=0).max())
        assert np.linalg.norm(found.landmarks[0] - truth, axis=1).mean() < 0.05 * side
        assert found.certainty[0] > 0.8


def test_threads_of_a_loaded_network_are_refused() -> None:
    with pytest.raises(ValueError, match="give them to load_model"):
        Predictor(BrightSpot(), threads=2)
