"""Where the images are that Label Studio's tasks name: by its own URLs of uploads and local files, or by any other."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

from acrloss.formats.fields.image_places import locate
from acrloss.images import IMAGE_SUFFIXES

# Label Studio puts eight digits before the name of a file that is uploaded.
_UPLOADED = re.compile(r"[0-9a-f]{8}-(.+)")
_MAX_URL = 4000


def referenced(data: object) -> str:
    """The path in what a task's data calls its image; "" where nothing in it looks like one."""
    if not isinstance(data, dict):
        return ""
    texts = {key: value for key, value in data.items() if isinstance(value, str)}
    for key in ("image", "img", *texts):
        name = _name(texts.get(key, ""))
        if Path(name).suffix.lower() in IMAGE_SUFFIXES:
            return name
    return ""


def uploads_of(names: Iterable[str]) -> Counter[str]:
    """How many uploads have each name: two of one name are two pictures, and a folder holds one under that name."""
    return Counter(match[1] for name in set(names) if (match := _UPLOADED.fullmatch(name.rpartition("/")[2])))


def located(name: str, folders: Sequence[Path], uploads: Counter[str]) -> str:
    """The image in the first folder that has it: by its whole path, its name, or its name before it was uploaded.

    Raises:
        ValueError: several of the uploads had that name.
    """
    last = name.replace("\\", "/").rpartition("/")[2]
    original = match[1] if (match := _UPLOADED.fullmatch(last)) else last
    # A local file's path may count from the root of the disk.
    for candidate in dict.fromkeys((name, f"/{name}", last, original)):
        image = locate(candidate, folders)
        if Path(image).exists():
            if candidate == original != last and uploads[original] > 1:
                raise ValueError(f"{uploads[original]} uploads are called {original}; rename {image} as {last}")
            return image
    return locate(original, folders)


def _name(url: str) -> str:
    """The path in a reference: of an upload, of a local file, of any URL, or as it stands."""
    if url.startswith("data:") or len(url) > _MAX_URL:
        return ""
    try:
        parts = urlsplit(url)
        asked = parse_qs(parts.query)
    except ValueError:
        return ""
    for key in ("d", "filepath"):
        if key in asked:
            return asked[key][0]
    return unquote(parts.path).removeprefix("/data/") if parts.scheme or url.startswith("/data/") else url
