"""The array types that everybody names."""

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]
"""Coordinates, boxes, errors: everything that is measured."""
Image = NDArray[np.uint8]
"""(H, W, 3) RGB pixels, the first row at the top."""
