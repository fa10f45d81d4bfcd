"""What results are called: never two alike, whatever the photographs are called."""

import re
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from acrloss.prediction.result_names import face_prefixes, folded, result_names


def names(*paths: str) -> list[str]:
    return result_names([Path(path) for path in paths])


def test_names_are_stems_where_these_differ() -> None:
    assert names("x/a.jpg", "y/b.tar.png") == ["a", "b.tar"]


def test_equal_stems_keep_their_folders() -> None:
    assert names("in/1/a.jpg", "in/2/a.jpg", "in/b.jpg") == ["1/a", "2/a", "b"]
    assert names("in/a.jpg", "in/deep/er/a.png") == ["a", "deep/er/a"]


def test_equal_stems_of_one_folder_keep_their_suffixes() -> None:
    assert names("a.jpg", "a.png", "b.png") == ["a.jpg", "a.png", "b"]
    assert names("a.jpg", "a.png", "a.jpg.png") == ["a.jpg", "a.png", "a.jpg~2"]
    assert names("a.jpg", "A.jpg") == ["a.jpg", "A.jpg~2"], "one file on many disks"


def test_names_fit_into_every_file_system() -> None:
    long = "x" * 250
    first, second = names(f"{long}1.jpg", f"{long}2.jpg")
    assert first != second
    assert all(len(name) == 200 and name.startswith("x" * 191) for name in (first, second))
    (umlauts,) = names("ä" * 127 + ".jpg")
    assert len(umlauts.encode()) <= 200
    assert names("a\x1b[31mb\n.jpg") == ["a_[31mb_"]


def test_a_photograph_named_by_dots_has_a_name() -> None:
    assert result_names([Path("..jpg"), Path("b/..jpg"), Path("a/...jpg")]) == [".", "b/.", "a/.."]
    assert result_names([Path("A.jpg"), Path("..jpg"), Path("a.jpg")]) == ["A.jpg", ".", "a.jpg~2"]


def test_further_faces_do_not_take_the_names_of_other_photographs() -> None:
    assert face_prefixes(["a", "b"]) == ["a_", "b_"]
    assert face_prefixes(["a", "a_2"]) == ["a__", "a_2_"]
    assert face_prefixes(["A", "a_7"]) == ["A__", "a_7_"]
    assert face_prefixes(["a", "a_2", "a_"]) == ["a__", "a_2_", "a___"]
    assert face_prefixes(["a"], earlier=["a_3"]) == ["a__"]


@given(st.lists(st.text("aA_12.", min_size=1, max_size=5), min_size=1, max_size=8, unique=True))
@settings(max_examples=300, deadline=None)
def test_no_two_photographs_ever_share_a_result(stems: list[str]) -> None:
    found = result_names([Path(f"{stem}.jpg") for stem in stems])
    prefixes = face_prefixes(found)
    files = [
        folded(file)
        for name, prefix in zip(found, prefixes, strict=True)
        for file in (f"{name}.json", f"{name}.png", f"{name}.pts", *(f"{prefix}{k}.pts" for k in range(1, 40)))
    ]
    assert len(files) == len(set(files))
    assert not any(re.search(r"[/\x00]", name) for name in found)
