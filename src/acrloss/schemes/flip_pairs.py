"""Flip pairs of an unknown landmark layout, found from the faces themselves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acrloss.arrays import Float
from acrloss.errors import DataError
from acrloss.schemes.mirror import MOST_ASYMMETRY, Complex, asymmetry, mirror
from acrloss.shapes.alignment import align_faces

_ANGLES = np.radians(np.arange(-30.0, 30.5, 2.5))
_ROUNDS = 20
_SUBSETS = 20
# A partner's mirror image further away than this (in root mean square radii), or not clearly nearer than the next
# landmark's, leaves room for doubt.
_FAR = 0.15
_AMBIGUOUS = 0.6
_MOST_FACES = 5000
_FEWEST = 5  # faces whose mean is taken


@dataclass(frozen=True, eq=False)
class FlipProposal:
    """Flip pairs and how sure they are.

    Attributes:
        flip: partner of each landmark, an involution; without pairs where the faces are not symmetric.
        mean: (M, 2) the mean of the most symmetric faces, upright, of root mean square radius 1.
        doubts: landmark -> why its partner is unsure; of faces that are not symmetric, those far from any partner's
            mirror image.
        num_faces: how many faces it is founded on.
        asymmetry: how many standard deviations of the faces the mean is from its mirror image under the best partners
            (`acrloss.schemes.mirror.asymmetry`).
        symmetric: whether it is at most `MOST_ASYMMETRY`, and any of the landmarks has a clear partner.
    """

    flip: tuple[int, ...]
    mean: Float
    doubts: dict[int, str]
    num_faces: int
    asymmetry: float
    symmetric: bool

    @property
    def pairs(self) -> list[tuple[int, int]]:
        """The pairs (m, partner) with m < partner."""
        return [(m, partner) for m, partner in enumerate(self.flip) if m < partner]

    @property
    def middle(self) -> list[int]:
        """Landmarks that are their own partners."""
        return [m for m, partner in enumerate(self.flip) if m == partner]


def propose_flip(landmarks: ArrayLike) -> FlipProposal:
    """The flip pairs of faces (N, M, 2), NaN where missing; most faces must stand upright.

    Each face is aligned with the mean shape. A mirror axis within 30° of upright is looked for that lays the mean's
    mirror image best over it; partners then follow from the mean of the most symmetric fifth of the faces (the mean of
    all depends on where they look), and the axis and the choice of faces from the partners, until nothing changes.
    The same is done on 20 random halves of the faces: where they disagree the pair is doubtful. A landmark that a face
    lacks is taken from the mean of all; faces that lack more than half are left out.

    Some partners fit best in any shape, so that they are proposed only where the mean's mirror image is about as near
    to the mean as the faces themselves are.

    Raises:
        DataError: there is one landmark only, or no mean shape can be made (see
            `acrloss.shapes.alignment.align_faces`).
        ValueError: another shape of array.
    """
    if np.asarray(landmarks).shape[1:2] == (1,):
        raise DataError("flip pairs need at least two landmarks; these faces have one")
    aligned, mean = align_faces(landmarks)
    faces = aligned[..., 0] + 1j * aligned[..., 1]
    faces = faces[np.isfinite(faces).mean(axis=1) > 0.5]
    faces = np.where(np.isfinite(faces), faces, mean[:, 0] + 1j * mean[:, 1])
    rng = np.random.default_rng(0)
    if len(faces) > _MOST_FACES:
        faces = faces[rng.permutation(len(faces))[:_MOST_FACES]]
    shape = mean[:, 0] + 1j * mean[:, 1]
    flip, upright = _refined(faces, shape)
    agreement = np.ones(len(shape))
    if len(faces) >= 10:
        votes = [
            _refined(half, half.mean(axis=0))[0]
            for half in (faces[rng.permutation(len(faces))[: len(faces) // 2]] for _ in range(_SUBSETS))
        ]
        agreement = (np.stack(votes) == flip).mean(axis=0)
    doubts = _doubts(upright, flip, agreement)
    amiss = asymmetry(landmarks, upright, flip)
    symmetric = amiss <= MOST_ASYMMETRY and len(doubts) < len(flip)
    return FlipProposal(
        tuple(flip.tolist()) if symmetric else tuple(range(len(flip))),
        np.stack([upright.real, upright.imag], axis=-1),
        doubts if symmetric else _strays(upright, flip),
        max(len(faces), 1),
        amiss,
        symmetric,
    )


def _refined(faces: Complex, shape: Complex) -> tuple[NDArray[np.intp], Complex]:
    """Partners, and the upright mean of the most symmetric faces, starting from a mean shape."""
    # The axis that leaves the least distance between the shape and its mirror image.
    angle = min(_ANGLES, key=lambda angle: float((_distances(shape * np.exp(-1j * angle)).min(axis=1) ** 2).sum()))
    flip = _matching(_distances(shape * np.exp(-1j * angle)))
    shape = shape * np.exp(-1j * angle)
    for _ in range(_ROUNDS):
        if len(faces) > 1:
            mirrored, turn = mirror(faces, flip)
            best = np.argsort(np.abs(mirrored - faces).mean(axis=1))[: max(_FEWEST, len(faces) // 5)]
            # Half the turn that lays the mirror image over a face makes the face upright.
            shape = (faces[best] / np.sqrt(turn[best])).mean(axis=0)
        else:
            shape = shape / np.sqrt(mirror(shape[None], flip)[1][0])
        shape = shape - shape.mean()
        shape = shape / np.sqrt((np.abs(shape) ** 2).mean())
        again = _matching(_distances(shape))
        if np.array_equal(again, flip):
            break
        flip = again
    return flip, shape


def _distances(shape: Complex) -> Float:
    """(M, M) distance of each landmark from the mirror image of each; symmetric, as the axis is the vertical."""
    return np.asarray(np.abs(shape[:, None] + np.conj(shape)[None]))


def _matching(distances: Float) -> NDArray[np.intp]:
    """An involution of little distance: each other's nearest become partners, then the nearest of what is left, and
    partners are exchanged while that helps.
    """
    count = len(distances)
    nearest = distances.argmin(axis=1)
    flip = np.where(nearest[nearest] == np.arange(count), nearest, -1)
    left = np.flatnonzero(flip < 0)
    first, second = (left[i] for i in np.triu_indices(len(left)))
    for k in np.argsort(distances[first, second], kind="stable"):
        a, b = int(first[k]), int(second[k])
        if flip[a] < 0 and flip[b] < 0:
            flip[a], flip[b] = b, a
    # A landmark of its own counts its squared distance once, a pair twice, so that sums are comparable.
    cost = 2 * distances**2
    np.fill_diagonal(cost, cost.diagonal() / 2)
    # Those with their nearest partner cannot gain; whoever can has a part in an exchange that helps.
    loose = np.flatnonzero(distances[np.arange(count), flip] > distances.min(axis=1) + 1e-12)
    for a in [*loose.tolist()] * 2:
        b = -1
        while (exchange := _exchange(cost, flip, a, b + 1)) is not None:
            b, pairs = exchange
            for x, y in pairs:
                flip[x], flip[y] = y, x
    return flip


def _exchange(cost: Float, flip: NDArray[np.intp], a: int, start: int) -> tuple[int, list[tuple[int, int]]] | None:
    """The first landmark from `start` on with which an exchange of partners helps `a`, and the pairs after it."""
    everyone = np.arange(len(flip))
    c, partners, single = int(flip[a]), flip, cost.diagonal()
    alone, mine = partners == everyone, everyone == c
    now = cost[a, c] + np.where(mine, 0, cost[everyone, partners])
    # a with b and their partners with each other; a with b's partner and b with a's; a and its partner alone; or b and
    # its partner.
    then = [
        np.where(alone & (c == a), cost[a], cost[a] + cost[c, partners]),
        np.where(mine, single[a] + single[c], cost[a, partners] + cost[c]),
        single[a] + single[c] + cost[everyone, partners],
        single + single[partners] + cost[a, c],
    ]
    possible = [~mine & (alone == (c == a)), mine | ~(alone | (c == a)), ~mine & (c != a), ~mine & ~alone]
    helps = np.stack(possible) & (np.stack(then) < now - 1e-12)
    helps[:, :start] = helps[:, a] = False
    better = np.flatnonzero(helps.any(axis=0))
    if not len(better):
        return None
    b = int(better[0])
    d = int(flip[b])
    kinds = [[(a, b), (c, d)], [(a, d), (b, c)], [(a, a), (c, c), (b, d)], [(b, b), (d, d), (a, c)]]
    return b, kinds[int(helps[:, b].argmax())]


def _doubts(shape: Complex, flip: NDArray[np.intp], agreement: Float) -> dict[int, str]:
    distances = _distances(shape)
    doubts = _strays(shape, flip)
    for m, partner in enumerate(flip.tolist()):
        others = np.delete(distances[m], partner)
        rival = int(np.delete(np.arange(len(shape)), partner)[others.argmin()])
        if m in doubts:
            continue
        if distances[m, partner] > _AMBIGUOUS * others.min():
            doubts[m] = f"{m} could go with {rival} nearly as well as with {partner}"
        elif agreement[m] < 0.9:
            doubts[m] = f"{m} goes with {partner} in only {100 * agreement[m]:.0f} % of random halves of the faces"
    # What is doubtful of one is of its partner.
    for m, why in list(doubts.items()):
        doubts.setdefault(int(flip[m]), why)
    return dict(sorted(doubts.items()))


def _strays(shape: Complex, flip: NDArray[np.intp]) -> dict[int, str]:
    """Landmarks whose partner's mirror image lies elsewhere, and how far."""
    distances = _distances(shape)
    strays: dict[int, str] = {}
    for m, partner in enumerate(flip.tolist()):
        if distances[m, partner] > _FAR:
            a, b = sorted((m, partner))
            what = f"{a} and {b} are no mirror images" if a != b else f"{m} has no partner"
            strays[m] = f"{what}: {distances[m, partner]:.2f} radii of the shape apart"
    return strays
