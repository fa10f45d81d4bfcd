"""`--help` and a mistyped option answer at once: no command loads torch, OpenVINO or matplotlib to read its options."""

import json
import subprocess
import sys

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
