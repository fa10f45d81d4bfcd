"""Choosing a face detector: by name, or the first that is installed.

`acrloss.detection.registry` lists them; `benchmarks/detection.py` measures them.
"""

import importlib.util
from collections.abc import Collection

from acrloss.detection.detector import SMALLEST_FACE, Detector
from acrloss.detection.registry import DETECTORS, detector_kind
from acrloss.errors import DataError


def detector_names() -> list[str]:
    """The names that `create_detector` takes, "auto" apart."""
    return list(DETECTORS)


def installed_detectors() -> list[str]:
    """Those of `detector_names()` whose packages are installed."""
    return [name for name in DETECTORS if importlib.util.find_spec(detector_kind(name).package)]


def calibrated_detectors() -> list[str]:
    """The installed ones whose boxes a training learns to use: the network may be used where another is installed."""
    return [name for name in installed_detectors() if detector_kind(name).calibrated]


def create_detector(name: str = "auto", smallest_face: float = SMALLEST_FACE, known: Collection[str] = ()) -> Detector:
    """A face detector; nothing is downloaded.

    Args:
        name: one of `detector_names()`, or "auto" for the first that is installed and may be chosen so.
        smallest_face: side in pixels of the smallest faces that are looked for in large pictures.
        known: the detectors whose boxes the network has met in its training, which "auto" prefers.

    Raises:
        DataError: the name is unknown, the detector's package is not installed, or the smallest face has no size.
    """
    if name != "auto" and name not in DETECTORS:
        raise DataError(f"unknown detector {name!r}; give one of auto, {', '.join(DETECTORS)}")
    wanted = [name] if name != "auto" else [known for known in DETECTORS if detector_kind(known).automatic]
    found = [known for known in wanted if known in installed_detectors()]
    if not found:
        remedy = " or ".join(detector_kind(known).install for known in wanted)
        raise DataError(f"no face detector is installed; {remedy}, or give the faces' boxes with --box")
    chosen = next((detector for detector in found if detector in known), found[0])
    return detector_kind(chosen).create(smallest_face)
