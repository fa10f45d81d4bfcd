"""`--help` and a mistyped option answer at once: no command loads torch, OpenVINO or matplotlib to read its options."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from acrloss.commands.main import COMMANDS

CODE = """
import contextlib, io, json, sys
from acrloss.commands.main import COMMANDS, main
answers = {}
for name in COMMANDS:
    for option in ("--help", "--outputt"):
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            try:
                main([*name.split(), option])
            except SystemExit:
                pass
        answers[f"{name} {option}"] = said.getvalue()
json.dump([answers, sorted({name.partition(".")[0] for name in sys.modules})], sys.stdout)
"""
HEAVY = {
    *("torch", "torchvision", "lightning", "timm", "torchmetrics", "matplotlib", "onnxruntime", "onnx", "openvino"),
    *("pandas", "jinja2", "safetensors", "h5py", "scipy"),
}


def test_options_are_read_without_heavy_imports() -> None:
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    answers, loaded = json.loads(run.stdout)
    assert len(answers) == 2 * len(COMMANDS)
    for name in COMMANDS:
        assert f"usage: acrloss {name}" in answers[f"{name} --help"]
        assert "--config" in answers[f"{name} --help"]
        assert "--outputt" in answers[f"{name} --outputt"]
    assert HEAVY & set(loaded) == set()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optim: {learning_rate: }", ":1: optim.learning_rate has no value; give one, or leave it out"),
        ("", ": a configuration is a mapping of keys to values, but it holds nothing"),
        ("epochs: 3\nda", ": not a YAML file: could not find expected ':'"),
        ("\0\1", ": not a YAML file: control characters are not allowed"),
        ("loss_options: {a: &a [1], b: [*a, *a]}", ": the alias *a in line 1 is refused"),
    ],
)
def test_a_configuration_that_is_none_names_its_file(
    text: str, message: str, tmp_path: Path, fails: Callable[..., str]
) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(text)
    assert f"{path}{message}" in fails("train", "--config", path, "--data", "synthetic:5", "--output", tmp_path / "o")
    assert not (tmp_path / "o").exists()
