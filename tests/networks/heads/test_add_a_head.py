"""docs/extend/heads.md, executed: its file and its line, and the head can be trained, saved, exported and chosen."""

import re
from pathlib import Path

import pytest

from recipe import blocks, copy_package, replace, run_in

PROGRAM = """
import pytest
from pathlib import Path
from acrloss.crops.crop import CropSpec
from acrloss.formats import read_annotations
from acrloss.networks.landmark_net import LandmarkNet
from acrloss.training.config import ModelConfig, TrainConfig
from acrloss.training.fit import fit
assert pytest.main(["-q", "-rA", "-p", "no:cacheprovider", "-k", "flattened", "tests/networks"]) == 0
config = TrainConfig(model=ModelConfig("test_efficientnet", "none", head="flattened"), crop=CropSpec(32),
                     epochs=1, batch_size=7, workers=0, accelerator="cpu", devices=1)
fit(read_annotations(FACES), config, Path("run"))
assert LandmarkNet.load("run/best.safetensors").settings["head"] == "flattened"
"""


@pytest.mark.slow
def test_a_head_is_one_file_and_one_line(tmp_path: Path, faces_300w: Path) -> None:
    module, imported, line = blocks("heads.md")
    package = copy_package(tmp_path, "tests/networks/heads/test_every_head.py", "tests/conftest.py")
    (package / "networks/heads/flattened.py").write_text(module, encoding="utf-8")
    first, last = "from acrloss.networks.heads.head import Head\n", '    "soft_argmax": SoftArgmaxHead,\n'
    replace(package / "networks/heads/registry.py", first, imported + first)
    replace(package / "networks/heads/registry.py", last, last + line)
    said = run_in(tmp_path, PROGRAM.replace("FACES", repr(str(faces_300w))))
    assert re.search(r"PASSED .*all_that_networks_are\[flattened\]", said)
