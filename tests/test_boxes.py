"""Overlap and tight boxes against areas worked out by hand, and against counted cells of a grid."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from acrloss.boxes import best_match, centres_and_sizes, overlap, tight_box


def test_overlap_by_hand() -> None:
    box = np.array([0.0, 0.0, 4.0, 2.0])
    others = np.array([[0, 0, 4, 2], [2, 1, 6, 3], [4, 0, 8, 2], [1, 0, 2, 2], [-9, -9, -5, -5]], dtype=np.float64)
    # Areas 8 and 8; shared 8, 2, 0, 2, 0.
    np.testing.assert_allclose(overlap(box, others), [1, 2 / 14, 0, 2 / 8, 0])
    assert float(overlap(box, others[1])) == pytest.approx(2 / 14)
    assert float(overlap(np.array([1.0, 1, 1, 1]), np.array([1.0, 1, 1, 1]))) == 0


corners = st.tuples(st.integers(0, 12), st.integers(0, 12), st.integers(1, 9), st.integers(1, 9))


@given(corners, corners)
def test_overlap_counts_the_cells_of_a_grid(first: tuple[int, ...], second: tuple[int, ...]) -> None:
    def cells(box: tuple[int, ...]) -> set[tuple[int, int]]:
        x, y, width, height = box
        return {(i, j) for i in range(x, x + width) for j in range(y, y + height)}

    a, b = cells(first), cells(second)
    boxes = [np.array([x, y, x + w, y + h], dtype=np.float64) for x, y, w, h in (first, second)]
    assert float(overlap(*boxes)) == pytest.approx(len(a & b) / len(a | b))


def test_tight_box_leaves_missing_points_out() -> None:
    points = np.array([[[1.0, 9.0], [np.nan, np.nan], [4.0, 2.0]], [[np.nan] * 2] * 3])
    np.testing.assert_array_equal(tight_box(points), [[1, 2, 4, 9], [np.nan] * 4])
    np.testing.assert_array_equal(tight_box(points[0]), [1, 2, 4, 9])


def test_best_match_is_the_nearest_of_like_size() -> None:
    box = np.array([10.0, 20.0, 30.0, 50.0])  # centre 20, 35; longer side 30
    near, far, small = [12.0, 22, 32, 52], [40.0, 20, 60, 50], [19.0, 34, 21, 36]
    assert best_match(box, np.array([far, small, near])) == 2
    assert best_match(box, np.array([far, small])) is None
    assert best_match(box, np.empty((0, 4))) is None


def test_centres_and_sizes() -> None:
    centres, sizes = centres_and_sizes(np.array([[0.0, 0.0, 8.0, 2.0]]))
    np.testing.assert_array_equal(centres, [[4, 1]])
    np.testing.assert_array_equal(sizes, [[4]])
