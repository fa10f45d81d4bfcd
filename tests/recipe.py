"""The pages of docs/extend/, done word for word: with a copy of the package, in a process of its own."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

TOP = Path(__file__).parents[1]


def blocks(page: str) -> list[str]:
    """The code and the lines that a page of docs/extend/ says to put somewhere, in its order."""
    text = (TOP / "docs" / "extend" / page).read_text(encoding="utf-8")
    return re.findall(r"```(?:python|text)\n(.*?)```", text, re.DOTALL)


def copy_package(folder: Path, *more: str) -> Path:
    """Copy src/acrloss into `folder`, and `more` files and folders of the repository; the package's folder there.

    What Python has compiled comes along, and the networks are linked to.
    """
    package = folder / "src" / "acrloss"
    shutil.copytree(TOP / "src" / "acrloss", package, ignore=shutil.ignore_patterns("weights"))
    (package / "weights").symlink_to(TOP / "src" / "acrloss" / "weights")
    for path in more:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (shutil.copytree if (TOP / path).is_dir() else shutil.copyfile)(TOP / path, folder / path)
    return package


def replaced(text: str, old: str, new: str) -> str:
    """`text` with `new` in the place of `old`, which stands there once."""
    assert text.count(old) == 1
    return text.replace(old, new)


def replace(file: Path, old: str, new: str) -> None:
    """Put `new` in the place of `old`, which stands in `file` once."""
    file.write_text(replaced(file.read_text(encoding="utf-8"), old, new), encoding="utf-8")


def run_in(folder: Path, program: str) -> str:
    """Run a Python program with the copy of the package in `folder`; what it printed."""
    ours = f"import acrloss\nassert acrloss.__file__.startswith({str(folder)!r}), acrloss.__file__\n"
    (folder / "program.py").write_text(ours + program, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src")},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-6000:]
    return done.stdout
