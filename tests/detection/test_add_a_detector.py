"""docs/extend/detectors.md, executed: its file and its line, and the detector is everywhere."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_detector_is_one_file_and_one_line(tmp_path: Path) -> None:
    text = (ROOT / "docs/extend/detectors.md").read_text(encoding="utf-8")
    module, line = re.findall(r"```(?:python|text)\n(.*?)```", text, re.DOTALL)
    package = tmp_path / "src/acrloss"
    shutil.copytree(ROOT / "src/acrloss", package, ignore=shutil.ignore_patterns("__pycache__", "weights"))
    (package / "weights").symlink_to(ROOT / "src/acrloss/weights")
    (package / "detection/spots.py").write_text(module, encoding="utf-8")
    registry = package / "detection/registry.py"
    last = '    "mtcnn",\n'
    assert last in registry.read_text()
    registry.write_text(registry.read_text().replace(last, last + line))
    (tmp_path / "tests").mkdir()
    shutil.copyfile(ROOT / "tests/detection/test_every_detector.py", tmp_path / "tests/test_every_detector.py")
    (tmp_path / "try.py").write_text(
        "import cv2, numpy, pytest\n"
        "status = pytest.main(['-q', '-rA', '-p', 'no:cacheprovider', '-k', 'keeps and spots', 'tests'])\n"
        "assert status == 0\n"
        "from acrloss import Predictor\n"
        "from acrloss.detection.installed import calibrated_detectors, create_detector\n"
        "assert create_detector('auto').name != 'spots' and 'spots' not in calibrated_detectors()\n"
        "wall = numpy.zeros((1500, 3000, 3), numpy.uint8)\n"
        "cv2.circle(wall, (2000, 700), 30, (255, 255, 255), -1)\n"
        "print('found', Predictor(detector='spots')(wall).boxes.round().astype(int).tolist())\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "src")}
    done = subprocess.run(
        [sys.executable, "try.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"PASSED .*keeps_to_the_interface\[spots\]", done.stdout)
    boxes = re.search(r"found \[\[(\d+), (\d+), (\d+), (\d+)\]\]", done.stdout)
    assert boxes is not None, done.stdout
    assert all(abs(int(v) - w) <= 8 for v, w in zip(boxes.groups(), (1970, 670, 2030, 730), strict=True))
