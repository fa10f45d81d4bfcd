"""Reading images that are needed several times in a short while."""

from acrloss.arrays import Image
from acrloss.images.read import read_image


class ReadOnce:
    """`read_image` that keeps what it has read until it is told to forget.

    Args:
        most_bytes: how much it keeps; images beyond that are read again whenever they are wanted.
    """

    def __init__(self, most_bytes: int = 1 << 29) -> None:
        self._room = self._most = most_bytes
        self._kept: dict[tuple[str, int], Image] = {}

    def __call__(self, reference: str, reduce: int = 1) -> Image:
        """As `read_image`; the array is not to be written into."""
        known = self._kept.get((reference, reduce))
        if known is not None:
            return known
        image = read_image(reference, reduce)
        if image.nbytes <= self._room:
            self._kept[reference, reduce] = image
            self._room -= image.nbytes
        return image

    def forget(self) -> None:
        """Let go of all images."""
        self._kept.clear()
        self._room = self._most
