from typing import Any

import numpy as np
import pytest

from acrloss.annotations import Annotations, concatenate
from acrloss.schemes import Scheme, get_scheme

FIVE = Scheme("five", 5, (1, 0, 2, 4, 3))


def make(count: int = 6, **changes: Any) -> Annotations:
    marks = np.arange(count * 10, dtype=float).reshape(count, 5, 2)
    values: dict[str, Any] = {
        "splits": ["train", "test", "train", "val", "test", ""][:count],
        "subsets": [frozenset({"full", "hard"} if i % 2 else {"full"}) for i in range(count)],
        "persons": [f"person {i // 2}" for i in range(count)],
        "source": "faces",
    }
    return Annotations.create([f"{i}.jpg" for i in range(count)], marks, FIVE, **(values | changes))


def test_defaults_say_that_nothing_is_known() -> None:
    marks = np.zeros((2, 5, 2))
    marks[0, 3] = np.nan
    faces = Annotations.create(["a.jpg", "b.jpg"], marks, FIVE)
    assert faces.visible.tolist() == [[True, True, True, False, True], [True] * 5]
    assert np.isnan(faces.boxes).all()
    assert faces.boxes.shape == (2, 4)
    assert faces.persons == faces.splits == ("", "")
    assert faces.subsets == (frozenset(), frozenset())
    assert faces.source == ""
    assert faces.skipped == ()


def test_arrays_cannot_be_changed_from_in_or_outside() -> None:
    marks = np.zeros((1, 5, 2))
    faces = Annotations.create(["a.jpg"], marks, FIVE)
    marks[:] = 7
    assert (faces.landmarks == 0).all()
    for array in (faces.landmarks, faces.visible, faces.boxes):
        with pytest.raises(ValueError, match="read-only"):
            array[:] = 1
    with pytest.raises(AttributeError):
        faces.source = "other"  # type: ignore[misc]


def test_wrong_lengths_and_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"landmarks: expected shape \(1, 5, 2\) \(five\), got \(1, 4, 2\)"):
        Annotations.create(["a.jpg"], np.zeros((1, 4, 2)), FIVE)
    with pytest.raises(ValueError, match=r"boxes: expected shape \(1, 4\)"):
        Annotations.create(["a.jpg"], np.zeros((1, 5, 2)), FIVE, boxes=np.zeros(4))
    with pytest.raises(ValueError, match=r"visible: expected shape \(1, 5\)"):
        Annotations.create(["a.jpg"], np.zeros((1, 5, 2)), FIVE, visible=np.ones((1, 4)))
    with pytest.raises(ValueError, match="persons: expected 1 entries, got 2"):
        Annotations.create(["a.jpg"], np.zeros((1, 5, 2)), FIVE, persons=["x", "y"])
    with pytest.raises(ValueError, match="infinite"):
        Annotations.create(["a.jpg"], np.full((1, 5, 2), np.inf), FIVE)


def test_select_by_index_and_mask_keeps_rows_together() -> None:
    faces = make(boxes=np.arange(24.0).reshape(6, 4), skipped=["x.pts: bad"])
    chosen = faces.select([4, 1])
    assert chosen.images == ("4.jpg", "1.jpg")
    np.testing.assert_array_equal(chosen.landmarks, faces.landmarks[[4, 1]])
    np.testing.assert_array_equal(chosen.boxes, faces.boxes[[4, 1]])
    assert chosen.persons == ("person 2", "person 0")
    assert chosen.subsets == (frozenset({"full"}), frozenset({"full", "hard"}))
    assert chosen.skipped == ("x.pts: bad",)
    assert faces.select(np.array([True, False, False, False, False, True])).images == ("0.jpg", "5.jpg")
    assert len(faces.select([])) == 0
    with pytest.raises(ValueError, match=r"mask of shape \(6,\), got \(2,\)"):
        faces.select([True, False])
    with pytest.raises(ValueError, match="1-D index array"):
        faces.select([0.5])
    with pytest.raises(IndexError):
        faces.select([6])


def test_splits_and_subsets() -> None:
    faces = make()
    assert faces.split_names == ["train", "test", "val"]
    assert faces.split("train").images == ("0.jpg", "2.jpg")
    assert faces.subset_names == ["full", "hard"]
    assert faces.subset("hard").images == ("1.jpg", "3.jpg", "5.jpg")
    empty = faces.split("none")
    assert len(empty) == 0
    assert empty.landmarks.shape == (0, 5, 2)
    assert empty.landmark_boxes().shape == (0, 4)
    assert empty.split_names == empty.subset_names == []


def test_landmark_boxes_leave_missing_points_out() -> None:
    marks = np.array([[[1, 9], [4, 2], [np.nan, np.nan], [3, 3], [2, 5]], [[np.nan, np.nan]] * 5], dtype=float)
    boxes = Annotations.create(["a", "b"], marks, FIVE).landmark_boxes()
    assert boxes[0].tolist() == [1, 2, 4, 9]
    assert np.isnan(boxes[1]).all()


def test_summary_is_one_line_with_all_counts() -> None:
    text = make(skipped=["a", "b"]).summary()
    assert text == (
        "faces: 6 objects; 5 landmarks (five); train 2, test 2, val 1, no split 1; subsets full 6, hard 3; "
        "3 people; 2 left out; 1 in no split, used by nobody"
    )
    assert Annotations.create([], [], FIVE).summary() == "0 objects; 5 landmarks (five)"


def test_concatenate_keeps_order_and_messages() -> None:
    joined = concatenate([make(2, skipped=["one"]), make(3, source="more", skipped=["two"])])
    assert joined.images == ("0.jpg", "1.jpg", "0.jpg", "1.jpg", "2.jpg")
    assert joined.landmarks.shape == (5, 5, 2)
    assert joined.source == "faces + more"
    assert joined.skipped == ("one", "two")
    with pytest.raises(ValueError, match="at least one"):
        concatenate([])
    other = Annotations.create([], [], get_scheme("ibug68"))
    with pytest.raises(ValueError, match="scheme ibug68"):
        concatenate([make(), other])
