from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.crops.crop import (
    CropSpec,
    apply_matrix,
    compose,
    crop_matrix,
    invert_matrix,
    lay_into_frame,
    normalized_landmarks,
    shrink,
    square_frame,
    to_crop_units,
    to_image,
    warp,
)
from acrloss.errors import DataError
from acrloss.schemes import generic_scheme

Float = NDArray[np.float64]
SIZE = 64
# Random placements: arguments of crop_matrix besides the square.
placements = st.fixed_dictionaries(
    {
        "rotation": st.floats(-180, 180),
        "scale": st.floats(0.7, 1.5),
        "translation": st.tuples(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2)),
        "mirror": st.booleans(),
    }
)


def texture(height: int, width: int, blur: float, seed: int = 0) -> NDArray[np.uint8]:
    noise = np.random.default_rng(seed).uniform(0, 1, (height, width, 3))
    smooth = np.asarray(cv2.GaussianBlur(noise, (0, 0), blur)) if blur else noise
    return np.asarray(255 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8)


def area_average(image: NDArray[np.uint8], matrix: Float, size: int, samples: int) -> Float:
    """Mean over samples² points of each pixel of the crop; a point takes the pixel of `image` that it lies in."""
    ticks = (np.arange(size * samples) + 0.5) / samples - 0.5
    points = np.rint(apply_matrix(invert_matrix(matrix), np.stack(np.meshgrid(ticks, ticks), axis=-1))).astype(int)
    x, y = points[..., 0], points[..., 1]
    inside = (x >= 0) & (y >= 0) & (x < image.shape[1]) & (y < image.shape[0])
    values = np.where(inside[..., None], image[y.clip(0, image.shape[0] - 1), x.clip(0, image.shape[1] - 1)], 0)
    return np.asarray(values.reshape(size, samples, size, samples, 3).mean(axis=(1, 3)))


def test_crop_units_span_the_crop_from_edge_to_edge() -> None:
    # A square from the outer edge of pixel 10 to the outer edge of pixel 49.
    matrix = crop_matrix(np.array([29.5, 29.5, 40.0]), 80)
    edges = np.array([[9.5, 9.5], [49.5, 49.5], [29.5, 29.5], [10.0, 49.0]])
    np.testing.assert_allclose(
        to_crop_units(edges, matrix, 80), np.array([[0, 0], [1, 1], [0.5, 0.5], [0.0125, 0.9875]])
    )
    # The same face in a crop of another size has the same crop units.
    other = crop_matrix(np.array([29.5, 29.5, 40.0]), 33)
    np.testing.assert_allclose(to_crop_units(edges, other, 33), to_crop_units(edges, matrix, 80), atol=1e-12)


def test_a_crop_at_the_image_s_own_resolution_is_a_cut_out() -> None:
    image = texture(90, 120, 0)
    crop = warp(image, crop_matrix(np.array([39.5, 51.5, 64.0]), SIZE), SIZE)
    np.testing.assert_array_equal(crop, image[20:84, 8:72])
    mirrored = warp(image, crop_matrix(np.array([39.5, 51.5, 64.0]), SIZE, mirror=True), SIZE)
    np.testing.assert_array_equal(mirrored, image[20:84, 8:72][:, ::-1])


def test_directions_of_the_placement() -> None:
    square = np.array([50.0, 50.0, 40.0])
    right = np.array([[60.0, 50.0]])  # to the right of the centre, a quarter of the crop away
    np.testing.assert_allclose(to_crop_units(right, crop_matrix(square, SIZE), SIZE), [[0.75, 0.5]])
    for change, expected in (
        ({"rotation": 90.0}, [[0.5, 0.75]]),  # clockwise on the screen: right turns to below
        ({"scale": 1.5}, [[0.875, 0.5]]),
        ({"translation": (0.1, -0.2)}, [[0.85, 0.3]]),
        ({"mirror": True}, [[0.25, 0.5]]),
        ({"translation": (0.1, 0.0), "mirror": True}, [[0.15, 0.5]]),
    ):
        options: dict[str, Any] = dict(change)
        matrix = crop_matrix(square, SIZE, **options)
        np.testing.assert_allclose(to_crop_units(right, matrix, SIZE), expected, atol=1e-12)


@settings(max_examples=50, deadline=None)
@given(placements, st.floats(10, 500), st.floats(-1000, 1000))
def test_coordinates_survive_the_way_there_and_back(placement: dict[str, Any], side: float, centre: float) -> None:
    matrix = crop_matrix(np.array([centre, -centre / 2, side]), SIZE, **placement)
    points = np.random.default_rng(0).uniform(-2000, 2000, (3, 5, 2))
    points[1, 2] = np.nan
    np.testing.assert_allclose(to_image(to_crop_units(points, matrix, SIZE), matrix, SIZE), points, atol=1e-8)
    other = crop_matrix(np.array([3.0, 4.0, 5.0]), 32, rotation=30)
    np.testing.assert_allclose(
        apply_matrix(compose(other, matrix), points), apply_matrix(other, apply_matrix(matrix, points)), atol=1e-6
    )
    identity = compose(matrix, invert_matrix(matrix))
    np.testing.assert_allclose(identity, [[1, 0, 0], [0, 1, 0]], atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(placements, st.floats(30, 300), st.tuples(st.floats(0.3, 0.7), st.floats(0.3, 0.7)))
def test_image_and_landmarks_move_together(placement: dict[str, Any], side: float, where: tuple[float, float]) -> None:
    matrix = crop_matrix(np.array([300.0, 260.0, side]), SIZE, **placement)
    landmark = to_image(np.array(where), matrix, SIZE)
    # A dot that is neither smaller than a few pixels of the image nor of the crop.
    spread = 1.8 / min(1.0, SIZE / side * placement["scale"])
    x, y = np.meshgrid(np.arange(600), np.arange(520))
    dot = 255 * np.exp(-((x - landmark[0]) ** 2 + (y - landmark[1]) ** 2) / (2 * spread**2))
    crop = warp(np.repeat(np.rint(dot).astype(np.uint8)[..., None], 3, axis=2), matrix, SIZE)
    weight = crop[..., 0].astype(float) * (crop[..., 0] > 8)
    found = np.array([(weight.sum(axis=0) * np.arange(SIZE)).sum(), (weight.sum(axis=1) * np.arange(SIZE)).sum()])
    expected = np.array(where) * SIZE - 0.5
    assert np.linalg.norm(found / weight.sum() - expected) < 0.3


@pytest.mark.parametrize("zoom", [1.01, 1.3, 4.0])
def test_magnification_is_cv2_s_bilinear_warp(zoom: float) -> None:
    image = texture(70, 90, 1.5)
    for rotation, mirror in ((0, False), (23, False), (-140, True)):
        matrix = crop_matrix(np.array([41.3, 30.2, SIZE / zoom]), SIZE, rotation=rotation, mirror=mirror)
        expected = np.asarray(cv2.warpAffine(image, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR))
        got = warp(image, matrix, SIZE)
        # cv2 rounds positions to 1/32 pixel, and the cut-out shifts them.
        assert np.abs(got.astype(int) - expected).max() <= 6
        assert np.abs(got.astype(int) - expected).mean() < 1


@pytest.mark.parametrize("rotation", [0.0, 17.0, 45.0])
def test_a_fine_checkerboard_becomes_grey(rotation: float) -> None:
    board = (255 * (np.indices((600, 600)).sum(axis=0) % 2)).astype(np.uint8)
    image = np.repeat(board[..., None], 3, axis=2)
    for side in (180.0, 410.0):
        matrix = crop_matrix(np.array([300.2, 299.7, side]), SIZE, rotation=rotation)
        crop = warp(image, matrix, SIZE).astype(float)
        plain = np.asarray(cv2.warpAffine(image, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR)).astype(float)
        assert np.abs(crop - 127.5).max() < 30
        assert crop.std() < 0.15 * plain.std()


@pytest.mark.parametrize(("side", "rotation"), [(200.0, 0.0), (200.0, 30.0), (520.0, 0.0), (520.0, -75.0)])
def test_minification_is_the_mean_over_each_pixel(side: float, rotation: float) -> None:
    image = texture(700, 640, 1.0, seed=3)
    matrix = crop_matrix(np.array([330.0, 350.0, side]), SIZE, rotation=rotation)
    expected = area_average(image, matrix, SIZE, 24)
    plain = np.asarray(cv2.warpAffine(image, matrix, (SIZE, SIZE), flags=cv2.INTER_LINEAR)).astype(float)
    error = np.abs(warp(image, matrix, SIZE) - expected).mean()
    # What is left is the softness of the bilinear samples.
    assert error < 0.4 * np.abs(plain - expected).mean()
    assert error < 3.5


def test_minification_is_exact_for_whole_factors() -> None:
    image = texture(512, 512, 0)
    crop = warp(image, crop_matrix(np.array([255.5, 255.5, 512.0]), SIZE), SIZE)
    expected = image.reshape(SIZE, 8, SIZE, 8, 3).mean(axis=(1, 3))
    assert np.abs(crop - expected).max() <= 1


@settings(max_examples=60, deadline=None)
@given(
    placements,
    st.integers(1, 40),
    st.integers(1, 40),
    st.floats(-200, 200),
    st.floats(-200, 200),
    st.floats(1, 1000),
)
def test_any_box_on_any_image_gives_a_crop(
    placement: dict[str, Any], width: int, height: int, x: float, y: float, side: float
) -> None:
    image = np.full((height, width, 3), 200, np.uint8)
    matrix = crop_matrix(np.array([x, y, side]), SIZE, **placement)
    crop = warp(image, matrix, SIZE)
    assert crop.shape == (SIZE, SIZE, 3)
    assert crop.dtype == np.uint8
    assert crop.max() <= 200
    # Where the crop shows the outside of the image it is black, two pixels of the crop apart from the border.
    ticks = np.arange(SIZE)
    points = apply_matrix(invert_matrix(matrix), np.stack(np.meshgrid(ticks, ticks), axis=-1).astype(float))
    margin = 2 * max(side / SIZE / placement["scale"], 1.0)
    outside = ((points < -margin) | (points > np.array([width, height]) + margin)).any(axis=-1)
    assert crop[outside].max(initial=0) == 0


def test_a_box_wholly_outside_is_black() -> None:
    image = np.full((50, 50, 3), 255, np.uint8)
    for square in ([500.0, 20.0, 40.0], [20.0, -5000.0, 3000.0], [1e7, 1e7, 10.0]):
        assert warp(image, crop_matrix(np.array(square), SIZE), SIZE).max() == 0
    part, to_part = shrink(image, np.array([[100.0, 100.0], [140.0, 140.0]]), 1.0)
    assert part.shape == (1, 1, 3)
    assert part.max() == 0
    assert np.isfinite(to_part).all()


def test_all_faces_are_laid_into_the_crop_at_once_and_to_the_last_bit() -> None:
    rng = np.random.default_rng(0)
    marks = rng.uniform(-300, 4000, (500, 7, 2)) * 10 ** rng.uniform(-2, 1, (500, 1, 1))
    marks[rng.random((500, 7)) < 0.2] = np.nan
    marks[:, 0] = rng.uniform(0, 100, (500, 2))
    faces = annotations(marks)
    for crop in (CropSpec(), CropSpec(size=97, enlargement=1.3)):
        one_by_one = [
            to_crop_units(points, crop_matrix(square, crop.size), crop.size)
            for points, square in zip(marks, crop.squares(crop.boxes(faces)), strict=True)
        ]
        np.testing.assert_array_equal(normalized_landmarks(faces, crop), one_by_one)


def test_faces_are_laid_over_a_frame() -> None:
    # A box of 20 x 10 about (30, 40): its square of side 20 goes over the one of side 4 about (1, -1).
    marks = np.array([[[20.0, 35.0], [40.0, 45.0], [30.0, 40.0], [np.nan, np.nan]]])
    framed = lay_into_frame(marks, np.array([[30.0, 40.0, 20.0]]), 4.0, np.array([1.0, -1.0]))
    np.testing.assert_allclose(framed, np.array([[[-1, -2], [3, 0], [1, -1], [np.nan, np.nan]]]))
    over_the_unit_square = np.array([[[0, 0.25], [1, 0.75], [0.5, 0.5], [np.nan, np.nan]]])
    np.testing.assert_allclose(square_frame(annotations(marks)), over_the_unit_square)


def annotations(landmarks: Float, boxes: Float | None = None) -> Annotations:
    names = [f"{i}.png" for i in range(len(landmarks))]
    return Annotations.create(names, landmarks, generic_scheme(landmarks.shape[1]), boxes=boxes, source="faces.csv")


def test_squares_are_enlarged_boxes() -> None:
    spec = CropSpec(size=SIZE, enlargement=1.5)
    np.testing.assert_allclose(spec.squares(np.array([[10.0, 20, 50, 40]])), [[30, 30, 60]])
    # A single landmark's box has no extent, but still a crop.
    single = annotations(np.array([[[7.0, 8.0]]]))
    (square,) = spec.squares(spec.boxes(single))
    np.testing.assert_allclose(square, [7, 8, 1])
    assert warp(texture(20, 20, 0), crop_matrix(square, SIZE), SIZE).max() > 0


def test_boxes_come_from_landmarks_or_from_the_data() -> None:
    marks = np.array([[[1.0, 2.0], [5.0, 9.0]], [[0.0, 0.0], [np.nan, np.nan]]])
    given_boxes = np.array([[0.0, 0, 10, 10], [1, 1, 2, 2]])
    faces = annotations(marks, given_boxes)
    # One landmark of two does not show where the face is.
    np.testing.assert_array_equal(CropSpec(box="landmarks").boxes(faces), [[1, 2, 5, 9], [1, 1, 2, 2]])
    np.testing.assert_array_equal(CropSpec(box="annotated").boxes(faces), given_boxes)
    np.testing.assert_array_equal(CropSpec().boxes(annotations(marks)), [[1, 2, 5, 9], [0, 0, 0, 0]])


def test_the_annotated_box_stands_in_where_too_few_landmarks_are_known() -> None:
    marks = np.random.default_rng(0).uniform(10, 90, (4, 9, 2))
    marks[0, 2:] = np.nan  # two landmarks
    marks[1, 3:] = np.nan  # three
    marks[2] = (50, 60)  # all on one point
    tight = annotations(marks).landmark_boxes()
    given_boxes = np.tile([0.0, 0, 100, 100], (4, 1))
    found = CropSpec().boxes(annotations(marks, given_boxes))
    np.testing.assert_array_equal(found, [given_boxes[0], tight[1], given_boxes[2], tight[3]])
    given_boxes[0] = np.nan
    np.testing.assert_array_equal(CropSpec().boxes(annotations(marks, given_boxes))[0], tight[0])


def test_faces_without_a_box_are_named() -> None:
    marks = np.ones((3, 2, 2))
    marks[2] = np.nan
    boxes = np.array([[0.0, 0, 9, 9], [np.nan] * 4, [np.nan] * 4])
    with pytest.raises(DataError, match=r"2 faces of faces.csv have no box \(first: 1.png\).*--crop.box landmarks"):
        CropSpec(box="annotated").boxes(annotations(marks, boxes))
    with pytest.raises(DataError, match=r"1 faces of faces.csv have no landmark \(first: 2.png\)"):
        CropSpec().boxes(annotations(marks))


def test_spec_checks_its_values_and_is_plain_data() -> None:
    for options, message in (
        ({"size": 8}, "16 to 4096"),
        ({"size": 5000}, "16 to 4096"),
        ({"box": "detector"}, "'landmarks' or 'annotated', not 'detector'"),
        ({"enlargement": 0.2}, "0.5 to 10"),
        ({"enlargement": float("nan")}, "0.5 to 10"),
    ):
        bad: dict[str, Any] = dict(options)
        with pytest.raises(ValueError, match=message):
            CropSpec(**bad)
    spec = CropSpec(80, "annotated", 1.7)
    assert spec.to_dict() == {"size": 80, "box": "annotated", "enlargement": 1.7}
    assert CropSpec(**spec.to_dict()) == spec
