import pytest

from acrloss.formats.fields.keypoint_flags import keypoint_flags
from acrloss.notes import Note


def test_flags_as_people_write_them() -> None:
    notes: list[Note] = []
    known, visible = keypoint_flags(["0", 1, 2.0], "v", "here", notes)
    assert (known.tolist(), visible.tolist(), notes) == ([False, True, True], [False, False, True], [])
    known, visible = keypoint_flags([True, False, 0.93, 3, 1], "v", "here", notes)
    assert known.tolist() == [True, False, True, True, True]
    assert visible.tolist() == [True, False, True, True, False]
    (note,) = notes
    assert (note.kind, note.where, note.count) == ("guessed", "here", 4)


@pytest.mark.parametrize("values", [[-1], ["x"], [None], [float("nan")], ["1_0"]])
def test_flags_that_are_none(values: list[object]) -> None:
    with pytest.raises(ValueError, match=r"^v"):
        keypoint_flags(values, "v", "here", [])
