"""What commands print."""

import os
import subprocess
import sys

import pytest

from acrloss.commands.main import COMMANDS
from acrloss.commands.terminal import notes, print_table, results_in
from acrloss.printable import printable


def test_names_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("of [red]", ("[b]method", "NME"), [["x [/b]", "1"], ["Wing [red]x", "[2]"]])
    shown = capsys.readouterr().out
    for text in ("of [red]", "[b]method", "x [/b]", "Wing [red]x", "[2]"):
        assert text in shown


def test_what_a_stranger_named_does_not_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    hostile = "a\x1b[31m\x1b]0;title\x07\x9b2J\rb.jpg"
    shown = r"a\x1b[31m\x1b]0;title\x07\x9b2J\rb.jpg"
    notes.print(f"left out: {hostile} [/b]", soft_wrap=True)
    results_in(hostile)
    print_table(hostile, (hostile, "NME"), [[hostile, "1"]])
    said = capsys.readouterr()
    assert said.err == f"left out: {shown} [/b]\n"
    assert said.out.startswith(f"results: {shown}\n")
    assert said.out.count(shown) == 4
    assert not any(c in said.out + said.err for c in "\x1b\x07\x9b\r")


def test_printable_keeps_every_letter_and_line() -> None:
    text = "Gesicht — 顔 é\n\tΦ ≤ 1 😀"
    assert printable(text) == text
    assert printable("a\u202eb\x00") == r"a\u202eb\x00"


@pytest.mark.parametrize("command", [[], *([*name.split(), "--help"] for name in ("train", "explore", "predict"))])
def test_help_on_a_console_without_greek(command: list[str]) -> None:
    assert not command or " ".join(command[:-1]) in COMMANDS
    environment = {**os.environ, "PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0"}
    arguments = [sys.executable, "-m", "acrloss", *command]
    run = subprocess.run(arguments, capture_output=True, env=environment, check=False)
    assert run.returncode == 0, run.stderr
    assert b"Traceback" not in run.stderr
    assert b"acrloss" in run.stdout
