"""The face detector yuface (libfacedetection, BSD-3-Clause): compiled in, milliseconds a picture."""

import numpy as np

from acrloss.arrays import Float, Image
from acrloss.detection.detector import Detector, ScaledDetector


def create_yuface() -> Detector:
    """The detector for pictures of any size."""
    from threadpoolctl import ThreadpoolController
    from yuface.yuface import detect

    # Its OpenMP loops are short: beside other work their threads spend 20 times as long waiting for each other.
    threads = ThreadpoolController()

    def find(image: Image) -> tuple[Float, Float]:
        # A row a face: score in %, x, y, width, height, and five points.
        with threads.limit(limits=1, user_api="openmp"):
            rows = np.asarray(detect(np.ascontiguousarray(image[..., ::-1])), dtype=np.float64)
        rows = rows.reshape(-1, rows.shape[-1] if rows.size else 16)
        corners = rows[:, 1:3]
        return np.concatenate([corners, corners + rows[:, 3:5]], axis=1), rows[:, 0] / 100

    return ScaledDetector("yuface", find)
