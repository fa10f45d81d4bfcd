from collections.abc import Callable
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import pytest
from matplotlib import pyplot, rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
from matplotlib.text import Text
from numpy.typing import NDArray

from acrloss.figures import errors as error_figures
from acrloss.figures import learning, shapes, style
from acrloss.schemes import Scheme, get_scheme
from acrloss.shapes.shape_model import ShapeModel

IBUG = get_scheme("ibug68")
NORMALIZER = "inter-ocular distance"
ROWS = [
    {"epoch": "0", "train_loss": "0.9", "train_nme": "40", "val_nme": "30", "learning_rate": "0.001",
     "images_per_second": "200", "seconds": "9"},
    {"epoch": "1", "train_loss": "0.3", "train_nme": "8", "val_nme": "7", "learning_rate": "0.0005",
     "images_per_second": "210", "seconds": "9"},
    {"epoch": "2", "train_loss": "0.1", "train_nme": "5", "val_nme": "7.5", "learning_rate": "0",
     "images_per_second": "", "seconds": "9"},
]  # fmt: skip


def face() -> NDArray[np.float64]:
    angle = np.linspace(0, 2 * np.pi, 68, endpoint=False)
    return np.asarray(np.stack([0.5 + 0.4 * np.cos(angle), 0.5 + 0.5 * np.sin(2 * angle)], axis=1))


def faces(count: int = 200) -> NDArray[np.float64]:
    rng = np.random.default_rng(3)
    spread = 0.5 ** np.arange(12)
    modes = np.linalg.qr(rng.normal(size=(136, 12)))[0]
    moved = (rng.normal(size=(count, 12)) * spread) @ modes.T + 1e-4 * rng.normal(size=(count, 136))
    return np.asarray(face() + moved.reshape(count, 68, 2))


def line(ax: Axes, index: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    x, y = ax.lines[index].get_data()
    return np.asarray(x, dtype=float), np.asarray(y, dtype=float)


def test_learning_curves_show_the_rows_and_mark_the_best_epoch() -> None:
    axes = learning.learning_curves(ROWS, normalizer=NORMALIZER).axes
    assert line(axes[0], 0)[1].tolist() == [0.9, 0.3, 0.1]
    assert line(axes[1], 0)[1].tolist() == [40, 8, 5]
    assert line(axes[1], 1)[1].tolist() == [30, 7, 7.5]
    assert [value.item() for value in line(axes[1], 2)] == [1, 7]
    assert "best 7.00 % (epoch 1)" in str(axes[1].lines[2].get_label())
    assert line(axes[2], 0)[1].tolist() == [0.001, 0.0005, 0]
    assert line(axes[3], 0)[1][:2].tolist() == [200, 210]
    assert np.isnan(line(axes[3], 0)[1][2]), "an empty cell is a gap"
    assert axes[1].get_ylabel() == "NME (% of inter-ocular distance)"
    assert axes[3].get_xlabel() == "epoch"


def test_learning_curves_of_one_epoch_without_validation() -> None:
    axes = learning.learning_curves([{"epoch": 0, "train_loss": 0.5}], normalizer=NORMALIZER).axes
    assert line(axes[0], 0)[1].tolist() == [0.5]
    assert not axes[1].lines
    with pytest.raises(ValueError, match="at least one epoch"):
        learning.learning_curves([], normalizer=NORMALIZER)


def test_scales_follow_what_a_panel_shows_and_not_its_name() -> None:
    rows = [
        {"epoch": i, "train_loss": 0.9 / 10**i, "train_nme": 40 / 10**i, "learning_rate": 1 / 10**i,
         "images_per_second": 5200 * 10**i} for i in range(3)
    ]  # fmt: skip
    figure = learning.learning_curves(rows, normalizer=NORMALIZER)
    loss, _, rate, speed = figure.axes
    assert [ax.get_yscale() for ax in figure.axes] == ["log", "log", "linear", "linear"]
    assert [ax.get_title(loc="left") for ax in (loss, rate)] == ["Training loss (log scale)", "Learning rate"]
    assert speed.get_ylim()[0] == 0
    style.to_png(figure, dpi=20)
    assert any("," in label.get_text() for label in speed.get_yticklabels()), "5,200 and not 5.2×10³"
    level = learning.learning_curves(
        [{**row, "train_loss": 0.5, "train_nme": 5} for row in rows], normalizer=NORMALIZER
    )
    assert {ax.get_yscale() for ax in level.axes} == {"linear"}


def test_ced_is_the_share_of_faces_at_most_x() -> None:
    nme = np.array([3.0, 1.0, 12.0, 5.0, np.nan])
    ax = error_figures.ced_curves({"run": nme, "other": [2.0]}, normalizer=NORMALIZER, threshold=8).axes[0]
    x, y = line(ax, 0)
    for value in (0.5, 1, 2, 3, 4.9, 5, 8, 9):
        shown = y[np.flatnonzero(x <= value)[-1]]
        assert shown == 100 * np.mean(nme[:4] <= value)
    label = str(ax.lines[0].get_label())
    assert "NME 5.25 %" in label
    assert "FR 25.0 %" in label
    # Trapezoids over a fine grid of the empirical distribution.
    grid = np.linspace(0, 8, 80_001)
    area = np.mean([(nme[:4] <= g).mean() for g in grid[:-1:10]])
    assert f"AUC {100 * area:.1f} %" in label
    assert "(4 faces)" in label
    assert "inter-ocular distance" in ax.get_xlabel()
    legend = ax.get_legend()
    assert legend is not None
    assert "8 %" in legend.get_title().get_text()


def test_ced_needs_faces_and_a_threshold() -> None:
    with pytest.raises(ValueError, match="at least one"):
        error_figures.ced_curves({}, normalizer=NORMALIZER)
    with pytest.raises(ValueError, match="'run' has no face"):
        error_figures.ced_curves({"run": [np.nan]}, normalizer=NORMALIZER)
    with pytest.raises(ValueError, match="positive"):
        error_figures.ced_curves({"run": [1.0]}, normalizer=NORMALIZER, threshold=0)


def test_landmark_errors_sit_on_the_mean_face() -> None:
    errors = np.linspace(1, 9, 68)
    figure = error_figures.landmark_errors(face(), errors, IBUG, normalizer=NORMALIZER)
    dots = figure.axes[0].collections[0]
    assert np.allclose(np.asarray(dots.get_offsets()), face())
    assert np.allclose(np.asarray(dots.get_array()), errors)
    assert figure.axes[0].texts[0].get_text() == "67: 9.0 %"
    assert figure.axes[1].get_ylabel() == "mean error (% of inter-ocular distance)"
    assert figure.axes[0].yaxis_inverted(), "y points down, as in images"


WIDE = np.array([[0, 0], [0.1, -0.04], [0.5, -0.06], [1, 0], [1, 0.002], [0.5, 0.03], [0.1, 0.04], [0, 0.002]]) * 300


@pytest.mark.parametrize("shape", [WIDE, WIDE[:, ::-1], WIDE + WIDE[:, ::-1] * (1, -1)], ids=["wide", "tall", "square"])
def test_names_of_the_worst_landmarks_neither_overlap_nor_leave_the_figure(shape: NDArray[np.float64]) -> None:
    scheme = Scheme("wing", 8, tuple(range(8)), noun="wing")
    # The worst five lie together at the ends, where their names would be on top of each other.
    errors = np.array([9.0, 2, 1, 8.5, 8.9, 1.5, 7.7, 8.8])
    figure = error_figures.landmark_errors(shape, errors, scheme, normalizer="distance of landmarks 0 and 3")
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    ax = figure.axes[0]
    assert ax.get_title() == "Error of each landmark on the mean wing"
    assert [text.get_text() for text in ax.texts] == [f"{i}: {errors[i]:.1f} %" for i in (0, 4, 7, 3, 6)]
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    # The text alone: the window of an annotation holds its line too.
    boxes = [Text.get_window_extent(text, renderer) for text in ax.texts]
    width, height = canvas.get_width_height()
    for i, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])
    # Neither are markers cut, nor is a name on one.
    for point, area in zip(
        ax.transData.transform(shape), cast("PathCollection", ax.collections[0]).get_sizes(), strict=True
    ):
        radius = (area / np.pi) ** 0.5 * figure.dpi / 72
        window = ax.get_window_extent(renderer)
        assert window.x0 <= point[0] - radius
        assert point[0] + radius <= window.x1
        assert window.y0 <= point[1] - radius
        assert point[1] + radius <= window.y1
        assert not any(box.contains(*point) for box in boxes)
    label = figure.axes[1].get_xlabel() or figure.axes[1].get_ylabel()
    assert label == "mean error (% of distance of landmarks 0 and 3)"
    bar = figure.axes[1].get_tightbbox(renderer)
    assert bar is not None
    assert bar.x0 >= -1
    assert bar.y0 >= -1
    assert bar.x1 <= width + 1
    assert bar.y1 <= height + 1


def test_wide_objects_have_room_in_the_figures_of_the_shape_model() -> None:
    scheme = Scheme("wing", 8, tuple(range(8)), contours=((tuple(range(8)), True),), noun="wing")
    data = WIDE + np.random.default_rng(1).normal(0, 3, (30, 8, 2))
    model = ShapeModel.fit(data)
    modes, smooth = shapes.mean_and_modes(model, scheme), shapes.smooth_faces(model, data[0], scheme)
    for figure, first in ((modes, "mean wing"), (smooth, "real wing")):
        canvas = FigureCanvasAgg(figure)
        canvas.draw()  # type: ignore[no-untyped-call]
        renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
        assert first in {ax.get_title() for ax in figure.axes}
        labels = [ax.yaxis.label.get_window_extent(renderer) for ax in figure.axes if ax.get_ylabel()]
        assert len(labels) >= 2
        assert all(label.x0 >= 0 for label in labels)
        assert not any(one.overlaps(other) for i, one in enumerate(labels) for other in labels[i + 1 :])
    values = shapes.values_on_mean_face(WIDE, {"Φ": np.linspace(0, 1, 8)}, scheme, label="Φ")
    assert not values.axes[0].collections[0].get_clip_on(), "the dots at the rim are whole"


def test_landmark_errors_may_be_unknown_or_zero() -> None:
    errors = np.full(68, np.nan)
    style.to_png(error_figures.landmark_errors(face(), errors, IBUG, normalizer=NORMALIZER), dpi=30)
    style.to_png(error_figures.landmark_errors(face(), np.zeros(68), IBUG, normalizer=NORMALIZER), dpi=30)
    with pytest.raises(ValueError, match=r"\(68,\), got \(67,\)"):
        error_figures.landmark_errors(face(), errors[1:], IBUG, normalizer=NORMALIZER)
    with pytest.raises(ValueError, match=r"shape \(68, 2\)"):
        error_figures.landmark_errors(face()[1:], errors, IBUG, normalizer=NORMALIZER)


def test_region_bars_are_as_long_as_their_errors() -> None:
    series = {"run": {"jaw": 6.0, "nose": 3.0}, "L2": {"jaw": 7.0, "nose": float("nan"), "mouth": 4.0}}
    ax = error_figures.region_bars(series, normalizer=NORMALIZER).axes[0]
    widths = [patch.get_width() for patch in ax.patches]  # type: ignore[attr-defined]
    assert np.allclose(widths, [6, 3, np.nan, 7, np.nan, 4], equal_nan=True)
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["jaw", "nose", "mouth"]
    assert [text.get_text() for text in ax.texts] == ["6.00", "3.00", "", "7.00", "", "4.00"]
    assert "inter-ocular distance" in ax.get_xlabel()
    with pytest.raises(ValueError, match="at least one"):
        error_figures.region_bars({}, normalizer=NORMALIZER)


def test_loss_curves_follow_equations_6_and_7() -> None:
    figure = shapes.loss_curves(difficulties=(0.0, 0.5, 1.0))
    paper, continuous, smooth, paper_slope, _, smooth_slope = figure.axes
    for index, phi in enumerate((0.0, 0.5, 1.0)):
        delta, loss = line(paper, index)
        known = np.isfinite(delta)
        expected = np.where(delta <= 1, np.log1p(delta ** (2 - phi)), delta**2 + phi * np.log(2) - 1)
        assert np.allclose(loss[known], expected[known])
        assert np.isnan(loss[~known]).all()
        assert (~known).sum() == 1, "the jump at 1 is a gap, not a line"
        steep = line(paper_slope, index)[1]
        assert np.allclose(steep[delta > 1], 2 * delta[delta > 1])
        below, above = np.flatnonzero(delta <= 1)[-1], np.flatnonzero(delta > 1)[0]
        assert abs(loss[above] - loss[below]) == pytest.approx((1 - phi) * np.log(2), abs=1e-6)
        assert line(continuous, index)[1][above] == pytest.approx(np.log(2), abs=1e-6)
        assert line(smooth, index)[1][above] == pytest.approx(np.log(2), abs=1e-6)
        slope = line(smooth_slope, index)[1]
        assert slope[above] == pytest.approx((2 - phi) / 2, abs=1e-6)
        assert np.nanmax(np.abs(np.diff(slope[below - 20 : below]))) < 0.01
    assert paper.get_ylabel() == "loss of one coordinate"
    assert "Δ" in paper_slope.get_xlabel()


def test_loss_curves_take_any_loss() -> None:
    figure = shapes.loss_curves(
        {"L2": lambda pred, target, phi: (pred - target) ** 2}, unit="pixels", largest=0.5, difficulties=(0.3,)
    )
    delta, loss = line(figure.axes[0], 0)
    assert np.allclose(loss[:-1], delta[:-1] ** 2)
    assert np.allclose(line(figure.axes[1], 0)[1][:-1], 2 * delta[:-1])
    assert figure.axes[1].get_xlabel() == "error Δ (pixels)"


def test_spectrum_shows_both_readings() -> None:
    model = ShapeModel.fit(faces())
    first, second, third = shapes.spectrum(model, (0.8, 0.97)).axes
    share = 100 * model.eigenvalues.numpy() / model.eigenvalues.numpy().sum()
    assert np.allclose(line(first, 0)[1], share)
    assert np.allclose(line(second, 0)[1], np.cumsum(share))
    for index, rule in enumerate(("count", "variance")):
        modes = [model.modes(0.8, rule=rule), model.modes(0.97, rule=rule)]  # type: ignore[arg-type]
        assert line(third, index)[1].tolist() == modes
        assert line(second, index + 1)[0].tolist() == modes
        assert [text.get_text() for text in third.texts][2 * index : 2 * index + 2] == [str(k) for k in modes]
    # The meaning of the variance rule: k reaches the share, k - 1 does not.
    k = int(line(third, 1)[1][0])
    assert np.cumsum(share)[k - 1] >= 80 > (np.cumsum(share)[k - 2] if k > 1 else 0)


def test_modes_move_the_mean_face() -> None:
    model = ShapeModel.fit(faces())
    figure = shapes.mean_and_modes(model, IBUG, modes=2, sigmas=(-3, 0, 3))
    assert len(figure.axes) == 6
    mean, vectors = model.mean.numpy(), model.components.numpy()
    expected = (mean + 3 * np.sqrt(model.eigenvalues.numpy()[1]) * vectors[:, 1]).reshape(-1, 2)
    contours = len(IBUG.contours)
    drawn = figure.axes[5].lines[contours:]
    for artist, (indices, _) in zip(drawn, IBUG.contours, strict=True):
        assert np.allclose(np.asarray(artist.get_xydata())[: len(indices)], expected[list(indices)])
    assert np.allclose(
        np.asarray(figure.axes[4].lines[0].get_xydata()), np.asarray(figure.axes[4].lines[contours].get_xydata())
    )
    assert figure.axes[0].get_title() == "−3 σ"
    assert figure.axes[1].get_title() == "mean face"


def test_smooth_faces_come_closer_with_more_modes() -> None:
    data = faces()
    model = ShapeModel.fit(data)
    figure = shapes.smooth_faces(model, data[0], IBUG, (0.8, 0.97))
    labels = [ax.get_xlabel() for ax in figure.axes]
    for row, rule in enumerate(("count", "variance")):
        for column, share in enumerate((0.8, 0.97), start=1):
            k = model.modes(share, rule=rule)  # type: ignore[arg-type]
            smooth = model.smooth(data[:1], k)[0]
            away = 100 * np.linalg.norm(smooth - data[0], axis=1).mean() / np.ptp(data[0], axis=0).max()
            assert labels[3 * row + column] == f"k = {k}\nmean distance {away:.2f} %"
            drawn = np.asarray(figure.axes[3 * row + column].lines[len(IBUG.contours)].get_xydata())
            assert np.allclose(drawn, smooth[:17])


def test_values_on_mean_face_share_one_scale() -> None:
    values = {"x": np.linspace(0, 0.5, 68), "y": np.linspace(0, 0.8, 68)}
    figure = shapes.values_on_mean_face(face(), values, IBUG, label="Φ (0 to 1)")
    for ax, level in zip(figure.axes, values.values(), strict=False):
        assert np.allclose(np.asarray(ax.collections[0].get_array()), level)
        assert ax.collections[0].get_clim() == (0, 0.8)
    assert figure.axes[2].get_ylabel() == "Φ (0 to 1)"


def test_picture_grid_shows_every_picture() -> None:
    pictures = [[np.full((8, 8, 3), 40 * row + 10 * column, np.uint8) for column in range(3)] for row in range(2)]
    figure = shapes.picture_grid(
        pictures, row_titles=["a", "b"], column_titles=["x", "y", "z"], colour_label="Φ (0 to 1)"
    )
    for index, ax in enumerate(figure.axes[:6]):
        assert (np.asarray(ax.images[0].get_array()) == 40 * (index // 3) + 10 * (index % 3)).all()
    assert [ax.get_title() for ax in figure.axes[:3]] == ["x", "y", "z"]
    assert figure.axes[3].get_ylabel() == "b"
    assert figure.axes[6].get_ylabel() == "Φ (0 to 1)"
    with pytest.raises(ValueError, match="2 rows of 1 pictures"):
        shapes.picture_grid(pictures, row_titles=["a", "b"], column_titles=["x"])


def test_scheme_without_contours_is_drawn_as_dots() -> None:
    dots = Scheme(name="dots", num_landmarks=4, flip=(0, 1, 2, 3))
    data = np.random.default_rng(0).normal(size=(20, 4, 2))
    figure = shapes.mean_and_modes(ShapeModel.fit(data), dots, modes=1, sigmas=(0,))
    assert np.asarray(figure.axes[0].lines[0].get_xydata()).shape == (4, 2)


MAKERS: list[Callable[[], Figure]] = [
    lambda: learning.learning_curves(ROWS, normalizer=NORMALIZER),
    lambda: error_figures.ced_curves({"run": [1.0, 4.0, 11.0]}, normalizer=NORMALIZER),
    lambda: error_figures.region_bars({"run": {"jaw": 3.0}}, normalizer=NORMALIZER),
    lambda: shapes.loss_curves(),
    lambda: shapes.spectrum(ShapeModel.fit(faces())),
]


@pytest.mark.parametrize("make", MAKERS)
def test_outer_axes_are_labelled(make: Callable[[], Figure]) -> None:
    axes = make().axes
    assert all(ax.get_xlabel() for ax in axes if ax.get_subplotspec().is_last_row())  # type: ignore[union-attr]
    assert all(ax.get_ylabel() for ax in axes if ax.get_subplotspec().is_first_col())  # type: ignore[union-attr]


def test_pictures_are_the_same_every_time_and_can_be_read(tmp_path: Path) -> None:
    def make() -> Figure:
        return error_figures.ced_curves({"run": [1.0, 4.0, 11.0]}, normalizer=NORMALIZER)

    path = style.save_figure(tmp_path / "ced.png", make(), dpi=50)
    assert path.read_bytes() == style.to_png(make(), dpi=50)
    for data in (path.read_bytes(), style.to_jpeg(make(), dpi=50)):
        picture = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape[1] == 370
        assert picture.std() > 5


def test_no_global_state_is_touched() -> None:
    before = dict(rcParams)
    for make in MAKERS:
        style.to_png(make(), dpi=20)
    assert pyplot.get_fignums() == []
    assert dict(rcParams) == before


def test_flip_pairs_numbers_every_landmark_and_joins_partners() -> None:
    face = np.array([[-1.0, 0], [1, 0], [0, 0.5], [-0.5, 1], [0.5, 1]])
    figure = shapes.flip_pairs(face, (1, 0, 2, 4, 3), {3: "unsure", 4: "unsure"})
    (ax,) = figure.axes
    assert sorted(text.get_text() for text in ax.texts) == ["0", "1", "2", "3", "4"]
    assert "2 pairs joined, 1 on the middle line, 2 unsure" in ax.get_title()
    assert "no flip pairs; 1 far from any mirror image" in shapes.flip_pairs(face, range(5), {3}).axes[0].get_title()
    # Rings of a flat shape stay inside.
    low, high = sorted(shapes.flip_pairs(face * [1, 0.1], range(5)).axes[0].get_ylim())
    assert low < -0.1
    assert high > 0.2
    assert style.to_png(figure, dpi=40).startswith(b"\x89PNG")


def test_paired_differences_are_coloured_by_what_they_tell() -> None:
    differences = {"b": (-0.3, -0.4, -0.2), "c": (0.1, -0.1, 0.3), "d": (0.5, 0.4, 0.6), "e": (float("nan"),) * 3}
    ax = error_figures.paired_differences(differences, reference="a", normalizer=NORMALIZER).axes[0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["b", "c", "d", "e"]
    assert ax.yaxis_inverted(), "in the order of the table"
    assert ax.get_xlabel() == "NME less that of a (% of inter-ocular distance), 95 % interval"
    better, worse, level = (bars.lines[0] for bars in ax.containers if isinstance(bars, ErrorbarContainer))
    assert (np.array(better.get_xydata()).tolist(), better.get_color()) == ([[-0.3, 0]], style.BLUE)
    assert (np.array(worse.get_xydata()).tolist(), worse.get_color()) == ([[0.5, 2]], style.VERMILLION)
    assert np.array(level.get_xydata())[0].tolist() == [0.1, 1]
    with pytest.raises(ValueError, match="at least one method"):
        error_figures.paired_differences({}, reference="a", normalizer=NORMALIZER)


def test_names_from_files_are_drawn_as_they_are() -> None:
    names = ("cost $5 or $6", "$\\lambda_{$", "_hidden")
    values = [1.0, 2.0, 3.0]
    figures = (
        error_figures.ced_curves(dict.fromkeys(names, values), normalizer="box"),
        learning.compared_learning({key: [values] for key in names}, normalizer="box"),
        error_figures.region_bars({key: {"$x$": 1.0} for key in names}, normalizer="box"),
        error_figures.paired_differences(
            dict.fromkeys(names, (1.0, 0.0, 2.0)), reference="a $ b $ c", normalizer="box"
        ),
    )
    for figure in figures:
        style.to_png(figure)
    for figure in figures[:3]:
        legend = figure.axes[0].get_legend()
        assert legend is not None
        shown = [text.get_text().strip() for text in legend.get_texts()]
        assert [label.replace("\\$", "$").startswith(name) for label, name in zip(shown, names, strict=True)] == [
            True
        ] * 3
