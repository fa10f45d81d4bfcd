"""An image reference as pixels: files of any common type, synthetic faces, and images that lie in a COFW file."""

from acrloss.images.header import MAX_PIXELS, NO_IMAGE
from acrloss.images.read import image_size, read_image

__all__ = ["MAX_PIXELS", "NO_IMAGE", "image_size", "read_image"]
