"""The scripts that guard the house: .ci/run takes no arguments, and a skip needs leave."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
REPORT = '<testsuite><testcase classname="tests.a" name="b"><skipped message="{}"/></testcase></testsuite>'


def test_ci_refuses_arguments() -> None:
    run = subprocess.run(["bash", ROOT / ".ci/run", "-k", "losses"], capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr.startswith("usage: .ci/run ")


def test_a_skip_needs_leave(tmp_path: Path) -> None:
    report = tmp_path / "report.xml"
    command = [sys.executable, str(ROOT / ".ci/check_skips.py"), str(report)]
    report.write_text(REPORT.format("the golden file ../shared/golden is not here"))
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (run.returncode, run.stdout) == (0, "1 tests skipped, 0 of them without leave\n")
    report.write_text(REPORT.format("could not import 'openvino'"))
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert "  tests.a::b: could not import 'openvino'; " in run.stdout
