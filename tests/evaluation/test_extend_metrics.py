"""docs/extend/metrics.md does what it says: one row makes a metric or a normaliser known everywhere."""

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from acrloss.annotations import Annotations
from acrloss.commands.main import main
from acrloss.evaluation.metrics import METRICS
from acrloss.evaluation.normalizers import NORMALIZERS, available_normalizers
from acrloss.evaluation.predictions_file import read_scored_faces, write_predictions
from acrloss.evaluation.scores import evaluate
from acrloss.evaluation.torch_metrics import NormalizedMeanError
from acrloss.reports.tables import comparison_table, normalizer_table, score_table
from acrloss.schemes import generic_scheme
from recipe import TOP, blocks

DOWN = np.array([0.0, 3.0])
RECIPES = blocks("metrics.md")


def document() -> ModuleType:
    spec = importlib.util.spec_from_file_location("metrics_document", TOP / "tools" / "metrics_document.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def extended(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tables with the rows of the recipes, for one test."""
    # monkeypatch restores what the recipes add.
    monkeypatch.setitem(NORMALIZERS, "box_height", NORMALIZERS["box_size"])
    monkeypatch.setitem(METRICS, "success_rate", METRICS["auc"])
    del NORMALIZERS["box_height"], METRICS["success_rate"]
    assert len(RECIPES) == 2
    for recipe in RECIPES:
        exec(recipe, {})


def two_faces() -> Annotations:
    """Boxes 40 and 80 px high, the tight boxes of the landmarks 60 px wide and 20 px high."""
    landmarks = np.array([[[0.0, 0], [60, 0], [30, 20]]] * 2)
    return Annotations.create(
        ["/a/1.jpg", "/a/2.jpg"], landmarks, generic_scheme(3), boxes=[[0, -5, 60, 35], [0, -20, 60, 60]], source="two"
    )


@pytest.mark.usefixtures("extended")
def test_the_recipes_are_found_in_scores_tables_help_and_docs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    faces = two_faces()
    assert available_normalizers(faces.scheme, boxes=True)[-1] == "box_height"
    assert "box_height" not in available_normalizers(faces.scheme)
    # 3 px off: 7.5 % of 40 px and 3.75 % of 80 px.
    evaluation = evaluate(faces, faces.landmarks + DOWN, thresholds=[4, 7.5], normalizer="box_height")
    assert evaluation.nme["box_height"].tolist() == [7.5, 3.75]
    assert evaluation.score.normalizer == "box_height"
    assert evaluation.score.metrics["success_rate"] == {"4": 50, "7.5": 50}
    assert evaluation.score.failure_rate == {"4": 50, "7.5": 0}
    plain = evaluation.to_dict()
    assert plain["normalizer"] == "box_height"
    assert plain["scores"][0]["success_rate"] == {"4": 50, "7.5": 50}
    assert plain["scores"][0]["success_rate_interval"]["4"] == [0, 100]
    caption, header, _ = score_table(evaluation)
    assert "height of the annotated box" in caption
    assert header[-2:] == ["SR@4 %", "SR@7.5 %"]
    assert "SR@7.5 %" in comparison_table({"a": evaluation})[1]
    assert "height of the annotated box" in [row[1] for row in normalizer_table(evaluation)[2]]
    metric = NormalizedMeanError(faces.scheme, "box_height")
    metric.update(torch.tensor(faces.landmarks + DOWN), torch.tensor(faces.landmarks), boxes=torch.tensor(faces.boxes))
    assert float(metric.compute()) == pytest.approx(5.625)
    # It survives the file, and the boxes that it needs with it.
    again = read_scored_faces(write_predictions(tmp_path / "predictions.npz", evaluation))
    assert evaluate(again, faces.landmarks + DOWN).nme["box_height"].tolist() == pytest.approx([7.5, 3.75])
    with pytest.raises(SystemExit):
        main(["evaluate", "--help"])
    assert "box_height" in " ".join(capsys.readouterr().out.split())
    tool = document()
    text = tool.DOCUMENT.read_text(encoding="utf-8")
    assert "box_height" not in text
    assert "| `box_height` | height of the annotated box | height of the box that the" in tool.updated(text)
    assert "| SR@*t* | success rate: share of faces with NME < *t* | `success_rate` |" in tool.updated(text)


def test_the_document_is_up_to_date() -> None:
    tool = document()
    text = tool.DOCUMENT.read_text(encoding="utf-8")
    assert tool.updated(text) == text
    assert all(f"`{name}`" in text for name in (*NORMALIZERS, *METRICS))


def test_the_recipes_left_nothing_behind() -> None:
    assert "box_height" not in NORMALIZERS
    assert "success_rate" not in METRICS
