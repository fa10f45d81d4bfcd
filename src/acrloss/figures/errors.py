"""Figures of errors: CED, landmarks, regions, and differences between methods."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray

from acrloss.evaluation.metrics import area_under_ced, cumulative_error, failure_rate
from acrloss.figures.style import (
    BLUE,
    CYCLE,
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
    shown_name,
    style_axes,
    style_face_axes,
)

if TYPE_CHECKING:
    from acrloss.schemes import Scheme


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
    figure = new_figure(7.4, 1.4 + 0.34 * len(differences))
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
    style_axes(ax, "", f"NME less that of {shown_name(reference)} (% of {normalizer}), 95 % interval", "")
    # Room for a long name of the reference is on the left, below the methods.
    ax.set_xlabel(ax.get_xlabel(), loc="right", wrap=True)
    ax.set_yticks(place, [shown_name(name) for name in differences])
    ax.set_ylim(len(values) - 0.5, -0.5)
    return figure


def ced_curves(
    curves: Mapping[str, ArrayLike], *, normalizer: str, threshold: float = 10.0, noun: str = "face"
) -> Figure:
    """Cumulative error distribution: share of faces with an NME of at most x.

    Args:
        curves: name to the NME of each face in % of the normaliser, one or many; NaN faces are left out.
        normalizer: what the NME is divided by, e.g. "inter-ocular distance".
        threshold: in %; the legend gives FR (share of faces above it) and AUC (area below the curve to it).
        noun: what one of them is called.

    Raises:
        ValueError: no curves, an empty curve or a threshold that is not positive.
    """
    if not curves:
        raise ValueError("ced_curves: expected at least one named array of NME values")
    if not threshold > 0:
        raise ValueError(f"ced_curves: expected a positive threshold in %, got {threshold}")
    figure = new_figure(7.4, 5.2 + 0.2 * len(curves))
    ax = figure.subplots()
    end = 1.15 * threshold
    for index, (name, values) in enumerate(curves.items()):
        nme = np.asarray(values, dtype=np.float64).ravel()
        nme = nme[~np.isnan(nme)]
        if not len(nme):
            raise ValueError(f"ced_curves: {name!r} has no {noun} with a known NME")
        x = np.concatenate([[0.0], np.unique(nme[nme <= end]), [end]])
        y = cumulative_error(nme, x)
        plural = "" if len(nme) == 1 else "s"
        rate, area = failure_rate(nme, threshold), area_under_ced(nme, threshold)
        label = f"{shown_name(name)}: NME {nme.mean():.2f} %, AUC {area:.1f} %, FR {rate:.1f} %  "
        label += f"({len(nme):,} {noun}{plural})"
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
    style_axes(
        ax,
        "Cumulative error distribution",
        f"NME (% of {normalizer})",
        f"{noun}s with at most this NME (%)",
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
    face, level = checked_face(mean_face, scheme), checked_values(errors, scheme)
    top = float(np.nanmax(level)) if np.isfinite(level).any() else 1.0
    norm = Normalize(0, top if top > 0 else 1)
    low, extent = face.min(0), np.maximum(np.ptp(face, axis=0), 1e-9 + 0.02 * np.ptp(face))
    # Names stand where there is room: above and below what is wide, else on both sides. All in inches from here on.
    wide = bool(extent[0] > 1.3 * extent[1])
    scale = 5.4 / extent[0] if wide else min(5.0 / extent[1], 4.6 / extent[0])
    room = np.array([0.4, 0.75] if wide else [1.25, 0.3])
    size = extent * scale + 2 * room
    figure = new_figure(size[0] + (0.4 if wide else 1.3), size[1] + (1.5 if wide else 0.7))
    ax = figure.subplots()
    draw_outline(ax, face, scheme, MUTED, 1.2)
    area = 18 + 150 * np.nan_to_num(level / top if top > 0 else level)
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
    along, across = (0, 1) if wide else (1, 0)
    named = [i for i in np.argsort(-np.nan_to_num(level, nan=-1))[:5].tolist() if np.isfinite(level[i])]
    places: dict[int, tuple[tuple[float, float], int]] = {}
    for side in (-1, 1):
        here = [i for i in named if (face[i, across] >= low[across] + extent[across] / 2) == (side > 0)]
        gap = (0.95 if wide else 0.24) / scale
        for index, place in zip(*_spread(here, face[:, along], gap), strict=True):
            edge = float(low[across] + extent[across] / 2 + side * (extent[across] / 2 + 0.3 / scale))
            places[index] = ((place, edge) if wide else (edge, place)), side
    for index in named:
        at, side = places[index]
        ax.annotate(
            f"{index}: {level[index]:.1f} %",
            face[index],
            xytext=at,
            fontsize=8.5,
            color=INK,
            ha="center" if wide else "left" if side > 0 else "right",
            va=("bottom" if side < 0 else "top") if wide else "center",
            arrowprops={"arrowstyle": "-", "color": MUTED, "lw": 0.7, "shrinkA": 1, "shrinkB": 4},
        )
    ax.set_xlim(low[0] - room[0] / scale, low[0] + extent[0] + room[0] / scale)
    ax.set_ylim(low[1] + extent[1] + room[1] / scale, low[1] - room[1] / scale)
    style_face_axes(ax, f"Error of each landmark on the mean {scheme.called}")
    colour_bar(figure, ax, norm, f"mean error (% of {normalizer})", below=wide)
    return figure


def _spread(indices: list[int], wanted: NDArray[np.float64], gap: float) -> tuple[list[int], list[float]]:
    """Indices in the order of what they want, and places as near to that as a `gap` between any two allows."""
    order = sorted(indices, key=lambda index: float(wanted[index]))
    places: list[float] = []
    for index in order:
        places.append(max(float(wanted[index]), places[-1] + gap) if places else float(wanted[index]))
    # Pushed to one side only, they would leave the figure there: half of it the other way.
    back = max((place - float(wanted[index]) for index, place in zip(order, places, strict=True)), default=0.0) / 2
    return order, [place - back for place in places]


def region_bars(series: Mapping[str, Mapping[str, float]], *, normalizer: str, noun: str = "face") -> Figure:
    """Error per region of the face, one bar per region and series.

    Args:
        series: name (a run, a subset) to {region: mean error in % of the normaliser}.
        normalizer: e.g. "inter-ocular distance".
        noun: what one of them is called.

    Raises:
        ValueError: no series or no regions.
    """
    regions = list(dict.fromkeys(region for values in series.values() for region in values))
    if not regions:
        raise ValueError("region_bars: expected at least one series with at least one region")
    figure = new_figure(7.4, 1.3 + len(regions) * (0.2 + 0.22 * len(series)))
    ax = figure.subplots()
    height = 0.8 / len(series)
    for index, (name, values) in enumerate(series.items()):
        level = [values.get(region, math.nan) for region in regions]
        where = np.arange(len(regions)) + (index - (len(series) - 1) / 2) * height
        bars = ax.barh(where, level, height * 0.88, color=CYCLE[index % len(CYCLE)], label=shown_name(name))
        ax.bar_label(
            bars,
            [f"{value:.2f}" if math.isfinite(value) else "" for value in level],
            padding=4,
            fontsize=8.5,
            color=INK,
        )
    style_axes(ax, f"Error of each region of the {noun}", f"mean error (% of {normalizer})", "region")
    ax.set_yticks(range(len(regions)), [shown_name(region) for region in regions])
    ax.invert_yaxis()
    ax.margins(x=0.1)
    ax.grid(False, axis="y")
    if len(series) > 1:
        ax.legend(frameon=False, fontsize=9, loc="lower right", bbox_to_anchor=(1, 1), ncols=len(series))
    return figure
