"""Mapping a detector's boxes to a network's."""

import numpy as np
import pytest

from acrloss.boxes import best_match
from acrloss.crops.crop import CropSpec
from acrloss.detection.box_map import BoxMap, box_maps_from, fit_box_map
from acrloss.errors import DataError


def boxes(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 300, (count, 2))
    return np.concatenate([corners, corners + rng.uniform(40, 200, (count, 2))], axis=1)


def test_a_map_is_found_again_despite_wrong_faces() -> None:
    true = BoxMap(0.05, 0.2, 0.9, 1)
    detected = boxes(101)
    wanted = true(detected)
    wanted[::7] = boxes(15, 1)
    fitted = fit_box_map(detected, wanted)
    assert (fitted.dx, fitted.dy, fitted.scale) == pytest.approx((0.05, 0.2, 0.9), abs=1e-4)
    assert fitted.faces == 101


def test_mapped_boxes_give_the_wanted_crop() -> None:
    detected, wanted = boxes(1), boxes(1, 3)
    mapped = fit_box_map(detected, wanted)(detected)
    assert CropSpec().squares(mapped) == pytest.approx(CropSpec().squares(wanted), abs=1e-3)


def test_the_shift_turns_with_the_face() -> None:
    # 40 pixels wide and 90 high: of size 60, and its middle is 100, 200.
    box = np.array([[80.0, 155, 120, 245]])
    mapped = BoxMap(0.1, 0.5, 1.0, 1)
    centres: dict[int, tuple[float, float]] = {0: (106, 230), 90: (70, 206), 180: (94, 170), -90: (130, 194)}
    sine = 0.5**0.5
    centres[45] = (100 + (6 - 30) * sine, 200 + (6 + 30) * sine)
    for turn, (x, y) in centres.items():
        assert mapped(box, np.array([float(turn)]))[0] == pytest.approx([x - 30, y - 30, x + 30, y + 30])
    assert mapped(box)[0] == pytest.approx(mapped(box, np.zeros(1))[0])


def test_maps_survive_being_written() -> None:
    maps = {"yuface": BoxMap(0.1, -0.2, 1.5, 12)}
    assert box_maps_from({name: value.to_dict() for name, value in maps.items()}) == maps


@pytest.mark.parametrize("values", [(9, 0, 1), (0, float("nan"), 1), (0, 0, 0), (0, 0, 1e9)])
def test_an_impossible_map_is_refused(values: tuple[float, float, float]) -> None:
    with pytest.raises(ValueError, match="impossible"):
        BoxMap(*values, faces=1)


def test_without_faces_there_is_no_map() -> None:
    with pytest.raises(DataError, match="found none"):
        fit_box_map(np.empty((0, 4)), np.empty((0, 4)))


def test_the_matching_box_is_the_nearest_of_like_size() -> None:
    face = np.array([100.0, 100, 200, 200])
    others = np.array([[0.0, 0, 50, 50], [110, 105, 215, 220], [140, 140, 160, 160], [0, 0, 1000, 1000]])
    assert best_match(face, others) == 1
    assert best_match(face, others[[0, 2, 3]]) is None
    assert best_match(face, np.empty((0, 4))) is None
