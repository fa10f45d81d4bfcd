"""Finding the faces of a photograph: one small interface, and the detectors whose weights come in a package.

- "yuface" (libfacedetection, BSD-3-Clause): compiled in, milliseconds a picture; x86-64 Linux and Windows, Python 3.10
  and 3.11.
- "mtcnn" (`acrloss.detection.mtcnn`, MIT): slower, and for every machine that onnxruntime is for.

`benchmarks/detection.py` measures them.
"""

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass

from acrloss.detection.detector import Detector
from acrloss.detection.mtcnn import create_mtcnn
from acrloss.detection.yuface import create_yuface
from acrloss.errors import DataError


@dataclass(frozen=True)
class _Kind:
    module: str
    install: str
    create: Callable[[], Detector]


# The order in which "auto" tries them.
_KINDS = {
    "yuface": _Kind("yuface", "pip install yuface", create_yuface),
    "mtcnn": _Kind("onnxruntime", "pip install onnxruntime", create_mtcnn),
}


def detector_names() -> list[str]:
    """The names that `create_detector` takes, "auto" apart."""
    return list(_KINDS)


def installed_detectors() -> list[str]:
    """Those of `detector_names()` whose packages are installed."""
    return [name for name, kind in _KINDS.items() if importlib.util.find_spec(kind.module)]


def create_detector(name: str = "auto") -> Detector:
    """A face detector; nothing is downloaded.

    Args:
        name: one of `detector_names()`, or "auto" for the first that is installed.

    Raises:
        DataError: the name is unknown, or the detector's package is not installed.
    """
    if name != "auto" and name not in _KINDS:
        raise DataError(f"unknown detector {name!r}; give one of auto, {', '.join(_KINDS)}")
    wanted = list(_KINDS) if name == "auto" else [name]
    found = [kind for kind in wanted if kind in installed_detectors()]
    if not found:
        remedy = " or ".join(_KINDS[kind].install for kind in wanted)
        raise DataError(f"no face detector is installed; {remedy}, or give the faces' boxes with --box")
    return _KINDS[found[0]].create()
