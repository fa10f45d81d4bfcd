"""The demo, as a user runs it, with fewer faces and a smaller network."""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from acrloss.commands import demo
from acrloss.commands.main import main
from acrloss.formats import read_annotations


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "BACKBONE", "test_efficientnet")
    monkeypatch.setattr(demo, "SIZE", 32)


@pytest.mark.slow
def test_it_trains_as_the_commands_say_and_compares(
    small: None, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["demo", "--faces", "60", "--epochs", "2", "--seed", "3"]) == 0
    shown = capsys.readouterr()
    faces = read_annotations("synthetic:60@3")
    drawn = read_annotations("demo/faces")
    assert sorted(drawn.splits) == sorted(faces.splits)
    # Each training's lines stand under its name, two epochs of either.
    for loss in ("acr", "l2"):
        assert re.findall(rf"^{loss:<3}  epoch (\d)/2  loss ", shown.err, re.MULTILINE) == ["1", "2"]
    table = [re.findall(r"(ACR loss|L2 loss|mean face)\D+([\d.]+) \[", line) for line in shown.out.splitlines()]
    scores = {name: float(nme) for row in table for name, nme in row}
    assert list(scores) == ["ACR loss", "L2 loss", "mean face"]
    assert f"the same {faces.splits.count('test')} faces" in shown.out
    assert shown.out.rstrip().endswith("results: demo/acr/report.html")
    page = Path("demo/acr/report.html").read_text()
    for name in ("L2 loss", "mean face", "demo/faces: ", "acrloss demo --faces 60 --epochs 2 --seed 3"):
        assert name in page
    # What is printed makes the same network, and its own score is the table's.
    command = next(line for line in shown.err.splitlines() if "--loss l2" in line)
    assert main(shlex.split(command.replace("demo/l2", "again"))[1:]) == 0
    for file in ("best.safetensors", "last.safetensors"):
        assert Path("again", file).read_bytes() == Path("demo/l2", file).read_bytes()
    assert f" {scores['L2 loss']:.2f} " in capsys.readouterr().out


def test_what_it_cannot_do_is_one_line(tmp_path: Path, fails: Callable[..., str]) -> None:
    assert "--faces must be at least 1, not 0" in fails("demo", "--faces", "0", "--output", tmp_path / "demo")
    assert "--seed must be at least 0, not -1" in fails("demo", "--seed", "-1", "--output", tmp_path / "demo")
    (tmp_path / "mine").touch()
    assert "is not empty" in fails("demo", "--output", tmp_path)


def test_a_training_that_fails_ends_it(
    small: None, tmp_path: Path, fails: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one is stopped, though it would take minutes."""
    # No name of a loss: refused before anything is imported.
    monkeypatch.setattr(demo, "LOSSES", {"acr": "ACR loss", "--nonsense": "nonsense"})
    began: list[subprocess.Popen[str]] = []

    class Started(subprocess.Popen[str]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            began.append(self)

    monkeypatch.setattr(subprocess, "Popen", Started)
    told = fails("demo", "--faces", "60", "--epochs", "999", "--output", tmp_path / "demo")
    assert "training with --nonsense ended with status 2" in told
    assert len(began) == 2
    assert all(process.poll() for process in began)


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def test_terminated_it_leaves_no_training_behind(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "acrloss", "demo", "--faces", "60", "--epochs", "999", "--output", tmp_path / "demo"],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    assert any("epochs of both trainings" in line for line in process.stderr)
    process.terminate()
    process.stderr.read()
    assert process.wait() == 130
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
