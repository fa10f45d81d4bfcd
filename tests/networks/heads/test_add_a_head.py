"""docs/extend/heads.md, executed: its file and its line, and the head can be trained, saved, exported and chosen."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.slow
def test_a_head_is_one_file_and_one_line(tmp_path: Path, faces_300w: Path) -> None:
    text = (ROOT / "docs/extend/heads.md").read_text(encoding="utf-8")
    module, imported, line = re.findall(r"```(?:python|text)\n(.*?)```", text, re.DOTALL)
    package = tmp_path / "src/acrloss"
    shutil.copytree(ROOT / "src/acrloss", package, ignore=shutil.ignore_patterns("__pycache__", "weights"))
    (package / "weights").symlink_to(ROOT / "src/acrloss/weights")
    (package / "networks/heads/flattened.py").write_text(module, encoding="utf-8")
    registry = package / "networks/heads/registry.py"
    first, last = "from acrloss.networks.heads.head import Head\n", '    "soft_argmax": SoftArgmaxHead,\n'
    before = registry.read_text()
    assert first in before
    assert last in before
    registry.write_text(before.replace(first, imported + first).replace(last, last + line))
    shutil.copytree(ROOT / "tests/networks/heads", tmp_path / "tests/networks/heads")
    shutil.copyfile(ROOT / "tests/conftest.py", tmp_path / "tests/conftest.py")
    # All in one process, for starting one costs most.
    (tmp_path / "try.py").write_text(
        "import pytest\n"
        "from pathlib import Path\n"
        "from acrloss.crops.crop import CropSpec\n"
        "from acrloss.formats import read_annotations\n"
        "from acrloss.networks.landmark_net import LandmarkNet\n"
        "from acrloss.training.config import ModelConfig, TrainConfig\n"
        "from acrloss.training.fit import fit\n"
        "status = pytest.main(['-q', '-rA', '-p', 'no:cacheprovider', '-k', 'flattened', 'tests/networks'])\n"
        "assert status == 0\n"
        "config = TrainConfig(model=ModelConfig('test_efficientnet', 'none', head='flattened'), crop=CropSpec(32),\n"
        "                     epochs=1, batch_size=7, workers=0, accelerator='cpu', devices=1)\n"
        f"fit(read_annotations({str(faces_300w)!r}), config, Path('run'))\n"
        "assert LandmarkNet.load('run/best.safetensors').settings['head'] == 'flattened'\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "src")}
    done = subprocess.run(
        [sys.executable, "try.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"PASSED .*all_that_networks_are\[flattened\]", done.stdout)
