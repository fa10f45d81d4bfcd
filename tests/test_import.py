"""What each installation needs: NumPy to import the package, torch for the losses, and no torch for predicting."""

import subprocess
import sys
from pathlib import Path

CODE = """
import sys
import torch, numpy
import_of_torch = {name.partition(".")[0] for name in sys.modules}
import acrloss
new = {name.partition(".")[0] for name in sys.modules} - import_of_torch - set(sys.stdlib_module_names)
print(sorted(new))
heavy = {"cv2", "timm", "lightning", "jsonargparse", "rich", "safetensors", "matplotlib"}
print(sorted(heavy & {name.partition(".")[0] for name in sys.modules}))
print(sorted(name for name in acrloss.__all__ if not hasattr(acrloss, name)))
"""

# Leaves the standard library, ours and the packages named on the command line.
ONLY = """
import sys

class Only:
    finders = list(sys.meta_path)
    known = {"acrloss", "numpy", *sys.stdlib_module_names, *sys.argv[1].split(",")}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in self.known:
            return None
        return next(filter(None, (finder.find_spec(name, path, target) for finder in self.finders)), None)

sys.meta_path[:] = [Only()]
"""
# What the extra `predict` brings, and what that needs.
PREDICT = (
    "onnxruntime,flatbuffers,google,cv2,PIL,jsonargparse,typeshed_client,docstring_parser,typing_extensions,packaging,yaml,_yaml,"
    "rich,pygments,markdown_it,mdurl"
)
PREDICTING = """
import importlib
from acrloss import Faces, Predictor
for name in "predictor faces inputs tracker video one_euro".split():
    importlib.import_module(f"acrloss.prediction.{name}")
for name in "localizer onnx_model flip_averaging model_files".split():
    importlib.import_module(f"acrloss.networks.{name}")
import numpy as np
from acrloss.networks.flip_averaging import FlipTest
from acrloss.networks.localizer import load_model
faces = Predictor(FlipTest(load_model("default")))(np.full((200, 200, 3), 128, np.uint8), boxes=[[20, 20, 180, 180]])
print(faces.landmarks.shape)
from acrloss.commands.main import main
arguments = ["data", "convert", "synthetic:2", sys.argv[2]]
sys.exit(main([*arguments, "--format", "csv", "--copy_images", "true"]))
"""


def only(packages: str, code: str, *arguments: object) -> "subprocess.CompletedProcess[str]":
    """Run Python where nothing but NumPy and `packages` can be imported."""
    command = [sys.executable, "-c", ONLY + code, packages, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_predicting_needs_no_more_than_its_extra_brings(tmp_path: Path) -> None:
    run = only(PREDICT, PREDICTING, tmp_path / "faces")
    assert run.returncode == 0, run.stderr
    assert run.stdout.splitlines() == ["(1, 68, 2)", f"results: {tmp_path / 'faces'}"]


def test_losses_without_torch_say_what_to_install() -> None:
    for names in ("create_loss", "ShapeModel", "ACRLoss, ModeSchedule"):
        run = only("", f"import acrloss\nfrom acrloss import {names}")
        assert run.returncode == 1
        name = names.partition(",")[0]
        assert run.stderr.splitlines()[-1] == (
            f"ModuleNotFoundError: acrloss.{name} needs torch, which is not installed; pip install 'acrloss[loss]'"
        )
    run = only("", "from acrloss import Predictor")
    assert run.stderr.splitlines()[-1].endswith(" which is not installed; pip install 'acrloss[predict]'")
    assert "import acrloss" not in only("", "import acrloss").stderr


def test_the_program_without_its_packages_is_one_line() -> None:
    run = only("", "from acrloss.__main__ import command\ncommand()")
    assert (run.returncode, run.stdout, run.stderr.count("\n")) == (2, "", 1)
    assert run.stderr.startswith("error: the program acrloss needs rich, which is not installed; pip install ")


def test_import_needs_only_torch_and_numpy() -> None:
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["['acrloss']", "[]", "[]"]
