"""docs/extend/formats.md, executed: its file and its line, and the format is everywhere."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_a_format_is_one_file_and_one_line(tmp_path: Path) -> None:
    text = (ROOT / "docs/extend/formats.md").read_text(encoding="utf-8")
    module, line = re.findall(r"```(?:python|text)\n(.*?)```", text, re.DOTALL)
    package = tmp_path / "src/acrloss"
    shutil.copytree(ROOT / "src/acrloss", package, ignore=shutil.ignore_patterns("__pycache__", "weights"))
    (package / "weights").symlink_to(ROOT / "src/acrloss/weights")
    (package / "formats/lines.py").write_text(module, encoding="utf-8")
    registry = package / "formats/registry.py"
    first, last = '        "packed",\n', "    )\n}\n"
    assert first + last in registry.read_text()
    registry.write_text(registry.read_text().replace(first + last, first + line + last))
    for path in ("tests/formats/test_every_format.py", "tools/format_table.py", "docs/datasets/README.md"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / path, tmp_path / path)
    # All in one process, for starting one costs most.
    (tmp_path / "try.py").write_text(
        "import runpy, pytest\n"
        "from acrloss.commands.main import main\n"
        "runpy.run_path('tools/format_table.py', run_name='__main__')\n"
        "status = pytest.main(['-q', '-rA', '-p', 'no:cacheprovider', '-k', 'lines or page or help', 'tests'])\n"
        "assert status == 0\n"
        "main(['data', 'convert', '--help'])\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "src")}
    done = subprocess.run(
        [sys.executable, "try.py"], cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    page = (tmp_path / "docs/datasets/README.md").read_text(encoding="utf-8")
    assert "| `lines` | an example | a face a line, in a `.lines` file | yes |" in page
    assert "| `separator` | `lines` | str | `';'` | what stands between image, split and landmarks. |" in page
    tested, _, shown = done.stdout.partition("usage: ")
    for test in ("holds_comes_back[lines]", "outside_its_folder[lines-True]", "the_page_has_the_table"):
        assert re.search(rf"PASSED .*{re.escape(test)}", tested)
    assert "failed" not in tested
    assert re.search(r"\blines\b", shown)
    assert "separator" in shown
