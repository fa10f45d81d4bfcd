"""An image reference as pixels: files of any common type, synthetic faces, and images that lie in a COFW file."""

from acrloss.images.header import MAX_PIXELS, NO_IMAGE
from acrloss.images.orientation import image_orientation
from acrloss.images.read import image_size, read_image
from acrloss.images.suffixes import IMAGE_SUFFIXES

__all__ = ["IMAGE_SUFFIXES", "MAX_PIXELS", "NO_IMAGE", "image_orientation", "image_size", "read_image"]
