"""Writing files so that an interruption leaves either the old content or the new, never half of it."""

import hashlib
import os
import tempfile
from pathlib import Path

from acrloss.errors import DataError


def write_atomic(path: str | Path, data: bytes | str) -> Path:
    """Write `data` to `path` through a temporary file in the same folder and one rename.

    Missing parent folders are made. Text is written as UTF-8.

    Raises:
        DataError: the folder cannot be made or written.
    """
    path = Path(path)
    payload = data.encode() if isinstance(data, str) else data
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(payload)
            # mkstemp makes private files; a result should be as readable as any other new file.
            umask = os.umask(0)
            os.umask(umask)
            Path(temporary).chmod(0o666 & ~umask)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise DataError(f"cannot write {path}: {error.strerror or error}; choose a folder you can write to") from error
    return path


def read_checked(path: Path, sha256: str) -> bytes:
    """The content of a file of the package.

    Raises:
        DataError: it is missing, or not the file with that SHA-256.
    """
    content = path.read_bytes() if path.is_file() else None
    digest = hashlib.sha256(content).hexdigest() if content is not None else "no file"
    if content is None or digest != sha256:
        raise DataError(f"{path} has SHA-256 {digest}, expected {sha256}; install acrloss again")
    return content
