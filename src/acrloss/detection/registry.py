"""The face detectors by name, in the order in which "auto" prefers them: a new one is a module of this room and a line.

Each module ends with an object `DETECTOR`: what it needs, how to build it, whether "auto" may choose it, and whether
trainings measure its boxes (docs/extend/detectors.md). Modules are imported when they are asked for.
"""

import importlib

from acrloss.detection.detector import DetectorKind

DETECTORS = (
    "blazeface",
    "mtcnn",
)


def detector_kind(name: str) -> DetectorKind:
    """What the module of that name says of its detector."""
    kind: DetectorKind = importlib.import_module(f"acrloss.detection.{name}").DETECTOR
    return kind
