"""docs/extend/formats.md, executed: its file and its line, and the format is everywhere."""

import re
from pathlib import Path

from recipe import blocks, copy_package, replace, run_in

PROGRAM = """
import runpy, pytest
from acrloss.commands.main import main
runpy.run_path("tools/format_table.py", run_name="__main__")
assert pytest.main(["-q", "-rA", "-p", "no:cacheprovider", "-k", "lines or page or help", "tests"]) == 0
main(["data", "convert", "--help"])
"""


def test_a_format_is_one_file_and_one_line(tmp_path: Path) -> None:
    module, line = blocks("formats.md")
    package = copy_package(
        tmp_path, "tests/formats/test_every_format.py", "tools/format_table.py", "docs/datasets/README.md"
    )
    (package / "formats/lines.py").write_text(module, encoding="utf-8")
    first, last = '        "packed",\n', "    )\n}\n"
    replace(package / "formats/registry.py", first + last, first + line + last)
    tested, _, shown = run_in(tmp_path, PROGRAM).partition("usage: ")
    page = (tmp_path / "docs/datasets/README.md").read_text(encoding="utf-8")
    assert "| `lines` | an example | a face a line, in a `.lines` file | yes |" in page
    assert "| `separator` | `lines` | str | `';'` | what stands between image, split and landmarks. |" in page
    for test in ("holds_comes_back[lines]", "outside_its_folder[lines-True]", "the_page_has_the_table"):
        assert re.search(rf"PASSED .*{re.escape(test)}", tested)
    assert "failed" not in tested
    assert re.search(r"\blines\b", shown)
    assert "separator" in shown
