"""The figures of a run and of the paper, as matplotlib figures.

Every function returns a `matplotlib.figure.Figure` made without pyplot, so nothing global is opened or left
behind; `to_png`, `to_jpeg` and `save_figure` turn one into a file. Colours are Okabe and Ito's, which all
common forms of colour vision tell apart, and line styles repeat what they say.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from acrloss.figures.style import (
    BLACK,
    BLUE,
    INK,
    MUTED,
    STYLES,
    VALUES,
    VERMILLION,
    checked_face,
    checked_values,
    colour_bar,
    draw_outline,
    new_figure,
    style_axes,
    style_face_axes,
)
from acrloss.losses import acr_loss, smooth_acr_loss

if TYPE_CHECKING:
    from acrloss.schemes import Scheme
    from acrloss.shapes.difficulty import Rule
    from acrloss.shapes.shape_model import ShapeModel


LossFunction = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(pred, target, difficulty), each (1, P, 2), to the loss of every coordinate, (1, P, 2)."""


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
    figure = new_figure(3.9 * len(variants) + 0.6, 6.4)
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
        style_axes(axes[0, column], name, "", "loss of one coordinate" if column == 0 else "")
        style_axes(axes[1, column], "", f"error Δ ({unit})", "|dL / dΔ|" if column == 0 else "")
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
    figure = new_figure(13, 4.3)
    axes = figure.subplots(1, 3)
    positive = share_of > share_of[0] * 1e-12
    axes[0].semilogy(number[positive], share_of[positive], lw=1.6, marker=".", ms=4, color=BLACK)
    style_axes(axes[0], "Spectrum", "mode", "variance of the mode (% of all)")
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
    style_axes(axes[1], "Explained variance", "modes kept, k (log scale)", "cumulative variance (%)")
    axes[1].set_ylim(max(0, 10 * math.floor(cumulative[0] / 10) - 10), 102)
    axes[1].legend(frameon=False, fontsize=9, loc="lower right")
    style_axes(axes[2], "Two readings of a share", "share (%)", "modes kept, k (log scale)")
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
    # What is wide makes low rows: their labels lie, and have room for two lines.
    row_height = max(2.1 * (extent[1] / extent[0]), 0.5)
    figure = new_figure(2.1 * len(sigmas) + 1.3, row_height * modes + 0.6)
    axes = figure.subplots(modes, len(sigmas), sharex=True, sharey=True, squeeze=False)
    for row in range(modes):
        for column, sigma in enumerate(sigmas):
            ax = axes[row, column]
            draw_outline(ax, mean.reshape(-1, 2), scheme, "#c3c8d0", 1.2)
            draw_outline(ax, moved[column, row].reshape(-1, 2), scheme, BLUE, 1.7)
            style_face_axes(
                ax,
                f"{sigma:+g} \N{GREEK SMALL LETTER SIGMA}".replace("-", "\N{MINUS SIGN}")
                if row == 0 and sigma
                else f"mean {scheme.called}"
                if row == 0
                else "",
            )
        text = f"mode {row + 1}\n{100 * share[row]:.1f} % of variance"
        axes[row, 0].set_ylabel(text, color=INK, fontsize=9.5, rotation=0, ha="right", va="center", labelpad=8)
    return figure


def smooth_faces(
    model: ShapeModel,
    face: ArrayLike,
    scheme: Scheme,
    shares: Sequence[float] = (0.80, 0.85, 0.90, 0.95, 0.97),
) -> Figure:
    """Smooth-Face S_k of one face at each share and by both rules, over the real face.

    Args:
        face: (M, 2) in the model's frame, NaN where a landmark is missing; distances are of the others, in % of the
            longer side of their box.
    """
    real = checked_face(face, scheme)
    known = np.isfinite(real).all(axis=1)
    side = np.ptp(real[known], axis=0).max()
    height = 1.9 * _aspect(real[known]) + 0.7
    figure = new_figure(2.1 * (len(shares) + 1) + 1.1, 2 * height + 0.3)
    axes = figure.subplots(2, len(shares) + 1, sharex=True, sharey=True)
    for row, (rule, colour, _, text) in enumerate(_RULES):
        draw_outline(axes[row, 0], real, scheme, BLACK, 1.5)
        style_face_axes(axes[row, 0], f"real {scheme.called}" if row == 0 else "")
        axes[row, 0].set_ylabel(
            text.replace(" by ", " by\n"), color=INK, fontsize=9.5, rotation=0, ha="right", va="center", labelpad=8
        )
        for column, share in enumerate(shares, start=1):
            ax = axes[row, column]
            modes = model.modes(share, rule=rule)
            smooth = np.asarray(model.smooth(real[None], modes))[0]
            away = 100 * np.linalg.norm(smooth - real, axis=1)[known].mean() / side
            draw_outline(ax, real, scheme, "#b4bac4", 2.6)
            draw_outline(ax, smooth, scheme, colour, 1.5)
            style_face_axes(ax, f"{100 * share:g} %" if row == 0 else "")
            ax.set_xlabel(f"k = {modes}\nmean distance {away:.2f} %", color=INK, fontsize=9)
    return figure


def values_on_mean_face(mean_face: ArrayLike, values: Mapping[str, ArrayLike], scheme: Scheme, *, label: str) -> Figure:
    """Mean faces with a value of each landmark as its colour, all on one scale from 0 to the largest.

    Args:
        mean_face: (M, 2), any frame, y down.
        values: title of the panel to (M,) values.
        label: name and unit of the value, for the colour bar.
    """
    face = checked_face(mean_face, scheme)
    levels = {title: checked_values(value, scheme) for title, value in values.items()}
    if not levels:
        raise ValueError("values_on_mean_face: expected at least one panel")
    top = max(float(np.nanmax(level, initial=0)) for level in levels.values()) or 1.0
    norm = Normalize(0, top)
    columns = min(len(levels), 3)
    rows = math.ceil(len(levels) / columns)
    figure = new_figure(3.6 * columns + 0.9, max((3.2 * _aspect(face) + 0.5) * rows + 0.2, 2.4))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax, (title, level) in zip(axes, levels.items(), strict=False):
        draw_outline(ax, face, scheme, "#9aa1ad", 1.1)
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
            clip_on=False,
        )
        style_face_axes(ax, title)
    for ax in axes[len(levels) :]:
        ax.set_axis_off()
    colour_bar(figure, axes.tolist(), norm, label)
    return figure


def flip_pairs(mean_face: ArrayLike, flip: Sequence[int], doubtful: Collection[int] = ()) -> Figure:
    """A mean face (M, 2) with numbered landmarks: partners joined by a line of their own colour, landmarks of the
    middle grey, doubtful ones in red rings."""
    face = np.asarray(mean_face, dtype=np.float64)
    pairs = [(m, partner) for m, partner in enumerate(flip) if m < partner]
    extent = np.ptp(face, axis=0)
    figure = new_figure(9.0, 9.0 * float(np.clip(extent[1] / extent[0], 0.4, 2.0)) + 0.6)
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
    # Room for rings and numbers around flat shapes too.
    reach = 0.06 * float(extent.max())
    ax.set_xlim(face[:, 0].min() - reach, face[:, 0].max() + reach)
    ax.set_ylim(face[:, 1].min() - reach, face[:, 1].max() + reach)
    if pairs:
        title = f"{len(pairs)} pairs joined, {len(middle)} on the middle line"
        rings = f", {len(doubtful)} unsure (red rings)"
    else:
        title, rings = "no flip pairs", f"; {len(doubtful)} far from any mirror image (red rings)"
    style_face_axes(ax, title + (rings if doubtful else ""))
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
    """RGB pictures (as `acrloss.figures.draw` makes them) in rows and columns with titles.

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
    figure = new_figure(width, side * len(row_titles) + 0.4)
    axes = figure.subplots(len(row_titles), len(column_titles), squeeze=False)
    for row, line in enumerate(pictures):
        for column, picture in enumerate(line):
            axes[row, column].imshow(picture, interpolation="antialiased")
            style_face_axes(axes[row, column], column_titles[column] if row == 0 else "", invert=False)
        axes[row, 0].set_ylabel(row_titles[row], color=INK, fontsize=9.5)
    if colour_label:
        colour_bar(figure, axes.ravel().tolist(), Normalize(*value_range), colour_label)
    return figure


def _aspect(face: NDArray[np.float64]) -> float:
    """Height of a shape over its width, kept within what a figure can show."""
    extent = np.ptp(face, axis=0)
    return float(np.clip(extent[1] / max(extent[0], 1e-9), 0.2, 1.4))


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
