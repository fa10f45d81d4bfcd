"""Values of 16 bits as those of 8: many cameras fill 10, 12 or 14 bits of the 16 that a file or array has."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_BITS = (8, 10, 12, 14, 16)
# Steps of pictures of 8 bits that another program spread over 16; dark ones fill few bits, and are dark.
_SPREAD = (256, 257)


def bits_filled(values: NDArray[np.uint16]) -> int:
    """How many bits the values are of: the fewest of 8, 10, 12, 14 and 16 that the brightest needs.

    Every value counts, so that one that needs 16 bits makes it 16. So do values that are all multiples of 256 or 257.
    """
    brightest = int(values.max())
    bits = next(bits for bits in _BITS if brightest < 1 << bits)
    if 8 < bits < 16 and any(not (values % step).any() for step in _SPREAD):
        return 16
    return bits


def eight_bits(values: NDArray[np.uint16], bits: int) -> NDArray[np.uint8]:
    """Values of so many bits as those of 8."""
    return np.asarray(values >> (bits - 8), dtype=np.uint8)
