import pytest

from acrloss.errors import DataError
from acrloss.formats.fields.landmark_names import LandmarkNames


def test_order_of_names() -> None:
    assert list(LandmarkNames("f", {("10", "9", "1"): 1, ("2",): 1}).places) == ["1", "2", "9", "10"]
    assert list(LandmarkNames("f", {("p10", "p9", "chin"): 1}).places) == ["chin", "p9", "p10"]
    assert list(LandmarkNames("f", {("b", "0", "a"): 1, ("007",): 1}).places) == ["0", "7", "a", "b"]
    assert list(LandmarkNames("f", {("b", "a"): 1}, ["b", "c", "a"]).places) == ["b", "c", "a"]
    huge = "9" * 100_000
    assert list(LandmarkNames("f", {(huge, "8", "1" + huge): 1}).places) == ["8", huge, "1" + huge]
    assert len(LandmarkNames("f", {})) == 0


def test_arrange() -> None:
    order = LandmarkNames("f", {("2", "1", "0"): 1})
    assert order.arrange(("02", "0")).tolist() == [2, 0]
    with pytest.raises(ValueError, match="two landmarks are named '2'"):
        order.arrange(("2", "02"))
    with pytest.raises(ValueError, match="unknown landmark name '3'"):
        order.arrange(("3",))


def test_senseless_names_are_refused() -> None:
    with pytest.raises(DataError, match="names must be a list"):
        LandmarkNames("f", {}, "abc")
    with pytest.raises(DataError, match="there twice"):
        LandmarkNames("f", {}, ["a", "b", "a"])
    with pytest.raises(DataError, match="f: 10001 different landmark names"):
        LandmarkNames("f", {tuple(map(str, range(10_001))): 1})
    # A thousand landmarks that every face has are fine, however many faces; if hardly any has them they are not.
    full = tuple(map(str, range(1000)))
    assert len(LandmarkNames("f", {full: 100_000})) == 1000
    with pytest.raises(DataError, match="100001 faces share hardly any of 1000 landmark names"):
        LandmarkNames("f", {full: 1, ("0",): 100_000})
