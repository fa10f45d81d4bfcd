"""docs/extend/losses.md, done word for word in a copy of the package."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]
PAGE = (TOP / "docs" / "extend" / "losses.md").read_text(encoding="utf-8")

CHECK = """
import torch
import acrloss
from acrloss import CauchyLoss, cauchy_loss, create_loss, loss_names
from acrloss.training.config import TrainConfig
assert acrloss.__file__.startswith({top!r}), acrloss.__file__
assert loss_names()[-1] == "cauchy" and {{"CauchyLoss", "cauchy_loss"}} <= {{*dir(acrloss), *acrloss.__all__}}
assert ", cauchy;" in TrainConfig.__doc__
assert type(create_loss("cauchy", gamma=2.0)) is CauchyLoss
target = torch.zeros(1, 1, 2, dtype=torch.float64)
# 3²/2·ln(1 + (224·0.03/3)²) of 0.03 crop sides
assert abs(float(create_loss("cauchy")(target + 0.03, target)) - 4.5 * 1.794689) < 1e-4
import pytest
raise SystemExit(pytest.main(["-q", "-p", "no:cacheprovider", "tests/losses", "-k", "cauchy or table"]))
"""


@pytest.mark.slow
def test_one_file_and_one_line_add_a_loss(tmp_path: Path) -> None:
    source, line = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    path = re.search(r"here `(src/[\w/]+\.py)`", PAGE)
    assert path is not None
    ignored = shutil.ignore_patterns("weights", "__pycache__")
    shutil.copytree(TOP / "src", tmp_path / "src", ignore=ignored)
    for folder in ("tests/losses", "tools", "docs/extend"):
        shutil.copytree(TOP / folder, tmp_path / folder, ignore=ignored)
    for name in ("README.md", "docs/losses.md", "pyproject.toml"):
        shutil.copy(TOP / name, tmp_path / name)

    (tmp_path / path.group(1)).write_text(source, encoding="utf-8")
    table = tmp_path / "src" / "acrloss" / "losses" / "table.py"
    listed = table.read_text(encoding="utf-8")
    before = '    # What all losses share.\n    "base"'
    assert listed.count(before) == 1
    table.write_text(listed.replace(before, line + before), encoding="utf-8")

    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "src"), "OMP_NUM_THREADS": "1"}
    for command in (["tools/list_losses.py"], ["-c", CHECK.format(top=str(tmp_path))]):
        run = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    passed = re.search(r"(\d+) passed", run.stdout)
    assert passed is not None
    assert int(passed.group(1)) >= 25
    assert "failed" not in run.stdout
    assert "| `cauchy` | (N, M, 2) | 224 to the crop | logarithm of the square |" in (
        tmp_path / "docs" / "losses.md"
    ).read_text(encoding="utf-8")
    stub = (tmp_path / "src" / "acrloss" / "losses" / "__init__.pyi").read_text(encoding="utf-8")
    assert "import CauchyLoss as CauchyLoss" in stub
