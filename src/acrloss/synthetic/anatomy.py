"""Where the points of an average head lie: hand-placed anthropometric positions in millimetres.

Axes: x to the image's right (the person's left), y down, z towards the camera. The origin is midway between the outer
eye corners in x and y and between the ears in z. Only the half with x <= 0 is written; the other is its mirror image.
"""

import numpy as np
from numpy.typing import NDArray

from acrloss.schemes import get_scheme

# ibug68 landmarks of the half x <= 0 (the person's right), mouth closed, eyes open.
_LANDMARKS: dict[int, tuple[float, float, float]] = {
    0: (-73, -2, 2), 1: (-72, 18, 6), 2: (-70, 37, 11), 3: (-65.5, 56, 17), 4: (-58, 74, 26),
    5: (-47, 90, 42), 6: (-33, 103, 60), 7: (-17, 112, 77), 8: (0, 115, 84),
    17: (-59, -15, 64), 18: (-51, -22, 77), 19: (-39, -24.5, 88), 20: (-26, -22.5, 95), 21: (-13, -18, 98.5),
    27: (0, -3, 96), 28: (0, 10.5, 102.5), 29: (0, 24, 111), 30: (0, 37, 121),
    31: (-14, 46, 101), 32: (-7, 49, 106.5), 33: (0, 51, 109.5),
    36: (-45, 0.5, 71), 37: (-37.5, -4.8, 79), 38: (-27, -5, 83), 39: (-18.5, 2, 81), 40: (-27, 4.8, 82),
    41: (-37, 4.6, 78.5),
    48: (-27, 69, 93), 49: (-18, 64.4, 100.5), 50: (-8, 61.8, 106), 51: (0, 63.3, 107),
    57: (0, 80.5, 103), 58: (-9, 79.5, 102), 59: (-19, 75.5, 98),
    60: (-23.5, 69, 95.5), 61: (-9, 68.2, 103.5), 62: (0, 68.7, 104.5), 66: (0, 70, 104.5), 67: (-9, 69.5, 103.5),
}  # fmt: skip

# Points between the landmarks which give the head its form.
_FORM: tuple[tuple[float, float, float], ...] = (
    # Middle line: forehead, cranium, nape; nose tip underside, lips, chin, throat.
    (0, -22, 99.5), (0, -45, 99), (0, -70, 91), (0, -95, 70), (0, -112, 38), (0, -119, 0), (0, -112, -45),
    (0, -85, -80), (0, -40, -97), (0, 5, -92), (0, 45, -76), (0, 85, -62),
    (0, 44.5, 118), (0, 57, 106), (0, 66, 108), (0, 74.5, 108), (0, 87, 98), (0, 100, 100), (0, 109, 95),
    (0, 119, 66), (0, 119, 40), (0, 125, 10),
    # Forehead, temples and cranium.
    (-25, -45, 95), (-50, -45, 79), (-67, -45, 46), (-25, -75, 84), (-48, -75, 66), (-64, -75, 30), (-25, -99, 60),
    (-45, -97, 38), (-52, -104, -5), (-73, -50, 0), (-75, -20, -5), (-70, -50, -50), (-50, -88, -52),
    (-48, -45, -84), (-72, -10, -40), (-53, 0, -75), (-62, 35, -42), (-38, 45, -64), (-45, 85, -45),
    (-65, -16, 50), (-71, -14, 26), (-69, 4, 38),
    # Eye sockets and lids.
    (-31, -13, 88.5), (-45, -11, 79), (-19, -12, 89), (-31, 11, 84), (-44, 9.5, 74.5), (-20, 11, 86.5), (-12, 0, 88),
    # Nose flanks, tip and wings.
    (-5, 10, 99), (-11, 12, 91), (-6, 24, 106.5), (-14, 25, 92.5), (-6.5, 37, 117.5), (-7, 43.5, 114.5),
    (-13, 39, 108), (-16.5, 42, 102.5), (-19.5, 45, 94.5), (-18, 35, 94.5), (-10, 32, 107),
    # Cheeks.
    (-28, 25, 89), (-44, 24, 80.5), (-58, 22, 64), (-66, 15, 44), (-30, 43, 90), (-45, 43, 78), (-57, 44, 58),
    (-23, 55, 95), (-33, 62, 88.5), (-45, 63, 73), (-55, 62, 53), (-10, 56, 103.5),
    # Around the mouth and chin.
    (-9, 65, 107), (-18, 67, 102.5), (-9, 74.5, 106.5), (-18, 72.5, 102), (-31, 77, 86), (-18, 86, 93), (-41, 82, 66),
    (-13, 100, 96), (-26, 98, 82), (-12, 109, 90),
    # Behind and under the jaw.
    (-67, 25, -10), (-62, 52, -8), (-53, 83, 6), (-40, 101, 24), (-27, 112, 42), (-14, 117, 60),
)  # fmt: skip


def landmarks() -> NDArray[np.float64]:
    """Average landmarks, (68, 3) millimetres, exactly symmetric."""
    points = np.zeros((68, 3))
    for index, other in enumerate(get_scheme("ibug68").flip):
        if index in _LANDMARKS:
            points[index] = _LANDMARKS[index]
            points[other] = mirrored(points[index])
    return points


def form_points() -> NDArray[np.float64]:
    """All points that the head's surface passes through, landmarks first, (C, 3) millimetres, symmetric."""
    half = np.array(_FORM, dtype=np.float64)
    return np.concatenate([landmarks(), half, mirrored(half[half[:, 0] < 0])])


def mirrored(points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points (..., 3) reflected in the plane of symmetry x = 0."""
    return points * (-1.0, 1.0, 1.0)
