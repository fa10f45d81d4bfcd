"""docs/extend/detectors.md, executed: its file and its line, and the detector is everywhere."""

import re
from pathlib import Path

from recipe import blocks, copy_package, replace, run_in

PROGRAM = """
import cv2, numpy, pytest
assert pytest.main(["-q", "-rA", "-p", "no:cacheprovider", "-k", "keeps and spots", "tests"]) == 0
from acrloss import Predictor
from acrloss.detection.installed import calibrated_detectors, create_detector
assert create_detector("auto").name != "spots" and "spots" not in calibrated_detectors()
wall = numpy.zeros((1500, 3000, 3), numpy.uint8)
cv2.circle(wall, (2000, 700), 30, (255, 255, 255), -1)
print("found", Predictor(detector="spots")(wall).boxes.round().astype(int).tolist())
"""


def test_a_detector_is_one_file_and_one_line(tmp_path: Path) -> None:
    module, line = blocks("detectors.md")
    package = copy_package(tmp_path, "tests/detection/test_every_detector.py")
    (package / "detection/spots.py").write_text(module, encoding="utf-8")
    last = '    "mtcnn",\n'
    replace(package / "detection/registry.py", last, last + line)
    said = run_in(tmp_path, PROGRAM)
    assert re.search(r"PASSED .*keeps_to_the_interface\[spots\]", said)
    boxes = re.search(r"found \[\[(\d+), (\d+), (\d+), (\d+)\]\]", said)
    assert boxes is not None, said
    assert all(abs(int(v) - w) <= 8 for v, w in zip(boxes.groups(), (1970, 670, 2030, 730), strict=True))
