"""What commands print."""

import pytest

from acrloss.commands.terminal import print_table


def test_names_are_no_markup(capsys: pytest.CaptureFixture[str]) -> None:
    print_table("of [red]", ("[b]method", "NME"), [["x [/b]", "1"], ["Wing [red]x", "[2]"]])
    shown = capsys.readouterr().out
    for text in ("of [red]", "[b]method", "x [/b]", "Wing [red]x", "[2]"):
        assert text in shown
