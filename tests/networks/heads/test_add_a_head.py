"""docs/extend/heads.md, executed: its file and its line, and the head can be trained, saved, exported and chosen."""

import sys
from pathlib import Path
from types import ModuleType

import pytest
import test_every_head

from acrloss.crops.crop import CropSpec
from acrloss.formats import read_annotations
from acrloss.networks.heads import registry
from acrloss.networks.landmark_net import LandmarkNet
from acrloss.training.config import ModelConfig, TrainConfig
from acrloss.training.fit import fit
from recipe import TOP, blocks, replaced

HEADS = "acrloss.networks.heads"


def module(name: str, text: str) -> ModuleType:
    """The module that `text` is as the file `name`."""
    made = ModuleType(f"{HEADS}.{name}")
    exec(compile(text, f"{name}.py", "exec"), vars(made))
    return made


@pytest.mark.slow
def test_a_head_is_one_file_and_one_line(tmp_path: Path, faces_300w: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, imported, line = blocks("heads.md")
    before = (TOP / "src/acrloss/networks/heads/registry.py").read_text(encoding="utf-8")
    first, last = "from acrloss.networks.heads.head import Head\n", '    "soft_argmax": SoftArgmaxHead,\n'
    after = replaced(replaced(before, first, imported + first), last, last + line)
    monkeypatch.setitem(sys.modules, f"{HEADS}.flattened", module("flattened", text))
    extended = module("registry", after).HEADS
    assert extended == {**registry.HEADS, "flattened": extended["flattened"]}

    # What is done with every head of the table is done with it.
    monkeypatch.setitem(registry.HEADS, "flattened", extended["flattened"])
    with_every_head = test_every_head.test_a_head_can_be_all_that_networks_are
    (mark,) = with_every_head.pytestmark  # type: ignore[attr-defined]
    assert mark.args == ("name", registry.HEADS)
    with_every_head("flattened", faces_300w, tmp_path)
    config = TrainConfig(
        model=ModelConfig("test_efficientnet", "none", head="flattened"),
        crop=CropSpec(32),
        epochs=1,
        batch_size=7,
        workers=0,
        accelerator="cpu",
        devices=1,
    )
    fit(read_annotations(faces_300w), config, tmp_path / "run")
    assert LandmarkNet.load(tmp_path / "run" / "best.safetensors").settings["head"] == "flattened"
