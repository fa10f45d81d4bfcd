"""What the README tells a stranger is true."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acrloss.commands.main import COMMANDS
from acrloss.crops.crop import CropSpec
from acrloss.images.encode import save_png
from acrloss.losses import loss_names
from acrloss.schemes import Scheme
from acrloss.training.config import ModelConfig

README = (Path(__file__).parents[1] / "README.md").read_text()


def block(language: str, containing: str = "") -> str:
    found = [text for text in re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL) if containing in text]
    assert len(found) == 1
    return str(found[0])


def test_the_example_trains() -> None:
    names: dict[str, object] = {}
    exec(block("python", "criterion"), names)
    assert 0 < float(names["loss"]) < 1000  # type: ignore[arg-type]


def test_the_example_predicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save_png(tmp_path / "photo.jpg", np.full((200, 300, 3), 128, np.uint8))
    monkeypatch.chdir(tmp_path)
    exec(block("python", "Predictor"))
    assert capsys.readouterr().out == "(0, 68, 2) (0, 68)\n"


def test_the_example_trains_evaluates_and_predicts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    # The same on fewer faces, with a network that is trained in seconds.
    script = block("python", "acrloss.train(").replace("synthetic:400@1", "synthetic:40@1")
    script = script.replace("epochs=8", "epochs=1, batch_size=8, **small")
    small = {"model": ModelConfig("test_efficientnet", "none"), "crop": CropSpec(size=32), "workers": 0}
    assert script.count("\n") <= 13
    names: dict[str, Any] = {"small": small}
    exec(script, names)
    assert (tmp_path / "runs" / "first" / "report.html").is_file()
    assert names["run"].evaluation.annotations.images == names["packaged"].annotations.images
    assert names["packaged"].score.nme < 8 < names["run"].evaluation.score.nme
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("synthetic:40@1: 40 faces; 68 landmarks (ibug68)")
    assert lines[-1].endswith(", 68, 2)")


def test_the_example_scheme_is_one() -> None:
    import yaml

    scheme = Scheme.from_dict(yaml.safe_load(block("yaml")))
    assert scheme.flip == (1, 0, 2, 5, 4, 3, 8, 7, 6)


def test_named_commands_losses_and_pictures_exist() -> None:
    assert set(re.findall(r"acrloss (\w+)", "".join(re.findall(r"```console\n(.*?)```", README, re.DOTALL)))) <= {
        word.split()[0] for word in COMMANDS
    }
    assert all(f"`{name}`" in README for name in loss_names())
    for picture in re.findall(r"\]\((docs/[^)]+)\)", README):
        assert (Path(__file__).parents[1] / picture).is_file(), picture
