import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from acrloss.errors import DataError
from acrloss.formats.synthetic import generate
from acrloss.schemes import Scheme, get_scheme
from acrloss.schemes.flip_pairs import propose_flip

Float = NDArray[np.float64]
IBUG = get_scheme("ibug68")
FACES = generate(300, seed=11).landmarks


def mean_of(faces: Float, *marks: int) -> Float:
    return np.asarray(faces[:, list(marks)].mean(axis=1))


def cofw_like(faces: Float) -> Float:
    """The 29 landmarks of COFW made of the 68."""
    lower = [(17, 36), (26, 45)]
    points = {
        **{i: (m,) for i, m in enumerate((17, 26, 21, 22))},
        **{4: (18, 19, 20), 5: (*lower[0], 21, 39), 6: (23, 24, 25), 7: (*lower[1], 22, 42)},
        **{8: (36,), 9: (45,), 10: (39,), 11: (42,), 12: (37, 38), 13: (40, 41), 14: (43, 44), 15: (46, 47)},
        **{16: range(36, 42), 17: range(42, 48), 18: (31,), 19: (35,), 20: (30,), 21: (33,)},
        **{22: (48,), 23: (54,), 24: (51,), 25: (62,), 26: (66,), 27: (57,), 28: (8,)},
    }
    return np.stack([mean_of(faces, *points[i]) for i in range(29)], axis=1)


def along(points: Float, count: int, closed: bool) -> Float:
    """(N, count, 2) points at equal steps of the index along a polyline (N, K, 2)."""
    if closed:
        points = np.concatenate([points, points[:, :1]], axis=1)
    at = np.linspace(0, points.shape[1] - 1, count + closed)[: count or None][:count]
    low = np.minimum(at.astype(int), points.shape[1] - 2)
    part = (at - low)[None, :, None]
    return np.asarray(points[:, low] * (1 - part) + points[:, low + 1] * part)


def wflw_like(faces: Float) -> Float:
    """The 98 landmarks of WFLW made of the 68."""
    brows = []
    for upper, eye in ((range(17, 22), range(36, 40)), (range(22, 27), range(42, 46))):
        top = faces[:, list(upper)]
        under = 0.7 * along(top, 4, False) + 0.3 * faces[:, list(eye)]
        # The lower edge runs back, from the nose outwards on the right side and inwards on the left.
        brows.append(np.concatenate([top, under[:, ::-1]], axis=1))
    eyes = [along(faces[:, a : a + 6], 8, True) for a in (36, 42)]
    pupils = [faces[:, a : a + 6].mean(axis=1, keepdims=True) for a in (36, 42)]
    return np.concatenate([along(faces[:, :17], 33, False), *brows, faces[:, 27:36], *eyes, faces[:, 48:], *pupils], 1)


def check(faces: Float, scheme: Scheme) -> None:
    proposal = propose_flip(faces)
    wrong = [
        (m, proposal.flip[m], scheme.flip[m]) for m in range(len(scheme.flip)) if proposal.flip[m] != scheme.flip[m]
    ]
    assert not wrong, f"(landmark, proposed, true): {wrong}"


def test_the_pairs_of_68_29_and_98_landmarks() -> None:
    check(FACES, IBUG)
    check(cofw_like(FACES), get_scheme("cofw29"))
    # Of WFLW's lower brows this drawing knows only that they mirror; the scheme says the rest.
    proposal = propose_flip(wflw_like(FACES))
    scheme = get_scheme("wflw98")
    lower = {*range(38, 42), *range(47, 51)}
    assert all(proposal.flip[m] == scheme.flip[m] for m in range(98) if m not in lower)


def test_five_landmarks() -> None:
    proposal = propose_flip(FACES[:, [36, 45, 30, 48, 54]])
    assert proposal.flip == (1, 0, 2, 4, 3)
    assert proposal.pairs == [(0, 1), (3, 4)]
    assert proposal.middle == [2]
    assert proposal.doubts == {}
    assert proposal.num_faces == 300


@settings(max_examples=15, deadline=None)
@given(chosen=st.lists(st.integers(0, 67), min_size=3, max_size=24, unique=True), seed=st.integers(0, 1000))
def test_any_symmetric_part_of_a_face_in_any_order(chosen: list[int], seed: int) -> None:
    whole = np.random.default_rng(seed).permutation(sorted({*chosen, *(IBUG.flip[m] for m in chosen)})).tolist()
    true = tuple(whole.index(IBUG.flip[m]) for m in whole)
    proposal = propose_flip(FACES[:, whole])
    assert sorted(proposal.flip) == list(range(len(whole)))
    assert proposal.flip == true or proposal.doubts


def test_tilted_and_few_faces_and_a_mean_shape() -> None:
    angle = np.radians(20)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert propose_flip(FACES @ turn.T).flip == IBUG.flip
    assert propose_flip(FACES[:12]).flip == IBUG.flip
    mean = propose_flip(FACES).mean
    assert mean.shape == (68, 2)
    assert propose_flip(mean[None]).flip == IBUG.flip
    # Upright, so that partners are level.
    assert max(abs(mean[m, 1] - mean[partner, 1]) for m, partner in enumerate(IBUG.flip)) < 0.1


def test_missing_landmarks() -> None:
    faces = FACES.copy()
    faces[np.random.default_rng(0).random(faces.shape[:2]) < 0.005] = np.nan
    assert propose_flip(faces).flip == IBUG.flip
    faces[:, 4] = np.nan
    with pytest.raises(DataError, match="landmark 4 is missing in every face"):
        propose_flip(faces)


def test_doubts_are_said() -> None:
    # One cheek alone has no partner.
    half = [0, 2, 4, *range(17, 68)]
    doubts = propose_flip(FACES[:, half]).doubts
    assert doubts
    assert {0, 1, 2} & doubts.keys()
    # Two landmarks all but on one point.
    near = np.concatenate([FACES, FACES[:, [36, 45]] + 1e-3], axis=1)
    proposal = propose_flip(near)
    assert {36, 45, 68, 69} <= proposal.doubts.keys()
    assert "nearly as well" in proposal.doubts[36]
    with pytest.raises(DataError, match="at least two"):
        propose_flip(np.ones((3, 1, 2)) * [[[1, 2]]])


@given(st.integers(2, 12), st.integers(0, 100_000))
@settings(max_examples=20, deadline=None)
def test_nonsense_still_gives_an_involution(marks: int, seed: int) -> None:
    shapes = np.random.default_rng(seed).normal(size=(20, marks, 2))
    flip = propose_flip(shapes).flip
    assert sorted(flip) == list(range(marks))
    assert all(flip[flip[m]] == m for m in range(marks))
