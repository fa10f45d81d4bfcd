"""The mathematics must be usable where nothing but torch and NumPy is installed."""

import subprocess
import sys

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


WITHOUT_TORCH = """
import sys
sys.modules["torch"] = None
import acrloss.prediction.predictor
print("timm" in sys.modules)
"""


def test_the_predictor_does_without_torch() -> None:
    run = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False"]


def test_import_needs_only_torch_and_numpy() -> None:
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines() == ["['acrloss']", "[]", "[]"]
