import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from acrloss.errors import DataError
from acrloss.formats.synthetic import generate
from acrloss.schemes import Scheme, get_scheme
from acrloss.schemes.flip_pairs import propose_flip
from acrloss.schemes.mirror import asymmetry, check_flip

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
    # One landmark of the jaw alone has no partner.
    doubts = propose_flip(FACES[:, [4, *range(17, 68)]]).doubts
    assert "no mirror images" in doubts[0]
    assert len(doubts) < 10
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


def copies(outline: list[complex], count: int, noise: float = 0.02, seed: int = 0) -> Float:
    """(N, M, 2) an object's outline drawn again and again, a bit turned, sized and shaken; noise in radii."""
    rng = np.random.default_rng(seed)
    shape = np.array(outline) - np.mean(outline)
    shape = shape / np.sqrt((np.abs(shape) ** 2).mean())
    shaken = shape + noise * (rng.normal(size=(count, len(shape))) + 1j * rng.normal(size=(count, len(shape))))
    shaken = shaken * np.exp(1j * rng.normal(0, 0.09, (count, 1))) * rng.uniform(50, 90, (count, 1))
    return np.stack([shaken.real, shaken.imag], axis=-1)


def wings(count: int, points: int = 12, seed: int = 0) -> Float:
    """(N, points, 2) NACA four-digit sections of various thickness and camber, nose to the left: flat, so that the
    mirror image is never far."""
    rng = np.random.default_rng(seed)
    sections = []
    for _ in range(count):
        thick, camber, crest = rng.uniform(0.08, 0.16), rng.uniform(0, 0.04), rng.uniform(0.3, 0.5)
        chord = (1 - np.cos(np.linspace(0, np.pi, points // 2 + 1))) / 2
        x = np.concatenate([chord, chord[1:-1]])
        side = np.where(np.arange(points) <= points // 2, 1, -1)
        half = 5 * thick * (0.2969 * np.sqrt(x) - 0.126 * x - 0.3516 * x**2 + 0.2843 * x**3 - 0.1036 * x**4)
        line = np.where(x < crest, crest * 2 * x - x**2, 1 - 2 * crest + 2 * crest * x - x**2)
        line = camber * line / np.where(x < crest, crest, 1 - crest) ** 2
        z = (x - 1j * (line + side * half)) * np.exp(1j * rng.normal(0, 0.09)) * rng.uniform(80, 200)
        sections.append(z + 0.3 * (rng.normal(size=points) + 1j * rng.normal(size=points)))
    return np.stack([np.real(sections), np.imag(sections)], axis=-1)


LETTER_F = [0, 4, 4 + 1j, 1 + 1j, 1 + 3j, 3 + 3j, 3 + 4j, 1 + 4j, 1 + 7j, 7j]
LETTER_L = [0, 1, 1 + 6j, 4 + 6j, 4 + 7j, 7j]
CAR = [0, 1j, 0.3 - 1.3j, 1 - 1.5j, 1.6 - 2.3j, 3.2 - 2.4j, 4.2 - 1.6j, 5.2 - 1.4j, 5.3 - 0.5j, 5.2, 4.2, 1.1]


@pytest.mark.parametrize(
    "objects",
    [
        *(wings(5), wings(60), wings(60, points=20)),
        *(copies(LETTER_F, 5), copies(LETTER_F, 60), copies(LETTER_F, 60, noise=0.0), copies(LETTER_L, 60)),
        copies(CAR, 60),
        # One half of the face, and one half of the jaw with all the rest.
        FACES[:60, [*range(8), *range(17, 22), *range(36, 42), 31, 32, 48, 49]],
        FACES[:60, [0, 2, 4, *range(17, 68)]],
    ],
    ids=["5 wings", "wings", "wings of 20", "5 F", "F", "exact F", "L", "cars", "half faces", "one cheek"],
)
def test_no_symmetry_is_invented(objects: Float) -> None:
    proposal = propose_flip(objects)
    assert not proposal.symmetric
    assert proposal.asymmetry > 3
    assert proposal.flip == tuple(range(objects.shape[1]))
    assert proposal.pairs == []


LETTER_T = [0, 6, 6 + 1j, 3.5 + 1j, 3.5 + 7j, 2.5 + 7j, 2.5 + 1j, 1j]
T_PAIRS = (1, 0, 7, 6, 5, 4, 3, 2)


@pytest.mark.parametrize("faces", [FACES[:5], FACES[5:10], FACES[10:15], FACES[20:25]])
def test_few_faces_that_look_to_either_side_are_symmetric(faces: Float) -> None:
    proposal = propose_flip(faces[:, [36, 45, 30, 48, 54]])
    assert proposal.symmetric
    assert proposal.flip == (1, 0, 2, 4, 3)
    assert propose_flip(faces).symmetric


def test_what_is_almost_symmetric_is_symmetric() -> None:
    assert propose_flip(copies(LETTER_T, 60)).flip == T_PAIRS
    # One arm a tenth longer than the other, as a drawing has it; as long as both together is another letter.
    longer = [*LETTER_T[:1], 6.6, 6.6 + 1j, *LETTER_T[3:]]
    assert propose_flip(copies(longer, 60)).flip == T_PAIRS
    assert propose_flip(copies(longer, 60, noise=0.0)).flip == T_PAIRS
    assert not propose_flip(copies([*LETTER_T[:1], 9, 9 + 1j, *LETTER_T[3:]], 60)).symmetric


def test_missing_landmarks_change_neither_verdict() -> None:
    rng = np.random.default_rng(3)
    faces, sections = FACES[:40].copy(), wings(40)
    # No face is left with all 68, and few wings with all 12.
    faces[rng.random(faces.shape[:2]) < 0.1] = np.nan
    sections[rng.random(sections.shape[:2]) < 0.1] = np.nan
    assert not np.isfinite(faces).all(axis=(1, 2)).any()
    assert propose_flip(faces).flip == IBUG.flip
    assert not propose_flip(sections).symmetric


def test_asymmetry_by_hand() -> None:
    # Three landmarks with a middle that is off by 0.3: the mirror image is off by 0.6 there, once the centres are laid
    # over each other by 0.4 there and 0.2 at the other two.
    shape = np.array([-1, 1, 0.3 + 1j])
    faces = np.stack([shape.real, shape.imag], axis=-1)[None]
    spread = shape.real.std()
    length = np.sqrt(0.4**2 + 2 * 0.2**2) / spread
    still = asymmetry(faces, shape, [1, 0, 2])
    assert still == pytest.approx(length / (0.04 * np.sqrt(6)))
    assert still > 5
    # As much as the middle moves from face to face, too.
    swaying = np.concatenate([faces, faces, faces])
    swaying[1, 2, 0] += 0.9
    swaying[2, 2, 0] -= 0.9
    assert asymmetry(swaying, shape, [1, 0, 2]) < 1.5
    assert asymmetry(faces, np.array([-1, 1, 1j]), [1, 0, 2]) == 0


def test_pairs_of_what_is_not_symmetric_do_not_pass_the_check() -> None:
    # Each end goes with the other, and upper with upper side: no landmark is far from its partner's mirror image.
    pairs = (6, 5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7)
    with pytest.raises(
        DataError, match=r"scheme wing do not mirror these objects, which are not symmetric.*flip_pairs: \[\]"
    ):
        check_flip(Scheme("wing", 12, pairs), wings(60))
    check_flip(IBUG, FACES)
    check_flip(Scheme("letter", 8, T_PAIRS), copies(LETTER_T, 60))
