"""docs/extend/losses.md, done word for word in a copy of the package."""

import re
from pathlib import Path

import pytest

from recipe import TOP, blocks, copy_package, replace, run_in

PROGRAM = """
import runpy
runpy.run_path("tools/list_losses.py", run_name="__main__")
import pytest
import torch
from acrloss import CauchyLoss, cauchy_loss, create_loss, loss_names
from acrloss.training.config import TrainConfig
assert loss_names()[-1] == "cauchy" and {"CauchyLoss", "cauchy_loss"} <= {*dir(acrloss), *acrloss.__all__}
assert ", cauchy;" in TrainConfig.__doc__
assert type(create_loss("cauchy", gamma=2.0)) is CauchyLoss
target = torch.zeros(1, 1, 2, dtype=torch.float64)
# 3²/2·ln(1 + (224·0.03/3)²) of 0.03 crop sides
assert abs(float(create_loss("cauchy")(target + 0.03, target)) - 4.5 * 1.794689) < 1e-4
raise SystemExit(pytest.main(["-q", "-p", "no:cacheprovider", "tests/losses", "-k", "cauchy or table"]))
"""


@pytest.mark.slow
def test_one_file_and_one_line_add_a_loss(tmp_path: Path) -> None:
    source, line = blocks("losses.md")
    path = re.search(r"here `(src/[\w/]+\.py)`", (TOP / "docs/extend/losses.md").read_text(encoding="utf-8"))
    assert path is not None
    tests = ("tests/losses", "tests/recipe.py", "tests/two_processes.py")
    copy_package(tmp_path, *tests, "tools", "docs/extend", "README.md", "docs/losses.md", "pyproject.toml")
    (tmp_path / path.group(1)).write_text(source, encoding="utf-8")
    before = '    # What all losses share.\n    "base"'
    replace(tmp_path / "src/acrloss/losses/table.py", before, line + before)
    said = run_in(tmp_path, PROGRAM)
    passed = re.search(r"(\d+) passed", said)
    assert passed is not None
    assert int(passed.group(1)) >= 25
    assert "failed" not in said
    page = (tmp_path / "docs/losses.md").read_text(encoding="utf-8")
    assert "| `cauchy` | (N, M, 2) | 224 to the crop | logarithm of the square |" in page
    stub = (tmp_path / "src/acrloss/losses/__init__.pyi").read_text(encoding="utf-8")
    assert "import CauchyLoss as CauchyLoss" in stub
