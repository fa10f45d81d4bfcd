import json
from pathlib import Path

import numpy as np
import pytest

from acrloss.annotations import Annotations
from acrloss.errors import DataError
from acrloss.evaluation.comparison import compare, nme_difference, rank, rank_evaluations
from acrloss.evaluation.predictions import Predictions
from acrloss.evaluation.scores import evaluate
from acrloss.reports.comparison_report import subset_table, write_comparison
from acrloss.reports.tables import comparison_table, headline, warning
from acrloss.schemes import get_scheme

IBUG = get_scheme("ibug68")


def many_faces(count: int = 40) -> Annotations:
    """Faces whose outer eye corners are 100 px apart, every fourth "hard"."""
    landmarks = np.random.default_rng(0).uniform(0, 100, (count, 68, 2))
    landmarks[:, 36], landmarks[:, 45] = (0, 0), (100, 0)
    tags = [frozenset({"hard"}) if i % 4 == 0 else frozenset[str]() for i in range(count)]
    return Annotations.create([f"/a/{i}.jpg" for i in range(count)], landmarks, IBUG, subsets=tags, source="many")


def predicted(faces: Annotations, offset: float, missing: list[int] | None = None, seed: int = 1) -> Predictions:
    """Landmarks 1 to 21 px off by face, the same for each seed, and `offset` px more."""
    size = np.random.default_rng(seed).uniform(1, 21, len(faces)) + offset
    landmarks = faces.landmarks + np.stack([size, 0 * size], axis=-1)[:, None]
    landmarks[missing or []] = np.nan
    return Predictions(landmarks, None, np.array(missing or [], dtype=np.intp), 0)


def test_only_faces_that_all_have_are_compared() -> None:
    faces = many_faces()
    evaluations = compare(faces, {"a": predicted(faces, 0, [3]), "b": predicted(faces, 1, [3, 5])})
    for evaluation in evaluations.values():
        assert evaluation.annotations.images == tuple(f"/a/{i}.jpg" for i in range(40) if i not in (3, 5))
        assert evaluation.score.faces == 38
    with pytest.raises(DataError, match="no face has predictions of all of a, b; compare fewer"):
        compare(faces, {"a": predicted(faces, 0, list(range(20))), "b": predicted(faces, 1, list(range(20, 40)))})


def test_differences_are_taken_face_by_face() -> None:
    faces = many_faces()
    better, worse = (evaluate(faces, predicted(faces, offset).landmarks) for offset in (0, 0.5))
    # 0.5 px of 100 on every face: nothing is uncertain, though each NME itself is.
    difference, ends = nme_difference(worse, better)
    assert (difference, *ends) == pytest.approx((0.5, 0.5, 0.5))
    assert better.score.nme_interval[1] - better.score.nme_interval[0] > 2
    other = evaluate(faces, predicted(faces, 0, seed=2).landmarks)
    difference, (low, high) = nme_difference(other, better)
    assert difference == pytest.approx(other.score.nme - better.score.nme)
    assert low < difference < high
    lost = predicted(faces, 0).landmarks.copy()
    lost[7, 3] = np.nan
    assert np.isnan(nme_difference(evaluate(faces, lost), better)[0])


def test_tables_name_normaliser_thresholds_and_faces() -> None:
    faces = many_faces()
    evaluations = compare(faces, {"a": predicted(faces, 0), "b": predicted(faces, 0.5)})
    caption, header, rows = comparison_table(evaluations, intervals=True)
    assert "the same 40 faces, % of the inter-ocular distance" in caption
    assert header == ["", "NME %", "difference", "FR@8 %", "FR@10 %", "AUC@8 %", "AUC@10 %"]
    assert [row[2] for row in rows] == ["–", "+0.50 [+0.50, +0.50]"]
    assert all(cell.count("[") == 1 for row in rows for cell in (row[1], *row[3:]))
    narrow = comparison_table(evaluations)[2]
    assert [cell.count("[") for cell in narrow[1]] == [0, 1, 1, 0, 0, 0, 0]
    _, header, rows = subset_table(evaluations)
    assert header == ["", "all (40)", "hard (10)"]
    assert float(rows[1][2]) == pytest.approx(float(rows[0][2]) + 0.5, abs=0.011)


def test_page_json_and_curve(tmp_path: Path) -> None:
    faces = many_faces()
    evaluations = compare(faces, {"<a>": predicted(faces, 0, [3]), "b": predicted(faces, 0.5)})
    page = write_comparison(tmp_path, evaluations, faces, command="acrloss report a b")
    text = page.read_text()
    assert "&lt;a&gt;" in text
    assert "<a>" not in text
    assert "39 of 40 faces that all predictions have" in text
    assert "<h1>&lt;a&gt; has the lowest NME, " in text
    assert " of the inter-ocular distance, on 39 of 40 faces</h1>" in text
    assert "/a/3.jpg" in text
    assert (tmp_path / "figures" / "cumulative_error.png").read_bytes().startswith(b"\x89PNG")
    plain = json.loads((tmp_path / "comparison.json").read_text())
    assert (plain["lowest_nme"], plain["not_told_apart"], plain["worse"]) == ("<a>", [], ["b"])
    assert (plain["faces"], plain["of_faces"], plain["left_out"]) == (39, 40, ["/a/3.jpg"])
    assert (plain["normalizer"], plain["difference_to"]) == ("interocular", "<a>")
    assert [m["name"] for m in plain["methods"]] == ["<a>", "b"]
    assert plain["methods"][1]["nme_difference"] == pytest.approx(0.5)
    assert plain["methods"][1]["scores"][0]["nme"] == pytest.approx(evaluations["b"].score.nme, abs=1e-5)


def test_the_best_is_the_one_with_the_lowest_nme_and_only_if_that_is_sure() -> None:
    faces = many_faces()
    # b is 1 px better than a on every face; c differs from b by chance alone; d lost a landmark.
    made = {"a": predicted(faces, 1), "b": predicted(faces, 0), "c": predicted(faces, 0.1, seed=2)}
    evaluations = compare(faces, made)
    assert evaluations["b"].score.nme < evaluations["a"].score.nme
    order = sorted("bc", key=lambda name: evaluations[name].score.nme)
    ranking = rank_evaluations(evaluations)
    assert (ranking.best, ranking.level[0]) == (order[0], order[1])
    two = rank_evaluations({name: evaluations[name] for name in "ab"})
    assert (two.best, two.level, two.worse) == ("b", (), ("a",))
    lost = predicted(faces, -1).landmarks.copy()
    lost[7, 3] = np.nan
    with_lost = rank_evaluations({"d": evaluate(faces, lost), "b": evaluations["b"]})
    assert (with_lost.best, with_lost.worse) == ("b", ("d",))
    # Of one face nothing is known.
    one = {name: evaluate(faces.select([0]), found.landmarks[:1]) for name, found in made.items()}
    assert set(rank_evaluations(one).level) | {rank_evaluations(one).best} == set("abc")


def test_headlines_follow_the_intervals() -> None:
    nme = {"L2": 6.6, "ACR": 6.45, "Wing": 7.0}
    # Differences to the best, ACR: the interval of L2 holds 0, that of Wing does not.
    ends = {"L2": (-1.45, 1.75), "Wing": (0.2, 0.9)}
    ranking = rank(nme, lambda name, best: (nme[name] - nme[best], ends[name]))
    assert (ranking.best, ranking.level, ranking.worse) == ("ACR", ("L2",), ("Wing",))
    eyes = "inter-ocular distance"
    assert headline(ranking, nme, eyes, "125 faces") == (
        "ACR (6.45 %) and L2 (6.60 %) are not told apart: NME in % of the inter-ocular distance, on 125 faces; "
        "Wing is worse"
    )
    sure = rank(nme, lambda name, best: (0.5, (0.1, 0.9)))
    text = headline(sure, nme, eyes, "6 of 125 faces")
    assert text == "ACR has the lowest NME, 6.45 % of the inter-ocular distance, on 6 of 125 faces"
    # An end at 0 leaves 0 in.
    assert rank(nme, lambda name, best: (0.5, (0.0, 0.9))).level == ("L2", "Wing")
    many = {f"m{i}": 5.0 + i for i in range(7)}
    text = headline(rank(many, lambda name, best: (1.0, (-1.0, 3.0))), many, eyes, "9 faces")
    assert text.startswith("m0 (5.00 %), m1 (6.00 %), m2 (7.00 %) and 4 others are not told apart: NME in %")
    alone = rank({"A": 5.0}, lambda name, best: (0.0, (0.0, 0.0)))
    assert headline(alone, {"A": 5.0}, eyes, "1 face") == "A: NME 5.00 % of the inter-ocular distance, on 1 face"


def test_faces_that_training_has_seen_are_marked() -> None:
    faces = many_faces()
    found = {name: predicted(faces, 0) for name in ("new", "seen", "learned")}
    evaluations = {
        "new": evaluate(faces, found["new"].landmarks),
        "seen": evaluate(faces, found["seen"].landmarks, role="validation"),
        "learned": evaluate(faces, found["learned"].landmarks, role="training"),
    }
    names = [row[0] for row in comparison_table(evaluations)[2]]
    assert names == ["new", "seen (validation faces: they chose the epoch)", "learned (training faces among them)"]
    assert warning(evaluations["new"]) == []
    (line,) = warning(evaluations["seen"])
    assert line.startswith("VALIDATION, NOT TEST: these faces chose the epoch")
    (line,) = warning(evaluations["learned"])
    assert line.startswith("THE NETWORK WAS TRAINED ON SOME OF THESE FACES")
    assert evaluations["seen"].to_dict()["role"] == "validation"
