"""The rasteriser against closed forms."""

import numpy as np

from acrloss.synthetic import rasterise


def test_interpolation_is_exact_for_affine_values() -> None:
    random = np.random.default_rng(0)
    corners = np.array([[[5.0, 5.0], [55.0, 8.0], [20.0, 50.0]], [[55.0, 8.0], [58.0, 57.0], [20.0, 50.0]]])
    slope, start = random.normal(size=(2, 3)), random.normal(size=3)
    values = (corners @ slope + start).astype(np.float32)
    fragments = rasterise.draw(corners, 64)
    result = rasterise.interpolate(fragments, corners, values)
    expected = np.stack([fragments.column, fragments.row], axis=1) @ slope + start
    assert len(fragments.row) > 1000
    assert np.abs(result.T - expected).max() < 1e-3


def test_later_triangles_hide_earlier_ones() -> None:
    corners = np.array([[[0.0, 0.0], [40.0, 0.0], [0.0, 40.0]], [[0.0, 0.0], [20.0, 0.0], [0.0, 20.0]]])
    fragments = rasterise.draw(corners, 48)
    seen = np.full((48, 48), -1)
    seen[fragments.row, fragments.column] = fragments.triangle
    assert seen[3, 3] == 1
    assert seen[15, 20] == 0
    assert seen[40, 40] == -1


def test_area_is_positive_on_the_side_that_faces_the_camera() -> None:
    clockwise = np.array([[[0.0, 0.0], [4.0, 0.0], [0.0, 3.0]]])
    assert rasterise.signed_area(clockwise) == 12.0
    assert rasterise.signed_area(clockwise[:, ::-1]) == -12.0


def test_sample_is_bilinear_for_any_number_of_places() -> None:
    rows, columns = np.mgrid[:30, :40].astype(np.float32)
    texture = np.stack([rows, columns, rows + columns], axis=2)
    random = np.random.default_rng(1)
    for count in (1, 511, 512, 40000):
        x = random.uniform(0, 39, count).astype(np.float32)
        y = random.uniform(0, 29, count).astype(np.float32)
        colours = rasterise.sample(texture, x, y)
        assert colours.shape == (count, 3)
        # OpenCV interpolates with 1/32 pixel steps.
        assert np.abs(colours - np.stack([y, x, x + y], axis=1)).max() < 0.1


def test_triangles_outside_the_picture_are_found() -> None:
    inside = np.array([[10.0, 10.0], [20.0, 10.0], [10.0, 20.0]])
    corners = np.stack([inside, inside - 30, inside + 100, inside - 15])
    assert rasterise.reaches(corners, 64).tolist() == [True, False, False, True]
