"""The rules of the house that no linter knows: small files, no private name across files, docstring-only rooms."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "acrloss"
FILES = sorted(SOURCE.rglob("*.py"))
# Their __init__.py hands nothing on, so that importing one module of the room loads no other.
CLOSED = {
    *("shapes", "crops", "networks", "detection", "evaluation", "figures", "prediction", "training", "reports"),
    *("data_check", "study"),
}
# Tables, which are as long as what they list.
TABLES = {"schemes/builtin.py"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_files_are_short_and_use_no_private_name_of_another(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 400 or path.relative_to(SOURCE).as_posix() in TABLES
    taken = [
        f"{node.module}.{alias.name}"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("acrloss")
        for alias in node.names
        if alias.name.startswith("_") and not alias.name.startswith("__")
    ]
    assert taken == []


@pytest.mark.parametrize("room", sorted(CLOSED))
def test_upper_rooms_hand_nothing_on(room: str) -> None:
    body = ast.parse((SOURCE / room / "__init__.py").read_text(encoding="utf-8")).body
    assert [type(node) for node in body] == [ast.Expr]


def test_no_drawers() -> None:
    names = {part for path in FILES for part in path.relative_to(SOURCE).with_suffix("").parts}
    assert (
        names & {"utils", "util", "helpers", "helper", "common", "misc", "manager", "json", "xml", "numbers"} == set()
    )
