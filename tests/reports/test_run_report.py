"""The page of a run: what it says of data and training, lists, links, marks and words."""

import csv
import html
import json
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from acrloss.annotations import Annotations
from acrloss.evaluation.scores import Evaluation, evaluate
from acrloss.formats import read_annotations
from acrloss.reports.by_difficulty import agreement, errors_by_difficulty, residuals
from acrloss.reports.data_facts import TrainingFacts, data_table, read_training_facts, write_training_facts
from acrloss.reports.face_list import LISTED, face_list, write_face_list
from acrloss.reports.run_report import write_run_report
from acrloss.schemes import Scheme
from acrloss.shapes.shape_model import ShapeModel

EPOCHS = (
    "epoch,train_loss,train_nme,val_nme,learning_rate,images_per_second\n1,0.5,9,7.5,0.1,5200\n2,0.4,8,8.25,0,5300\n"
)


@pytest.fixture(scope="module")
def faces(faces_300w: Path) -> Annotations:
    return read_annotations(faces_300w).split("test")


def shifted(faces: Annotations, **options: object) -> Evaluation:
    """Errors that grow from face to face, by 1 px each."""
    offsets = np.arange(1.0, len(faces) + 1)[:, None, None] * (1, 0)
    return evaluate(faces, faces.landmarks + offsets, **options)  # type: ignore[arg-type]


def facts(page: str) -> dict[str, str]:
    """The rows of two cells of a page."""
    cells = re.findall(r"<tr><td>(.*?)</td><td[^>]*>(.*?)</td></tr>", page)
    return {html.unescape(name): html.unescape(value) for name, value in cells}


def test_a_run_tells_what_it_was_trained_and_scored_on(
    faces: Annotations, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    (tmp_path / "metrics.csv").write_text(EPOCHS)
    model = ShapeModel.fit(faces.landmarks)
    model.save(tmp_path / "shape_model.safetensors")
    write_training_facts(tmp_path, TrainingFacts(train=5200, val=1, held_out=True, unreadable=2, seconds=754.0))
    baseline = evaluate(faces, faces.landmarks + 9)
    page = write_run_report(tmp_path, shifted(faces), command="cd x\nacrloss y", baseline=baseline).read_text()
    told = facts(page)
    assert told["trained on"] == "5,200 faces"
    assert told["epoch chosen by"] == "1 face, held out of the training data, which has no split 'val'"
    assert told["training images that cannot be decoded"] == "2 (listed below)"
    assert told["time of training"] == "13 min"
    epochs = "2; the network of epoch 1 is scored (validation NME 7.50 % of the inter-ocular distance)"
    assert told["epochs"] == epochs
    assert told["scored"] == "10 of 10 faces, split 'test'"
    nme = f"NME {baseline.score.nme:.2f} % of the inter-ocular distance; the network {shifted(faces).score.nme:.2f} %"
    assert told["the mean face everywhere"] == nme
    share = 100 * float(model.eigenvalues[:4].sum() / model.eigenvalues.sum())
    assert told["shape model"] == f"4 modes explain {share:.1f} % of the variance of the training shapes"
    assert "rank correlation" in told.get("difficulty Φ and error", "rank correlation")
    assert "the mean face everywhere" in page
    assert "<pre>cd x\nacrloss y</pre>" in page
    assert 'href="faces.csv"' in page
    request.getfixturevalue("undrawn")
    again = write_run_report(tmp_path / "evaluation", shifted(faces), command="x", run=tmp_path)
    assert facts(again.read_text())["trained on"] == "5,200 faces"
    # What the epochs were measured in does not change with what the page is given in.
    other = write_run_report(tmp_path / "other", shifted(faces, normalizer="box_size"), command="x", run=tmp_path)
    assert facts(other.read_text())["epochs"] == epochs
    assert "square root of the landmark box&#39;s area on 10 of the official " in other.read_text()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"train": "x", "val": 1, "held_out": true, "unreadable": 0}'])
def test_training_facts_that_are_none_are_left_away(content: str, tmp_path: Path) -> None:
    known = TrainingFacts(train=7, val=0, held_out=False)
    write_training_facts(tmp_path, known)
    assert read_training_facts(tmp_path) == known
    (tmp_path / "training.json").write_text(content)
    assert read_training_facts(tmp_path) is None


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (119.4, "119 s"), (120, "2 min"), (7000, "117 min"), (7200, "2 h"), (9100, "2.5 h")],
)
def test_times_are_in_units_that_one_can_read(seconds: float, text: str, faces: Annotations) -> None:
    training = TrainingFacts(train=1, val=0, held_out=False, seconds=seconds)
    rows = {row[0]: row[1] for row in data_table(shifted(faces), None, training, [], None)[2]}
    assert rows["time of training"] == text
    assert rows["epoch chosen by"] == "none: the last epoch"


def test_every_face_is_listed_the_worst_first(faces: Annotations, tmp_path: Path) -> None:
    predictions = faces.landmarks + np.arange(1.0, 11)[:, None, None] * (1, 0)
    predictions[4] = np.nan
    predictions[6, 3] = np.inf
    evaluation = evaluate(faces, predictions)
    rows = list(csv.DictReader(write_face_list(tmp_path / "faces.csv", evaluation).open()))
    order = [6, 9, 8, 7, 5, 3, 2, 1, 0, 4]
    eyes = np.linalg.norm(faces.landmarks[:, 36] - faces.landmarks[:, 45], axis=1)
    # Errors are 1, 2, … px; what follows from them in % of the eyes' distance need not rise alike.
    order = [6, *sorted((i for i in order if i not in (6, 4)), key=lambda i: -(i + 1) / eyes[i]), 4]
    assert [row["image"] for row in rows] == [faces.images[i] for i in order]
    assert rows[0]["nme_interocular"] == "inf"
    assert float(rows[1]["nme_interocular"]) == pytest.approx(100 * (order[1] + 1) / eyes[order[1]], rel=1e-5)
    assert rows[-1]["nme_interocular"] == rows[-1]["nme_box_size"] == ""
    assert rows[-1]["not_scored"].startswith("no landmarks were found")
    assert {row["subsets"] for row in rows} == {"common;full", "challenging;full"}
    caption, _, listed = face_list(evaluation)
    assert "worst first (all 10; all in faces.csv)" in caption
    assert [row[2] for row in listed] == [faces.images[i] for i in order]
    many = Annotations.create([f"{i}" for i in range(LISTED + 3)], np.zeros((LISTED + 3, 1, 2)), ONE, boxes=BOXES)
    caption, _, listed = face_list(evaluate(many, many.landmarks + 1))
    assert f"the worst {LISTED:,} of {LISTED + 3:,}" in caption
    assert len(listed) == LISTED


ONE = Scheme("one", 1, (0,))
BOXES = np.tile([0.0, 0, 9, 9], (LISTED + 3, 1))


@pytest.mark.usefixtures("undrawn")
def test_pictures_are_large_and_open_by_their_names(faces: Annotations, tmp_path: Path) -> None:
    page = write_run_report(tmp_path, shifted(faces), command="x").read_text()
    assert "<h2>Worst faces: prediction blue, annotation yellow</h2>" in page
    pictures = re.findall(r'<img src="data:image/jpeg;base64,([^"]+)" alt="([\d.]+) %  ([^"]+)" width="640"', page)
    assert len(pictures) == 20
    worst = [float(error) for _, error, _ in pictures[:10]]
    assert worst == sorted(worst, reverse=True)
    assert worst[0] == pytest.approx(shifted(faces).nme["interocular"].max(), abs=0.006)
    assert [float(error) for _, error, _ in pictures[10:]] == worst[::-1]
    names = set(re.findall(r' id="([^"]+)"', page))
    links = re.findall(r'href="#([^"]+)"', page)
    assert set(links) <= names
    assert {"picture-1-1", "picture-2-10", "picture-1-1-here"} <= set(links)
    assert cv2.imread(str(tmp_path / "figures" / "worst_faces.jpg")) is not None


@pytest.mark.usefixtures("undrawn")
def test_validation_is_loud_on_the_page(faces: Annotations, tmp_path: Path) -> None:
    page = write_run_report(tmp_path, shifted(faces, role="validation"), command="x").read_text()
    assert '<p class="warning" role="alert">VALIDATION, NOT TEST: these faces chose the epoch' in page
    assert "validation faces: they chose the epoch</p>" in page
    assert json.loads((tmp_path / "evaluation.json").read_text())["role"] == "validation"
    assert 'class="warning"' not in write_run_report(tmp_path, shifted(faces), command="x").read_text()


@pytest.mark.usefixtures("undrawn")
def test_a_link_to_the_data_check_where_there_is_one(
    faces: Annotations, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "check").mkdir()
    (tmp_path / "check" / "check.html").write_text("")
    link = '<a href="../../check/check.html">'
    for source, there in ((faces.source, True), ("other", False)):
        (tmp_path / "check" / "check.json").write_text(json.dumps({"source": source}))
        page = write_run_report(tmp_path / "runs" / "a b", shifted(faces), command="x").read_text()
        assert (link in page) == there


def test_nothing_to_score_is_a_page_too(faces: Annotations, tmp_path: Path) -> None:
    lost = evaluate(faces, np.full_like(faces.landmarks, np.nan))
    page = write_run_report(tmp_path, lost, command="x").read_text()
    assert "<h1>nothing could be scored</h1>" in page
    assert "10 faces of 10 not scored: no landmarks were found" in page


def test_control_characters_in_names_are_written_out(faces: Annotations, tmp_path: Path) -> None:
    hostile = Annotations.create(
        ["a\x1b[31m.jpg", *faces.images[1:]], faces.landmarks, faces.scheme, source="b\x9b2J<script>"
    )
    page = write_run_report(tmp_path, shifted(hostile), command="x\x07").read_text()
    assert not set(page) & set("\x1b\x9b\x07")
    assert r"a\x1b[31m.jpg" in page
    assert "<script" not in page


def test_errors_by_difficulty_follow_the_residual_of_few_modes() -> None:
    rng = np.random.default_rng(0)
    mean = np.array([[0.0, 0], [10, 0], [10, 10], [0, 10], [5, 5], [3, 6]])
    # Each landmark moves by itself, some more than others, so that four modes leave much of all over.
    wide = mean + rng.normal(0, 1, (60, 6, 2)) * np.array([0.2, 0.3, 0.5, 0.8, 1.3, 1.6])[:, None]
    scheme = Scheme("six", 6, tuple(range(6)))
    faces = Annotations.create([f"{i}" for i in range(60)], wide, scheme)
    model = ShapeModel.fit(wide / 10)
    residual = residuals(faces, model)
    # By hand: the face scaled to the mean's size about the middles of their boxes, less what four modes make of it.
    low, high = wide.min(axis=1, keepdims=True), wide.max(axis=1, keepdims=True)
    average = model.mean.reshape(-1, 2).numpy()
    size = np.ptp(average, axis=0).max()
    framed = (wide - (low + high) / 2) / (high - low).max(axis=2, keepdims=True) * size
    framed = framed + (average.max(0) + average.min(0)) / 2
    flat = framed.reshape(60, -1) - average.ravel()
    vectors = model.components.numpy()[:, :4]
    left = (flat - flat @ vectors @ vectors.T).reshape(60, 6, 2)
    np.testing.assert_allclose(residual, np.linalg.norm(left, axis=-1), atol=1e-9)
    # Errors that are the residual itself agree with it; their opposites do the reverse.
    for sign in (1, -1):
        errors = residual if sign > 0 else residual.max() - residual
        prediction = faces.landmarks + np.stack([errors, 0 * errors], axis=-1)
        evaluation = evaluate(faces, prediction)
        percent = 100 * errors / np.hypot(*np.ptp(wide, axis=1).T)[:, None]
        fifths = np.array_split(percent.ravel()[np.argsort(residual.ravel(), kind="stable")], 5)
        np.testing.assert_allclose(errors_by_difficulty(evaluation, model), [f.mean() for f in fifths], rtol=1e-6)
        # Spearman's formula for ranks without ties: 1 - 6 Σ d² / (n (n² - 1)).
        ranks = [np.argsort(np.argsort(values.mean(axis=0))) for values in (residual, percent)]
        expected = 1 - 6 * ((ranks[0] - ranks[1]) ** 2).sum() / (6 * 35)
        assert agreement(evaluation, model) == pytest.approx(expected)
        assert np.sign(expected) == sign
