import numpy as np
import pytest
from numpy.typing import NDArray

from acrloss.formats import read_annotations
from acrloss.schemes import get_scheme
from acrloss.schemes.maps import map_landmarks, scheme_maps
from acrloss.schemes.mirror import check_flip
from conftest import mean_face
from real_data import FACES_300W, needs_300w


def numbered(count: int) -> NDArray[np.float64]:
    """Landmarks that tell their own numbers."""
    return np.stack([np.arange(float(count)), -np.arange(float(count))], axis=1)


def test_98_to_68_picks_the_points_of_either_outline() -> None:
    mapped = map_landmarks(numbered(98), "wflw98", "ibug68")[:, 0].astype(int).tolist()
    assert len(set(mapped)) == 68
    source, target = get_scheme("wflw98").regions, get_scheme("ibug68").regions
    for region, points in target.items():
        assert {mapped[m] for m in points} <= set(source[region]), region
    # Chin, outer and inner eye corners, nose tip, mouth corners.
    named = {8: 16, 36: 60, 39: 64, 42: 68, 45: 72, 30: 54, 48: 76, 54: 82, 60: 88, 64: 92}
    assert {m: mapped[m] for m in named} == named


@pytest.mark.parametrize(("source", "target"), scheme_maps())
def test_mapping_and_mirroring_can_change_places(source: str, target: str) -> None:
    """A map that picked a point of the wrong side, or a wrong neighbour, would not commute with the flip."""
    before, after = get_scheme(source), get_scheme(target)
    marks = np.random.default_rng(1).normal(size=(2, before.num_landmarks, 2))
    np.testing.assert_allclose(
        map_landmarks(before.permute(marks), source, target), after.permute(map_landmarks(marks, source, target))
    )


def test_68_to_29_on_a_plain_face() -> None:
    face = mean_face()
    mapped = map_landmarks(face, "ibug68", "cofw29")
    missing = np.flatnonzero(np.isnan(mapped).any(axis=1))
    assert missing.tolist() == [5, 7, 16, 17]
    x, y = mapped.T
    # Eyes: outer corner, upper lid, inner corner, lower lid; the lids' middles lie between the corners.
    for outer, inner, upper, lower in ((8, 10, 12, 13), (9, 11, 14, 15)):
        assert y[upper] < y[outer] < y[lower]
        np.testing.assert_allclose(x[upper], (x[outer] + x[inner]) / 2)
    # From the brows down to the chin, along the middle of the face.
    down = [4, 12, 20, 21, 24, 25, 26, 27, 28]
    assert (np.diff(y[down]) > 0).all()
    np.testing.assert_allclose(x[[20, 21, 24, 25, 26, 27, 28]], 0, atol=1e-9)
    # The subject's right is on the picture's left.
    for right, left in ((0, 1), (2, 3), (4, 6), (8, 9), (10, 11), (18, 19), (22, 23)):
        assert x[right] < 0 < x[left]


def test_98_to_29_has_the_pupils_and_agrees_with_the_way_through_68() -> None:
    marks = np.random.default_rng(2).normal(size=(3, 98, 2))
    direct = map_landmarks(marks, "wflw98", "cofw29")
    through = map_landmarks(map_landmarks(marks, "wflw98", "ibug68"), "ibug68", "cofw29")
    np.testing.assert_array_equal(direct[:, 16:18], marks[:, 96:98])
    direct[:, 16:18] = np.nan
    np.testing.assert_array_equal(direct, through)


def test_missing_landmarks_stay_missing() -> None:
    marks = np.random.default_rng(3).normal(size=(68, 2))
    marks[[8, 37]] = np.nan
    mapped = map_landmarks(marks, "ibug68", "cofw29")
    assert np.flatnonzero(np.isnan(mapped[:, 0])).tolist() == [5, 7, 12, 16, 17, 28]


def test_unknown_maps_and_wrong_shapes() -> None:
    with pytest.raises(ValueError, match="no landmarks of wflw98 are defined from those of cofw29; known: wflw98 to"):
        map_landmarks(numbered(29), "cofw29", "wflw98")
    with pytest.raises(ValueError, match=r"expected landmarks \(..., 98, 2\) of wflw98, got \(68, 2\)"):
        map_landmarks(numbered(68), "wflw98", "ibug68")


@needs_300w
def test_68_to_29_on_real_faces_is_a_mirror_symmetric_shape() -> None:
    faces = read_annotations(FACES_300W / "lfpw" / "testset").landmarks
    mapped = map_landmarks(faces, "ibug68", "cofw29")
    # What has no counterpart lies on its counterpart's place for this check: only the others can be wrong.
    mapped[:, [5, 7, 16, 17]] = mapped[:, [4, 6, 12, 14]]
    check_flip(get_scheme("cofw29"), mapped)
