"""The endings of image files that are looked for in folders."""

IMAGE_SUFFIXES = frozenset(
    {
        *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".avif", ".tif", ".tiff"),
        *(".ppm", ".pgm", ".gif"),
    }
)
