from acrloss.annotations import Annotations
from acrloss.notes import Note, counted, left_out, listed
from acrloss.schemes import Scheme

NOTES = [
    Note("changed", "box with its corners in order", "a.csv:7", "corners are put in order"),
    Note("left out", "without an image", "a.csv:2", "x.png: no such image file"),
    Note("left out", "cropped to 3 px", "a.csv:4", "too small"),
    Note("left out", "without an image", "", "a.csv:3: y.png: no such image file"),
    Note("ignored", "box without extent", "a.csv:5", "a box of 0 x 0 is none", 4),
    Note("ignored", "box without extent", "a.csv:6", "a box of 0 x 0 is none"),
]


def test_notes_are_counted_by_kind_and_reason() -> None:
    assert counted(NOTES) == [
        "3 left out: 2 without an image, 1 cropped to 3 px",
        "ignored: 5 × box without extent",
        "changed: 1 × box with its corners in order",
    ]
    assert counted([Note("left out", "", "", "a line")]) == ["1 left out"]
    assert counted([]) == []


def test_notes_as_lines() -> None:
    assert left_out(NOTES) == ["a.csv:2: x.png: no such image file", "a.csv:4: too small", str(NOTES[3])]
    assert str(NOTES[3]) == "a.csv:3: y.png: no such image file"
    assert listed(NOTES[:2]) == ("changed: a.csv:7: corners are put in order\na.csv:2: x.png: no such image file\n")
    # A fault of a file that names it already.
    assert str(Note("left out", "", "a.json", "a.json:3: not JSON")) == "a.json:3: not JSON"


def test_the_summary_ends_with_the_counts() -> None:
    two, marks = Scheme("two", 2, (1, 0)), [[[0, 0], [1, 1]]] * 4
    splits = ["train", "holdout", "holdout", "private"]
    faces = Annotations.create(list("abcd"), marks, two, splits=splits, notes=NOTES, official_faces={"private": 600})
    assert faces.summary().endswith(
        "3 left out: 2 without an image, 1 cropped to 3 px; ignored: 5 × box without extent; "
        "changed: 1 × box with its corners in order; 2 in split 'holdout', used by nobody"
    )
    # Faces without any split are all used.
    assert Annotations.create(list("abcd"), marks, two).remarks() == []
