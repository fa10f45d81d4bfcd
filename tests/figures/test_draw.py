from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from acrloss.crops.crop import apply_matrix
from acrloss.errors import DataError
from acrloss.figures import draw
from acrloss.images import encode
from acrloss.schemes import Scheme, get_scheme

DOTS = Scheme(name="dots", num_landmarks=3, flip=(0, 1, 2))
LINE = Scheme(name="line", num_landmarks=3, flip=(0, 1, 2), contours=(((0, 1, 2), False),))
POINTS = np.array([[60.0, 80.0], [200.0, 90.0], [330.0, 300.0]])


def grey(height: int = 400, width: int = 500, level: int = 120) -> NDArray[np.uint8]:
    return np.full((height, width, 3), level, dtype=np.uint8)


def at(image: NDArray[np.uint8], point: NDArray[np.float64]) -> tuple[int, ...]:
    x, y = np.round(point).astype(int)
    return tuple(image[y, x].tolist())


def test_draws_both_colours_at_the_landmarks_and_leaves_the_input_alone() -> None:
    image = grey()
    truth = POINTS + np.array([0, 40])
    picture = draw.draw_landmarks(image, POINTS, DOTS, reference=truth)
    assert picture.shape == image.shape
    assert picture.dtype == np.uint8
    assert (image == 120).all()
    for point, pair in zip(POINTS, truth, strict=True):
        assert at(picture, point) == draw.PREDICTION
        assert at(picture, pair) == draw.REFERENCE
        assert at(picture, (point + pair) / 2)[0] > 150, "a light line joins each pair"
    assert at(picture, np.array([20.0, 380.0])) == (120, 120, 120)


def test_contours_join_the_points() -> None:
    middle = (POINTS[0] + POINTS[1]) / 2
    assert at(draw.draw_landmarks(grey(), POINTS, DOTS), middle) == (120, 120, 120)
    red, _, blue = at(draw.draw_landmarks(grey(), POINTS, LINE), middle)
    assert blue > red + 80


@pytest.mark.parametrize(("side", "factor"), [(64, 5), (100, 4), (320, 1), (4000, 1)])
def test_tiny_images_are_enlarged_and_huge_ones_get_larger_dots(side: int, factor: int) -> None:
    points = np.array([[0.2, 0.2], [0.7, 0.3], [0.5, 0.8]]) * side
    image = grey(side, side)
    assert draw.enlargement(image) == factor
    picture = draw.draw_landmarks(image, points, DOTS)
    assert picture.shape == (side * factor, side * factor, 3)
    for point in draw.scale_points(points, factor):
        assert at(picture, point) == draw.PREDICTION
    painted = (picture == draw.PREDICTION).all(axis=2).sum() / 3
    radius = np.sqrt(painted / np.pi)
    assert max(1, side / 300) < radius < max(4, side / 60)


def test_scaling_moves_pixel_centres() -> None:
    # A pixel of an image enlarged five times becomes 5 x 5 pixels, whose centre is its middle one.
    assert draw.scale_points([[0, 3]], 5).tolist() == [[2.0, 17.0]]


def test_values_are_colours_from_dark_to_yellow() -> None:
    picture = draw.draw_landmarks(grey(), POINTS, DOTS, values=[0.0, 2.0, np.nan])
    assert np.abs(np.subtract(at(picture, POINTS[0]), (68, 1, 84))).max() <= 2
    assert np.abs(np.subtract(at(picture, POINTS[1]), (253, 231, 37))).max() <= 2
    assert at(picture, POINTS[2]) == (128, 128, 128)
    assert draw.value_colours([0.5, 7.0], (0, 1))[1] == draw.value_colours([1.0], (0, 1))[0]
    assert len(set(draw.value_colours(np.linspace(0, 1, 50)))) == 50


def test_hidden_landmarks_are_rings() -> None:
    image = grey(2000, 2000)
    picture = draw.draw_landmarks(image, POINTS * 5, DOTS, visible=[True, True, False])
    assert at(picture, POINTS[0] * 5) == draw.PREDICTION
    assert at(picture, POINTS[2] * 5) == (120, 120, 120)
    around = picture[1470:1531, 1620:1681].reshape(-1, 3)
    assert (around == draw.PREDICTION).all(axis=1).any()


def test_an_unsure_face_is_hollow_and_dashed() -> None:
    image, boxes = grey(), np.array([[40.0, 50, 190, 200], [240.0, 50, 390, 200]])
    faces = np.stack([boxes[i, :2] + [[30, 30], [120, 40], [75, 120]] for i in range(2)])
    picture = draw.draw_faces(image, faces, DOTS, boxes, np.array([False, True]))
    edges = [picture[50, int(x0) + 1 : int(x1)].max(axis=1) > 180 for x0, _, x1, _ in boxes]
    assert edges[0].all()
    assert 0.3 < edges[1].mean() < 0.7, "dashes"
    assert np.count_nonzero(np.diff(edges[1].astype(int)) == 1) in (7, 8)
    red, green, blue = picture[50, 241:390][edges[1]].mean(axis=0)
    assert red > green + 60
    assert blue > green + 60
    assert at(picture, faces[0, 0]) == draw.PREDICTION
    assert at(picture, faces[1, 0]) != draw.PREDICTION
    assert (draw.draw_faces(image, faces, DOTS, boxes) == draw.draw_faces(image, faces, DOTS, boxes, [0, 0])).all()


def test_missing_landmarks_are_left_out() -> None:
    points = POINTS.copy()
    points[1] = np.nan
    picture = draw.draw_landmarks(grey(), points, LINE)
    assert at(picture, POINTS[0]) == draw.PREDICTION
    assert (picture[60:120, 150:250] == 120).all()
    assert (draw.draw_landmarks(grey(), np.full((3, 2), np.nan), LINE) == 120).all()


def test_box_is_outlined() -> None:
    picture = draw.draw_landmarks(grey(), POINTS, DOTS, box=[20, 30, 450, 350])
    for point in ((235.0, 30.0), (235.0, 350.0), (20.0, 200.0), (450.0, 200.0)):
        assert min(at(picture, np.array(point))) > 180
    assert at(picture, np.array([235.0, 200.0])) == (120, 120, 120)


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(np.float64, (3, 2), elements=st.floats(-1e12, 1e12) | st.just(float("nan"))),
    hnp.arrays(np.float64, (3, 2), elements=st.floats(-500, 900) | st.just(float("nan"))),
    st.integers(1, 400),
)
def test_any_landmarks_can_be_drawn(points: NDArray[np.float64], truth: NDArray[np.float64], width: int) -> None:
    image = grey(50, width)
    picture = draw.draw_landmarks(image, points, LINE, reference=truth)
    factor = draw.enlargement(image)
    assert picture.shape == (50 * factor, width * factor, 3)
    assert (image == 120).all()


def test_wrong_input_is_explained() -> None:
    with pytest.raises(ValueError, match=r"landmarks of shape \(3, 2\), got \(4, 2\)"):
        draw.draw_landmarks(grey(), np.zeros((4, 2)), DOTS)
    with pytest.raises(ValueError, match="reference"):
        draw.draw_landmarks(grey(), POINTS, DOTS, reference=POINTS[:2])
    with pytest.raises(ValueError, match="values"):
        draw.draw_landmarks(grey(), POINTS, DOTS, values=[1.0])
    for image in (grey()[..., 0], grey().astype(np.float32), grey()[:0], "face.png"):
        with pytest.raises(ValueError, match="expected an"):
            draw.draw_landmarks(image, POINTS, DOTS)  # type: ignore[arg-type]


def test_face_tile_shows_the_face_where_its_map_says() -> None:
    image = grey(300, 400, 0)
    points = np.array([[250.0, 100.0], [330.0, 100.0], [290.0, 180.0], [np.nan, np.nan]])
    for x, y in points[:3].astype(int):
        image[y - 3 : y + 4, x - 3 : x + 4] = 255
    tile, matrix = draw.face_tile(image, points, size=240)
    assert tile.shape == (240, 240, 3)
    moved = apply_matrix(matrix, points)
    for point in moved[:3]:
        assert min(at(tile, point)) > 230
    # The square's side is 1.5 times the longer side of the landmarks' box: 120 pixels become 240.
    assert np.allclose(np.linalg.norm(moved[1] - moved[0]), 160)
    assert np.allclose((moved[:3].min(0) + moved[:3].max(0)) / 2, 119.5)
    with pytest.raises(ValueError, match="finite landmark"):
        draw.face_tile(image, np.full((4, 2), np.nan))


def test_contact_sheet_places_every_picture() -> None:
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (200, 200, 30)]
    pictures = [np.full((80, 80, 3), colour, np.uint8) for colour in colours]
    plain = draw.contact_sheet(pictures, columns=3, tile=100)
    spots = [(y, x) for y in (60, 165) for x in (50, 155, 260)][:4]
    assert [tuple(plain[spot].tolist()) for spot in spots] == colours
    assert (plain[150:, 240:] == 255).all(), "an empty place stays white"
    captioned = draw.contact_sheet(pictures, ["3.98 %\na.jpg", "", "x", "y"], columns=3, tile=100)
    assert captioned.shape[0] > plain.shape[0]
    assert captioned.shape[1] == plain.shape[1]
    assert (captioned[106:122, :110] < 128).any(), "the caption is dark below its picture"


def test_long_captions_stay_below_their_own_picture() -> None:
    pictures = [grey(100, 100)] * 2
    sheet = draw.contact_sheet(pictures, ["a_very_long_file_name" * 8 + ".jpg", ""], tile=150)
    below = sheet[160:]
    assert (below[:, :157] < 128).any()
    assert (below[:, 165:] == 255).all()


def test_contact_sheet_keeps_aspect_and_checks_its_input() -> None:
    sheet = draw.contact_sheet([grey(50, 100, 0)], tile=100)
    assert (sheet[15:25, 50] == 255).all()
    assert (sheet[40:70, 50] == 0).all()
    with pytest.raises(ValueError, match="at least one"):
        draw.contact_sheet([])
    with pytest.raises(ValueError, match="2 captions"):
        draw.contact_sheet([grey(), grey()], ["one"])
    with pytest.raises(ValueError, match="columns"):
        draw.contact_sheet([grey()], columns=0)


def test_png_keeps_red_red(tmp_path: Path) -> None:
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    path = encode.save_png(tmp_path / "new folder" / "face.png", image)
    stored = cv2.imread(str(path), cv2.IMREAD_COLOR)
    assert stored is not None
    assert (stored[..., ::-1] == image).all()
    assert [p.name for p in path.parent.iterdir()] == ["face.png"]
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write"):
        encode.save_png(tmp_path / "file" / "face.png", image)


def test_a_real_scheme_draws_all_its_contours() -> None:
    scheme = get_scheme("ibug68")
    angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    points = 200 + 150 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    picture = draw.draw_landmarks(grey(), points, scheme)
    for indices, closed in scheme.contours:
        for a, b in zip(indices, (*indices[1:], *(indices[:1] if closed else ())), strict=False):
            red, _, blue = at(picture, (points[a] + points[b]) / 2)
            assert blue > red + 40, (a, b)
