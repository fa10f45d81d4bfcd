"""What tells whether data is what it was: when a run goes on, and when a study takes over the runs that it has."""

import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path

from acrloss.annotations import Annotations
from acrloss.errors import DataError

# Of each image its size and so many bytes of beginning, middle and end are looked at: large folders are not read whole.
_SAMPLE = 8192


def data_fingerprint(annotations: Annotations) -> dict[str, str]:
    """A hash of each part of the data, so that it can be said what changed; a moved or renamed folder does not matter.

    Annotations count to the last bit. Of image files their names, sizes, and 24 kB of each: a picture that was edited
    and saved again is another, and only in files that are not compressed a small retouch may be missed.
    """
    places = _below_common_folder(annotations.images)
    parts: dict[str, Iterable[bytes]] = {
        "image names": (name.encode(errors="surrogateescape") + b"\n" for name in places.values()),
        "image contents": map(_sample, dict.fromkeys(annotations.images)),
        "landmarks": (annotations.landmarks.tobytes(), annotations.visible.tobytes()),
        "boxes": (annotations.boxes.tobytes(),),
        "splits": ("\n".join(annotations.splits).encode(),),
        "subsets": (json.dumps([sorted(tags) for tags in annotations.subsets]).encode(),),
        "persons": ("\n".join(annotations.persons).encode(),),
        "scheme": (json.dumps(annotations.scheme.to_dict()).encode(),),
    }
    found = {"faces": str(len(annotations))}
    for name, contents in parts.items():
        digest = hashlib.sha256()
        for content in contents:
            digest.update(content)
        found[name] = digest.hexdigest()
    return found


def one_fingerprint(annotations: Annotations) -> str:
    """The whole `data_fingerprint` as one hash."""
    return hashlib.sha256(json.dumps(data_fingerprint(annotations), sort_keys=True).encode()).hexdigest()


def check_same_data(path: Path, annotations: Annotations) -> None:
    """Refuse to go on with other data than that of which `path` holds the fingerprint.

    Raises:
        DataError: says what changed.
    """
    try:
        before = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return  # a run of an older version has none
    if not isinstance(before, dict):
        return
    now = data_fingerprint(annotations)
    # Older versions kept other parts.
    changed = [name for name in now if before.get(name, now[name]) != now[name]]
    if changed:
        counts = f" ({before.get('faces')} faces then, {now['faces']} now)" if "faces" in changed else ""
        what = ", ".join(name for name in changed if name != "faces")
        raise DataError(
            f"{path.parent} was trained on other data: {what} changed{counts}; put the data back, or start another run"
        )


def _below_common_folder(images: Iterable[str]) -> dict[int, str]:
    """Face -> its image's path below the folder that holds all, so that the folder's own place does not count."""
    paths = [_file_and_item(image) for image in images]
    absolute = [os.path.abspath(file) for file, _ in paths]  # noqa: PTH100 (links stay as they are named)
    try:
        root = os.path.commonpath([os.path.dirname(file) for file in absolute])  # noqa: PTH120
    except ValueError:  # on several drives of Windows
        root = ""
    return {
        i: Path(os.path.relpath(file, root) if root else file).as_posix() + item
        for i, (file, (_, item)) in enumerate(zip(absolute, paths, strict=True))
    }


def _file_and_item(reference: str) -> tuple[str, str]:
    """A reference of an image as the file that holds it, and which one in it: "cofw://PATH/x.mat#IsTr/12"."""
    kind, inside, rest = reference.partition("://")
    if not inside:
        return reference, ""
    file, _, item = rest.rpartition("#")
    return file or rest, f"{kind}#{item}"


def _sample(reference: str) -> bytes:
    file = Path(_file_and_item(reference)[0])
    try:
        if not file.is_file():
            return b"none\n"  # synthetic faces, annotations without images, or a file that is gone
        size, parts = file.stat().st_size, []
        with file.open("rb") as content:
            for start in (0, size // 2, max(size - _SAMPLE, 0)):
                content.seek(start)
                parts.append(content.read(_SAMPLE))
    except (OSError, ValueError):
        return b"none\n"
    return hashlib.sha256(b"".join(parts)).digest() + f"{size}\n".encode()
