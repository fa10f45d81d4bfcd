"""The study's document says what the results say."""

import importlib.util
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[2]


def load_tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("study_document", ROOT / "tools" / "study_document.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_document_is_up_to_date() -> None:
    text = (ROOT / "docs" / "study.md").read_text(encoding="utf-8")
    assert text.count("<!-- table:") >= 2
    assert load_tool().updated(text) == text


def test_figures_and_results_are_there() -> None:
    tool = load_tool()
    text = tool.DOCUMENT.read_text(encoding="utf-8")
    pictures = tool._PICTURE.findall(text)
    assert pictures
    for place, name, data, _ in pictures:
        assert (tool.DOCUMENT.parent / place).is_file()
        assert tool.results_of(name, data)
