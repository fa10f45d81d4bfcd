"""The figures of a run and of the paper, as matplotlib figures.

Every function returns a `matplotlib.figure.Figure` made without pyplot, so nothing global is opened or left
behind; `to_png`, `to_jpeg` and `save_figure` turn one into a file. Colours are Okabe and Ito's, which all
common forms of colour vision tell apart, and line styles repeat what they say.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from acrloss.files import write_atomic
from acrloss.losses import acr_loss, smooth_acr_loss
from acrloss.metrics import area_under_ced, failure_rate

if TYPE_CHECKING:
    from acrloss.schemes import Scheme
    from acrloss.shapes.difficulty import Rule
    from acrloss.shapes.shape_model import ShapeModel

BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#222222",
)
CYCLE = (BLUE, VERMILLION, GREEN, PURPLE, ORANGE, SKY, BLACK)
STYLES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))
INK, MUTED, GRID = "#1f2430", "#6b7280", "#e3e6eb"
VALUES = colormaps["viridis"]

LossFunction = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(pred, target, difficulty), each (1, P, 2), to the loss of every coordinate, (1, P, 2)."""


def to_png(figure: Figure, dpi: float = 150) -> bytes:
    """The figure as PNG bytes, the same bytes for the same figure."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def to_jpeg(figure: Figure, dpi: float = 150) -> bytes:
    """The figure as JPEG bytes without colour subsampling: a tenth of the PNG where it shows photographs."""
    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="jpeg", dpi=dpi, pil_kwargs={"quality": 88, "subsampling": 0})
    return buffer.getvalue()


def save_figure(path: str | Path, figure: Figure, dpi: float = 150) -> Path:
    """Write the figure as PNG, whole or not at all."""
    return write_atomic(path, to_png(figure, dpi))


def learning_curves(rows: Sequence[Mapping[str, Any]], *, normalizer: str) -> Figure:
    """Loss, NME, learning rate and speed over the epochs.

    Args:
        rows: one mapping an epoch, as `csv.DictReader` gives them for metrics.csv: epoch, train_loss,
            train_nme and val_nme (in %), learning_rate, images_per_second. A missing or empty value is a gap.
        normalizer: what the NME is divided by, for the axis label, e.g. "inter-ocular distance".

    Raises:
        ValueError: no rows.
    """
    if not rows:
        raise ValueError("learning_curves: expected at least one epoch, got no rows")
    epoch = _column(rows, "epoch")
    figure = _figure(10, 6.4)
    axes = figure.subplots(2, 2, sharex=True).ravel()
    panels: tuple[tuple[str, str, tuple[tuple[str, str, str], ...]], ...] = (
        ("Training loss", "loss (its own unit)", (("train_loss", "training", BLUE),)),
        (
            "Error",
            f"NME (% of {normalizer})",
            (("train_nme", "training", BLUE), ("val_nme", "validation", VERMILLION)),
        ),
        ("Learning rate", "learning rate", (("learning_rate", "learning rate", GREEN),)),
        ("Speed", "images per second", (("images_per_second", "images per second", PURPLE),)),
    )
    for ax, (title, label, series) in zip(axes, panels, strict=True):
        for index, (key, name, colour) in enumerate(series):
            values = _column(rows, key)
            if np.isfinite(values).any():
                marker = "o" if len(rows) < 40 else ""
                ax.plot(
                    epoch,
                    values,
                    linestyle=STYLES[index],
                    marker=marker,
                    ms=3.5,
                    lw=1.8,
                    color=colour,
                    label=name,
                )
        logarithmic = title in ("Training loss", "Error") and _log_if_wide(ax)
        _style(ax, f"{title} (log scale)" if logarithmic else title, "", label)
        if title == "Speed":
            ax.set_ylim(0, 1.1 * ax.get_ylim()[1])
    figure.align_ylabels()
    for ax in axes[2:]:
        ax.set_xlabel("epoch", color=INK)
        ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    val = _column(rows, "val_nme")
    if np.isfinite(val).any():
        best = int(np.nanargmin(val))
        axes[1].plot(
            epoch[best],
            val[best],
            "*",
            ms=13,
            color=VERMILLION,
            mec="white",
            mew=0.8,
            label=f"best {val[best]:.2f} % (epoch {epoch[best]:g})",
        )
    if axes[1].lines:
        axes[1].legend(frameon=False, fontsize=9)
    return figure


def compared_learning(methods: Mapping[str, Sequence[ArrayLike]], *, normalizer: str) -> Figure:
    """Validation NME over the epochs of several methods: the mean of a method's runs, and the range between them.

    Args:
        methods: name to runs, each with the validation NME of its epochs.
        normalizer: what the NME is divided by, for the axis label.

    Raises:
        ValueError: no method, or a method without a run.
    """
    if not methods or not all(methods.values()):
        raise ValueError("compared_learning: expected at least one method, each with at least one run")
    figure = _figure(7.4, 4.6 + 0.2 * len(methods))
    ax = figure.subplots()
    for index, (name, runs) in enumerate(methods.items()):
        curves = [np.asarray(run, dtype=np.float64) for run in runs]
        length = min(map(len, curves))
        epoch = np.arange(1, length + 1)
        values = np.stack([curve[:length] for curve in curves])
        colour = CYCLE[index % len(CYCLE)]
        style = STYLES[(index + index // len(CYCLE)) % len(STYLES)]
        line = {"linestyle": style, "marker": "o" if length < 40 else "", "ms": 3.5, "lw": 1.8, "color": colour}
        ax.plot(epoch, values.mean(axis=0), label=_name(f"{name} ({len(runs)} run{'s' * (len(runs) > 1)})"), **line)
        if len(runs) > 1:
            ax.fill_between(epoch, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.15, lw=0)
    logarithmic = _log_if_wide(ax)
    title = "Validation error" + (" (log scale)" if logarithmic else "")
    _style(ax, title, "epoch", f"NME (% of {normalizer})")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(-0.02, -0.14), alignment="left")
    return figure


def paired_differences(
    differences: Mapping[str, tuple[float, float, float]], *, reference: str, normalizer: str
) -> Figure:
    """Difference of each method's NME to the reference's with its interval, one line a method.

    Args:
        differences: name to the difference, and the lower and upper end of its interval, in % of the normaliser; NaN
            where there is nothing to compare with.
        reference: the method that the differences are to.
        normalizer: what the NME is divided by, for the axis label.

    Raises:
        ValueError: no method.
    """
    if not differences:
        raise ValueError("paired_differences: expected at least one method")
    figure = _figure(7.4, 1.4 + 0.34 * len(differences))
    ax = figure.subplots()
    values = np.array(list(differences.values()), dtype=np.float64)
    place = np.arange(len(values))
    # Better, worse, and not told apart from the reference.
    better, worse = values[:, 2] < 0, values[:, 1] > 0
    for chosen, colour in ((better, BLUE), (worse, VERMILLION), (~(better | worse), "0.45")):
        middle, low, high = values[chosen].T
        ax.errorbar(
            middle, place[chosen], xerr=(middle - low, high - middle), fmt="o", color=colour, ms=6, lw=2, capsize=3
        )
    ax.axvline(0, color="0.3", lw=1)
    _style(ax, "", f"NME less that of {_name(reference)} (% of {normalizer}), 95 % interval", "")
    # Room for a long name of the reference is on the left, below the methods.
    ax.set_xlabel(ax.get_xlabel(), loc="right", wrap=True)
    ax.set_yticks(place, [_name(name) for name in differences])
    ax.set_ylim(len(values) - 0.5, -0.5)
    return figure


def ced_curves(curves: Mapping[str, ArrayLike], *, normalizer: str, threshold: float = 10.0) -> Figure:
    """Cumulative error distribution: share of faces with an NME of at most x.

    Args:
        curves: name to the NME of each face in % of the normaliser, one or many; NaN faces are left out.
        normalizer: what the NME is divided by, e.g. "inter-ocular distance".
        threshold: in %; the legend gives FR (share of faces above it) and AUC (area below the curve to it).

    Raises:
        ValueError: no curves, an empty curve or a threshold that is not positive.
    """
    if not curves:
        raise ValueError("ced_curves: expected at least one named array of NME values")
    if not threshold > 0:
        raise ValueError(f"ced_curves: expected a positive threshold in %, got {threshold}")
    figure = _figure(7.4, 5.2 + 0.2 * len(curves))
    ax = figure.subplots()
    end = 1.15 * threshold
    for index, (name, values) in enumerate(curves.items()):
        nme = np.asarray(values, dtype=np.float64).ravel()
        nme = nme[~np.isnan(nme)]
        if not len(nme):
            raise ValueError(f"ced_curves: {name!r} has no face with a known NME")
        steps = np.sort(nme)
        share = 100 * np.arange(1, len(nme) + 1) / len(nme)
        shown = steps <= end
        x = np.concatenate([[0.0], steps[shown], [end]])
        y = np.concatenate([[0.0], share[shown], [100 * shown.mean()]])
        rate, area = failure_rate(nme, threshold), area_under_ced(nme, threshold)
        label = f"{_name(name)}: NME {nme.mean():.2f} %, AUC {area:.1f} %, FR {rate:.1f} %  ({len(nme)} faces)"
        style = STYLES[(index + index // len(CYCLE)) % len(STYLES)]
        ax.step(x, y, linestyle=style, where="post", lw=2, color=CYCLE[index % len(CYCLE)], label=label)
    ax.axvline(threshold, color=MUTED, lw=1, ls=(0, (2, 2)))
    ax.annotate(
        f"threshold {threshold:g} %",
        (threshold, 101),
        xytext=(0, 3),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=8.5,
        color=MUTED,
    )
    _style(
        ax,
        "Cumulative error distribution",
        f"NME (% of {normalizer})",
        "faces with at most this NME (%)",
    )
    ax.set_xlim(0, end)
    ax.set_ylim(0, 101)
    legend = ax.legend(
        frameon=False,
        fontsize=9,
        loc="upper left",
        bbox_to_anchor=(-0.02, -0.14),
        alignment="left",
        title=f"NME in % of {normalizer}; AUC and FR at {threshold:g} %",
        title_fontsize=9,
    )
    legend.get_title().set_color(MUTED)
    return figure


def landmark_errors(mean_face: ArrayLike, errors: ArrayLike, scheme: Scheme, *, normalizer: str) -> Figure:
    """Error of each landmark on the mean face; colour and area of a dot grow with it, the worst are named.

    Args:
        mean_face: (M, 2), any frame, y down.
        errors: (M,) mean error in % of the normaliser.
        normalizer: e.g. "inter-ocular distance".
    """
    face, level = _face(mean_face, scheme), _values(errors, scheme)
    figure = _figure(7.2, 6.2)
    ax = figure.subplots()
    _outline(ax, face, scheme, MUTED, 1.2)
    top = float(np.nanmax(level)) if np.isfinite(level).any() else 1.0
    area = 18 + 150 * np.nan_to_num(level / top if top > 0 else level)
    norm = Normalize(0, top if top > 0 else 1)
    ax.scatter(
        face[:, 0],
        face[:, 1],
        s=area,
        c=level,
        cmap=VALUES,
        norm=norm,
        edgecolors=INK,
        linewidths=0.7,
        zorder=3,
    )
    centre = face.mean(0)
    for index in np.argsort(-np.nan_to_num(level, nan=-1))[:5]:
        side = 1 if face[index, 0] >= centre[0] else -1
        ax.annotate(
            f"{index}: {level[index]:.1f} %",
            face[index],
            xytext=(11 * side, 0),
            fontsize=8.5,
            color=INK,
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            va="center",
        )
    _face_style(ax, "Error of each landmark on the mean face")
    ax.margins(0.14, 0.06)
    _colour_bar(figure, ax, norm, f"mean error (% of {normalizer})")
    return figure


def region_bars(series: Mapping[str, Mapping[str, float]], *, normalizer: str) -> Figure:
    """Error per region of the face, one bar per region and series.

    Args:
        series: name (a run, a subset) to {region: mean error in % of the normaliser}.
        normalizer: e.g. "inter-ocular distance".

    Raises:
        ValueError: no series or no regions.
    """
    regions = list(dict.fromkeys(region for values in series.values() for region in values))
    if not regions:
        raise ValueError("region_bars: expected at least one series with at least one region")
    figure = _figure(7.4, 1.3 + len(regions) * (0.2 + 0.22 * len(series)))
    ax = figure.subplots()
    height = 0.8 / len(series)
    for index, (name, values) in enumerate(series.items()):
        level = [values.get(region, math.nan) for region in regions]
        where = np.arange(len(regions)) + (index - (len(series) - 1) / 2) * height
        bars = ax.barh(where, level, height * 0.88, color=CYCLE[index % len(CYCLE)], label=_name(name))
        ax.bar_label(
            bars,
            [f"{value:.2f}" if math.isfinite(value) else "" for value in level],
            padding=4,
            fontsize=8.5,
            color=INK,
        )
    _style(ax, "Error of each region of the face", f"mean error (% of {normalizer})", "region")
    ax.set_yticks(range(len(regions)), [_name(region) for region in regions])
    ax.invert_yaxis()
    ax.margins(x=0.1)
    ax.grid(False, axis="y")
    if len(series) > 1:
        ax.legend(frameon=False, fontsize=9, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(series))
    return figure


def loss_curves(
    variants: Mapping[str, LossFunction] | None = None,
    *,
    unit: str = "unit of the loss",
    largest: float = 2.0,
    difficulties: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0),
) -> Figure:
    """Loss and |gradient| of one coordinate over its error Δ for several Φ (Fig. 1 of arXiv 2203.15835).

    Args:
        variants: name to loss; default the paper's, the continuous and the smooth ACR loss, with λ = 1.
        unit: of Δ, for the label.
        largest: the curves run from Δ = 0 to here.
        difficulties: the values of Φ.
    """
    variants = variants or {
        "paper (eqs. 6, 7)": lambda p, t, d: acr_loss(p, t, d, offset="paper", reduction="none"),
        "continuous": lambda p, t, d: acr_loss(p, t, d, offset="continuous", reduction="none"),
        "smooth (C¹)": lambda p, t, d: smooth_acr_loss(p, t, d, reduction="none"),
    }
    figure = _figure(3.9 * len(variants) + 0.6, 6.4)
    axes = figure.subplots(2, len(variants), sharex=True, sharey="row", squeeze=False)
    # The branches meet at Δ = 1, where the paper's loss jumps: without a gap the jump would be a line.
    # At 0 itself the gradient of |Δ| is not defined, so the curves start just beside it.
    low = np.linspace(1e-9, min(1, largest), 401)
    high = np.linspace(1 + 1e-9, largest, 400) if largest > 1 else np.empty(0)
    delta = np.concatenate([low, [np.nan], high])
    for column, (name, loss) in enumerate(variants.items()):
        for index, phi in enumerate(difficulties):
            value, slope = _loss_and_slope(loss, delta, phi)
            colour, style = VALUES(0.9 * phi), STYLES[index % len(STYLES)]
            axes[0, column].plot(delta, value, linestyle=style, color=colour, lw=1.8, label=f"Φ = {phi:g}")
            axes[1, column].plot(delta, slope, linestyle=style, color=colour, lw=1.8)
        _style(axes[0, column], name, "", "loss of one coordinate" if column == 0 else "")
        _style(axes[1, column], "", f"error Δ ({unit})", "|dL / dΔ|" if column == 0 else "")
    axes[0, 0].legend(frameon=False, fontsize=9, loc="upper left")
    axes[0, 0].set_xlim(0, largest)
    for row in axes:
        row[0].set_ylim(bottom=0)
    return figure


def spectrum(model: ShapeModel, shares: Sequence[float] = (0.80, 0.85, 0.90, 0.95, 0.97)) -> Figure:
    """Eigenvalues, cumulative variance, and the modes k that each share means by either rule (SPEC 1)."""
    values = model.eigenvalues.numpy()
    number = np.arange(1, len(values) + 1)
    share_of = 100 * values / values.sum() if values.sum() > 0 else np.zeros_like(values)
    cumulative = np.cumsum(share_of)
    figure = _figure(13, 4.3)
    axes = figure.subplots(1, 3)
    positive = share_of > share_of[0] * 1e-12
    axes[0].semilogy(number[positive], share_of[positive], lw=1.6, marker=".", ms=4, color=BLACK)
    _style(axes[0], "Spectrum", "mode", "variance of the mode (% of all)")
    axes[1].semilogx(number, cumulative, lw=1.6, color=BLACK, label="_")
    for rule, colour, marker, text in _RULES:
        modes = [model.modes(share, rule=rule) for share in shares]
        axes[1].plot(modes, cumulative[np.array(modes) - 1], marker, ms=7, color=colour, mec="white", label=text)
        percent = [100 * share for share in shares]
        axes[2].semilogy(percent, modes, marker + "-", ms=7, lw=1.4, color=colour, mec="white", label=text)
        for x, k in zip(percent, modes, strict=True):
            axes[2].annotate(
                f"{k}", (x, k), xytext=(0, 8), textcoords="offset points", ha="center", fontsize=9, color=INK
            )
    _style(axes[1], "Explained variance", "modes kept, k (log scale)", "cumulative variance (%)")
    axes[1].set_ylim(max(0, 10 * math.floor(cumulative[0] / 10) - 10), 102)
    axes[1].legend(frameon=False, fontsize=9, loc="lower right")
    _style(axes[2], "Two readings of a share", "share (%)", "modes kept, k (log scale)")
    axes[2].set_xticks([100 * share for share in shares])
    axes[2].set_ylim(0.8, 3 * len(model.mean))
    axes[2].legend(frameon=False, fontsize=9, loc="center left")
    for axis in (axes[1].xaxis, axes[2].yaxis):
        axis.set_major_formatter("{x:g}")
        axis.set_minor_formatter(NullFormatter())
    return figure


def mean_and_modes(
    model: ShapeModel, scheme: Scheme, modes: int = 4, sigmas: Sequence[float] = (-3, -1.5, 0, 1.5, 3)
) -> Figure:
    """The mean face moved along the first modes, mean + s·√λ·v, over the mean face in grey."""
    modes = min(modes, len(model.eigenvalues))
    mean, vectors = model.mean.numpy(), model.components.numpy()
    spread = np.sqrt(np.clip(model.eigenvalues.numpy(), 0, None))
    share = model.eigenvalues.numpy() / model.eigenvalues.numpy().sum()
    moved = mean + np.asarray(sigmas)[:, None, None] * (spread * vectors).T[:modes]
    extent = np.ptp(moved.reshape(-1, 2), axis=0)
    figure = _figure(2.1 * len(sigmas) + 0.7, 2.1 * (extent[1] / extent[0]) * modes + 0.6)
    axes = figure.subplots(modes, len(sigmas), sharex=True, sharey=True, squeeze=False)
    for row in range(modes):
        for column, sigma in enumerate(sigmas):
            ax = axes[row, column]
            _outline(ax, mean.reshape(-1, 2), scheme, "#c3c8d0", 1.2)
            _outline(ax, moved[column, row].reshape(-1, 2), scheme, BLUE, 1.7)
            _face_style(
                ax,
                f"{sigma:+g} \N{GREEK SMALL LETTER SIGMA}".replace("-", "\N{MINUS SIGN}")
                if row == 0 and sigma
                else "mean face"
                if row == 0
                else "",
            )
        axes[row, 0].set_ylabel(f"mode {row + 1}\n{100 * share[row]:.1f} % of variance", color=INK, fontsize=9.5)
    return figure


def smooth_faces(
    model: ShapeModel,
    face: ArrayLike,
    scheme: Scheme,
    shares: Sequence[float] = (0.80, 0.85, 0.90, 0.95, 0.97),
) -> Figure:
    """Smooth-Face S_k of one face at each share and by both rules, over the real face.

    Args:
        face: (M, 2) in the model's frame, complete; distances are given in % of the longer side of its box.
    """
    real = _face(face, scheme)
    side = np.ptp(real, axis=0).max()
    figure = _figure(2.1 * (len(shares) + 1) + 0.6, 5.4)
    axes = figure.subplots(2, len(shares) + 1, sharex=True, sharey=True)
    for row, (rule, colour, _, text) in enumerate(_RULES):
        _outline(axes[row, 0], real, scheme, BLACK, 1.5)
        _face_style(axes[row, 0], "real face" if row == 0 else "")
        axes[row, 0].set_ylabel(text, color=INK, fontsize=9.5)
        for column, share in enumerate(shares, start=1):
            ax = axes[row, column]
            modes = model.modes(share, rule=rule)
            smooth = np.asarray(model.smooth(real[None], modes))[0]
            away = 100 * np.linalg.norm(smooth - real, axis=1).mean() / side
            _outline(ax, real, scheme, "#b4bac4", 2.6)
            _outline(ax, smooth, scheme, colour, 1.5)
            _face_style(ax, f"{100 * share:g} %" if row == 0 else "")
            ax.set_xlabel(f"k = {modes}\nmean distance {away:.2f} %", color=INK, fontsize=9)
    return figure


def values_on_mean_face(mean_face: ArrayLike, values: Mapping[str, ArrayLike], scheme: Scheme, *, label: str) -> Figure:
    """Mean faces with a value of each landmark as its colour, all on one scale from 0 to the largest.

    Args:
        mean_face: (M, 2), any frame, y down.
        values: title of the panel to (M,) values.
        label: name and unit of the value, for the colour bar.
    """
    face = _face(mean_face, scheme)
    levels = {title: _values(value, scheme) for title, value in values.items()}
    if not levels:
        raise ValueError("values_on_mean_face: expected at least one panel")
    top = max(float(np.nanmax(level, initial=0)) for level in levels.values()) or 1.0
    norm = Normalize(0, top)
    columns = min(len(levels), 3)
    rows = math.ceil(len(levels) / columns)
    figure = _figure(3.6 * columns + 0.9, 3.6 * rows + 0.2)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, (title, level) in zip(axes, levels.items(), strict=False):
        _outline(ax, face, scheme, "#9aa1ad", 1.1)
        ax.scatter(
            face[:, 0],
            face[:, 1],
            s=46,
            c=level,
            cmap=VALUES,
            norm=norm,
            edgecolors=INK,
            linewidths=0.6,
            zorder=3,
        )
        _face_style(ax, title)
    for ax in axes[len(levels) :]:
        ax.set_axis_off()
    _colour_bar(figure, axes.tolist(), norm, label)
    return figure


def flip_pairs(mean_face: ArrayLike, flip: Sequence[int], doubtful: Collection[int] = ()) -> Figure:
    """A mean face (M, 2) with numbered landmarks: partners joined by a line of their own colour, landmarks of the
    middle grey, doubtful ones in red rings."""
    face = np.asarray(mean_face, dtype=np.float64)
    pairs = [(m, partner) for m, partner in enumerate(flip) if m < partner]
    extent = np.ptp(face, axis=0)
    figure = _figure(9.0, 9.0 * float(np.clip(extent[1] / extent[0], 0.4, 2.0)) + 0.6)
    ax = figure.subplots()
    # Partners that follow each other would get neighbouring colours of a plain sweep.
    colours = [VALUES(0.9 * (0.618 * i % 1)) for i in range(len(pairs))]
    for (m, partner), colour in zip(pairs, colours, strict=True):
        ax.plot(*face[[m, partner]].T, "-o", color=colour, lw=1.3, ms=5, alpha=0.85, zorder=2)
    middle = face[[m for m, partner in enumerate(flip) if m == partner]]
    ax.plot(*middle.T, "o", color=MUTED, ms=5, zorder=2)
    ax.plot(*face[list(doubtful)].T, "o", mfc="none", mec=VERMILLION, mew=2, ms=13, zorder=3)
    for m, (x, y) in enumerate(face):
        ax.annotate(f"{m}", (x, y), (4, 4), textcoords="offset points", fontsize=8, color=INK, zorder=4)
    title = f"{len(pairs)} pairs joined, {len(middle)} on the middle line"
    _face_style(ax, title + (f", {len(doubtful)} unsure (red rings)" if doubtful else ""))
    return figure


def picture_grid(
    pictures: Sequence[Sequence[NDArray[np.uint8]]],
    *,
    row_titles: Sequence[str],
    column_titles: Sequence[str],
    colour_label: str | None = None,
    value_range: tuple[float, float] = (0.0, 1.0),
    side: float = 2.3,
) -> Figure:
    """RGB pictures (as `acrloss.draw` makes them) in rows and columns with titles.

    Args:
        colour_label: name and unit of what the dots' colours show; adds a colour bar over `value_range`.
        side: of one picture in inches.

    Raises:
        ValueError: the titles do not match the pictures.
    """
    if len(row_titles) != len(pictures) or any(len(row) != len(column_titles) for row in pictures) or not pictures:
        raise ValueError(
            f"picture_grid: expected {len(row_titles)} rows of {len(column_titles)} pictures, as titles say, "
            f"got {[len(row) for row in pictures]}"
        )
    width = side * len(column_titles) + (1.65 if colour_label else 0.6)
    figure = _figure(width, side * len(row_titles) + 0.4)
    axes = figure.subplots(len(row_titles), len(column_titles), squeeze=False)
    for row, line in enumerate(pictures):
        for column, picture in enumerate(line):
            axes[row, column].imshow(picture, interpolation="antialiased")
            _face_style(axes[row, column], column_titles[column] if row == 0 else "", invert=False)
        axes[row, 0].set_ylabel(row_titles[row], color=INK, fontsize=9.5)
    if colour_label:
        _colour_bar(figure, axes.ravel().tolist(), Normalize(*value_range), colour_label)
    return figure


_RULES: tuple[tuple[Rule, str, str, str], ...] = (
    ("count", VERMILLION, "s", "k by count of modes"),
    ("variance", BLUE, "o", "k by explained variance"),
)


def _loss_and_slope(
    loss: LossFunction, delta: NDArray[np.float64], phi: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Loss and |gradient| of one coordinate at each error; NaN where the error is NaN."""
    known = np.isfinite(delta)
    target = torch.zeros(1, int(known.sum()), 2, dtype=torch.float64)
    pred = target + torch.from_numpy(delta[known])[None, :, None]
    pred.requires_grad_()
    value = loss(pred, target, torch.full_like(target, phi))
    (slope,) = torch.autograd.grad(value.sum(), pred)
    both = np.full((2, len(delta)), np.nan)
    both[0, known] = value.detach()[0, :, 0].numpy()
    both[1, known] = slope[0, :, 0].abs().numpy()
    return both[0], both[1]


def _column(rows: Sequence[Mapping[str, Any]], key: str) -> NDArray[np.float64]:
    return np.array([float(row[key]) if row.get(key) not in (None, "") else math.nan for row in rows])


def _face(points: ArrayLike, scheme: Scheme) -> NDArray[np.float64]:
    face = np.asarray(points, dtype=np.float64)
    if face.size == 2 * scheme.num_landmarks:
        face = face.reshape(-1, 2)
    if face.shape != (scheme.num_landmarks, 2):
        raise ValueError(f"expected a face of shape ({scheme.num_landmarks}, 2), got {face.shape}")
    return face


def _values(values: ArrayLike, scheme: Scheme) -> NDArray[np.float64]:
    level = np.asarray(values, dtype=np.float64)
    if level.shape != (scheme.num_landmarks,):
        raise ValueError(f"expected one value a landmark, ({scheme.num_landmarks},), got {level.shape}")
    return level


def _figure(width: float, height: float) -> Figure:
    layout = ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.09)
    return Figure(figsize=(width, height), layout=layout, facecolor="white")


def _name(text: str) -> str:
    """A name from a user's file as matplotlib text: `$` starts no formula, and `_` hides nothing from the legend."""
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def _style(ax: Axes, title: str, x: str, y: str) -> None:
    if title:
        ax.set_title(title, loc="left", fontsize=11.5, fontweight="bold", color=INK)
    ax.set_xlabel(x, color=INK)
    ax.set_ylabel(y, color=INK)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color("#aab0ba")
    ax.tick_params(colors=MUTED, labelcolor=INK, labelsize=9)
    ax.grid(True, color=GRID, lw=0.8)
    ax.set_axisbelow(True)


def _face_style(ax: Axes, title: str, invert: bool = True) -> None:
    """A face needs no ticks: its frame is named in the text; y points down as in images."""
    ax.set_aspect("equal")
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_visible(False)
    if invert and not ax.yaxis_inverted():
        ax.invert_yaxis()
    if title:
        ax.set_title(title, fontsize=10.5, fontweight="bold", color=INK)


def _outline(ax: Axes, face: NDArray[np.float64], scheme: Scheme, colour: str, width: float) -> None:
    if not scheme.contours:
        ax.plot(*face.T, ".", color=colour, ms=3 + width, zorder=2)
    for indices, closed in scheme.contours:
        line = face[[*indices, indices[0]] if closed else list(indices)]
        ax.plot(*line.T, "-", color=colour, lw=width, solid_joinstyle="round", solid_capstyle="round", zorder=2)


def _colour_bar(figure: Figure, axes: Any, norm: Normalize, label: str) -> None:
    bar = figure.colorbar(ScalarMappable(norm, VALUES), ax=axes, shrink=0.6, aspect=32, pad=0.02)
    bar.set_label(label, color=INK)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=MUTED, labelcolor=INK, labelsize=9)


def _log_if_wide(ax: Axes) -> bool:
    """Give `ax` a log scale, and say so, where the first epochs would flatten the rest."""
    values = np.concatenate([np.asarray(line.get_ydata(), float) for line in ax.lines] or [np.empty(0)])
    values = values[np.isfinite(values)]
    if not len(values) or values.min() <= 0 or values.max() <= 5 * values.min():
        return False
    ax.set_yscale("log")
    ax.yaxis.set_minor_locator(LogLocator(subs=(2, 3, 5)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter("{x:g}")
    ax.tick_params(which="minor", labelsize=9, color=MUTED, labelcolor=INK)
    return True
