import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.crops.crop import square_frame
from acrloss.errors import DataError
from acrloss.images.encode import save_png
from acrloss.reports.explore import explore
from acrloss.schemes import Scheme
from acrloss.shapes.schedule import ModeSchedule
from acrloss.shapes.shape_model import ShapeModel

SQUARE = Scheme(
    name="square", num_landmarks=6, flip=(1, 0, 3, 2, 5, 4), contours=(((0, 1, 3, 2), True), ((4, 5), False))
)

# Two shares instead of five: fewer panels to draw.
TWO = ModeSchedule(stages=((0, 0.5), (3, 0.9)))


def landmarks(count: int) -> NDArray[np.float64]:
    rng = np.random.default_rng(1)
    face = np.array([[20.0, 20], [80, 20], [20, 80], [80, 80], [40, 50], [60, 50]])
    return np.asarray(face + rng.normal(0, 4, (count, 6, 2)))


def annotated(folder: Path, count: int = 12, broken: tuple[int, ...] = ()) -> Annotations:
    folder.mkdir(parents=True, exist_ok=True)
    names = []
    for index in range(count):
        path = folder / f"face {index}.png"
        if index in broken:
            path.write_text("no picture")
        else:
            save_png(path, np.full((100, 100, 3), 10 * index + 20, np.uint8))
        names.append(str(path))
    return Annotations.create(names, landmarks(count), SQUARE, source="twelve <b>faces</b>", skipped=("bad.pts: 67",))


def test_writes_the_figures_the_numbers_and_the_page(tmp_path: Path) -> None:
    annotations = annotated(tmp_path / "data")
    steps: list[int | None] = []

    def watch(items: Iterable[Any], what: str, total: int | None = None) -> Iterable[Any]:
        assert what == "drawing"
        steps.append(total)
        return items

    page = explore(annotations, tmp_path / "out", schedule=TWO, faces=3, progress=watch)
    assert page == tmp_path / "out" / "explore.html"
    html = page.read_text(encoding="utf-8")
    assert html.count('<img src="data:image/') == 8
    assert "twelve &lt;b&gt;faces&lt;/b&gt;" in html
    assert "bad.pts: 67" in html

    facts = json.loads((tmp_path / "out" / "explore.json").read_text())
    model = ShapeModel.fit(square_frame(annotations))
    assert facts["modes"]["count"] == [6, 10] == [model.modes(share) for share in (0.5, 0.9)]
    assert facts["modes"]["variance"] == [model.modes(share, rule="variance") for share in (0.5, 0.9)]
    assert np.allclose(facts["eigenvalues"], model.eigenvalues.numpy())
    assert np.allclose(facts["cumulative_variance"][-1], 1)
    for share, k in zip((0.5, 0.9), facts["modes"]["variance"], strict=True):
        assert facts["cumulative_variance"][k - 1] >= share
    assert facts["from_epoch"] == [0, 3]
    assert facts["faces_fitted"] == 12
    assert len(facts["pictured"]) == 3
    assert len(facts["figures"]) == 8
    for name in facts["figures"]:
        image = cv2.imread(str(tmp_path / "out" / name))
        assert image is not None
        assert image.std() > 5, name
    assert steps == [8]


def test_frame_is_the_square_landmark_box(tmp_path: Path) -> None:
    annotations = annotated(tmp_path)
    framed = square_frame(annotations)
    low, high = framed.min(axis=1), framed.max(axis=1)
    assert np.allclose((low + high) / 2, 0.5)
    assert np.allclose((high - low).max(axis=1), 1)
    # No rotation and one scale for both axes: directions between landmarks stay.
    before = annotations.landmarks[:, 1] - annotations.landmarks[:, 0]
    after = framed[:, 1] - framed[:, 0]
    assert np.allclose(before[:, 0] * after[:, 1], before[:, 1] * after[:, 0])


@pytest.mark.usefixtures("undrawn")
def test_an_unreadable_picture_is_passed_over_for_the_next(tmp_path: Path) -> None:
    annotations = annotated(tmp_path / "data", broken=(0, 1, 2, 3, 4, 5, 6))
    explore(annotations, tmp_path / "out", faces=4)
    facts = json.loads((tmp_path / "out" / "explore.json").read_text())
    assert len(set(facts["pictured"])) == 4
    assert {Path(name).name for name in facts["pictured"]} <= {f"face {i}.png" for i in range(7, 12)}
    assert all("face" in reason for reason in facts["passed_over"])


@pytest.mark.usefixtures("undrawn")
def test_no_picture_at_all_leaves_the_other_figures(tmp_path: Path) -> None:
    annotations = annotated(tmp_path / "data", broken=tuple(range(12)))
    explore(annotations, tmp_path / "out", faces=2)
    facts = json.loads((tmp_path / "out" / "explore.json").read_text())
    assert facts["pictured"] == []
    assert len(facts["passed_over"]) == 12
    assert len(facts["figures"]) == 5


def test_more_faces_asked_for_than_there_are(tmp_path: Path) -> None:
    explore(annotated(tmp_path / "data", count=3), tmp_path / "out", schedule=TWO)
    facts = json.loads((tmp_path / "out" / "explore.json").read_text())
    assert len(facts["pictured"]) == 3
    assert facts["rank"] == 2


@pytest.mark.usefixtures("undrawn")
def test_faces_with_missing_landmarks_are_counted(tmp_path: Path) -> None:
    whole = annotated(tmp_path / "data", count=6)
    points = whole.landmarks.copy()
    points[2, 3] = np.nan
    explore(Annotations.create(whole.images, points, SQUARE), tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "explore.json").read_text())
    # Fewer than a face has coordinates are complete: all take part, as in training.
    counts = [facts[f"faces{name}"] for name in ("", "_fitted", "_with_missing_landmarks", "_completed")]
    assert counts == [6, 6, 1, 1]
    whole = annotated(tmp_path / "data", count=15)
    points = whole.landmarks.copy()
    points[2, 3] = np.nan
    explore(Annotations.create(whole.images, points, SQUARE), tmp_path / "out")
    facts = json.loads((tmp_path / "out" / "explore.json").read_text())
    counts = [facts[f"faces{name}"] for name in ("", "_fitted", "_with_missing_landmarks", "_completed")]
    assert counts == [15, 14, 1, 0]
    assert str(tmp_path / "data" / "face 2.png") not in facts["pictured"]


def test_no_face_is_complete(tmp_path: Path) -> None:
    whole = annotated(tmp_path / "data", count=14)
    points = whole.landmarks.copy()
    points[np.arange(14), np.arange(14) % 6] = np.nan
    annotations = Annotations.create(whole.images, points, SQUARE)
    page = explore(annotations, tmp_path / "out", schedule=TWO, faces=3)
    facts = json.loads((tmp_path / "out" / "explore.json").read_text())
    model = ShapeModel.fit(square_frame(annotations))
    assert model.num_completed == facts["faces_completed"] == facts["faces_fitted"] == 14
    assert np.allclose(facts["eigenvalues"], model.eigenvalues.numpy())
    # Distances are of what is there; worked out here for the first share.
    k = facts["modes"]["variance"][0]
    framed = square_frame(annotations)
    away = np.linalg.norm(np.asarray(model.smooth(framed, k)) - framed, axis=-1)
    assert facts["mean_residual"]["variance"][0] == pytest.approx(away[np.isfinite(away)].mean())
    assert len(facts["pictured"]) == 3
    assert "14, 14 of them in the fit, with what they lack estimated" in page.read_text(encoding="utf-8")


def test_too_few_faces_and_bad_folders_are_one_line_errors(tmp_path: Path) -> None:
    one = annotated(tmp_path / "data", count=1)
    with pytest.raises(DataError, match=r"a shape model needs at least 2 .* got 1 .*; give more objects") as caught:
        explore(one, tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot write"):
        explore(annotated(tmp_path / "data", count=4), tmp_path / "file")
    same = annotated(tmp_path / "data", count=4)
    with pytest.raises(DataError, match="all the same: there is no variation"):
        explore(Annotations.create(same.images, landmarks(1).repeat(4, axis=0), SQUARE), tmp_path / "out")
    with pytest.raises(ValueError, match="faces >= 1"):
        explore(one, tmp_path / "out", faces=0)
