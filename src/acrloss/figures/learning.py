"""Figures of learning: curves over the epochs of one run and of several."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from acrloss.figures.style import (
    BLUE,
    CYCLE,
    GREEN,
    INK,
    PURPLE,
    STYLES,
    VERMILLION,
    log_if_wide,
    new_figure,
    shown_name,
    style_axes,
)


@dataclass(frozen=True)
class _Panel:
    """One of the panels of `learning_curves`.

    Attributes:
        title: above it.
        label: of its y axis.
        series: (key of the rows, name, colour) of each line.
        scale: "log" where the first epochs would flatten the rest, or "zero" for an axis that starts there.
    """

    title: str
    label: str
    series: tuple[tuple[str, str, str], ...]
    scale: Literal["log", "zero", "plain"]


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
    figure = new_figure(10, 6.4)
    axes = figure.subplots(2, 2, sharex=True).ravel()
    panels = (
        _Panel("Training loss", "loss (its own unit)", (("train_loss", "training", BLUE),), "log"),
        _Panel(
            "Error",
            f"NME (% of {normalizer})",
            (("train_nme", "training", BLUE), ("val_nme", "validation", VERMILLION)),
            "log",
        ),
        _Panel("Learning rate", "learning rate", (("learning_rate", "learning rate", GREEN),), "plain"),
        _Panel("Speed", "images per second", (("images_per_second", "images per second", PURPLE),), "zero"),
    )
    for ax, panel in zip(axes, panels, strict=True):
        for index, (key, name, colour) in enumerate(panel.series):
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
        logarithmic = panel.scale == "log" and log_if_wide(ax)
        style_axes(ax, f"{panel.title} (log scale)" if logarithmic else panel.title, "", textwrap.fill(panel.label, 36))
        if panel.scale == "zero":
            ax.set_ylim(0, 1.1 * ax.get_ylim()[1])
            ax.yaxis.set_major_formatter("{x:,g}")
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
    figure = new_figure(7.4, 4.6 + 0.2 * len(methods))
    ax = figure.subplots()
    for index, (name, runs) in enumerate(methods.items()):
        curves = [np.asarray(run, dtype=np.float64) for run in runs]
        length = min(map(len, curves))
        epoch = np.arange(1, length + 1)
        values = np.stack([curve[:length] for curve in curves])
        colour = CYCLE[index % len(CYCLE)]
        style = STYLES[(index + index // len(CYCLE)) % len(STYLES)]
        line = {"linestyle": style, "marker": "o" if length < 40 else "", "ms": 3.5, "lw": 1.8, "color": colour}
        ax.plot(
            epoch, values.mean(axis=0), label=shown_name(f"{name} ({len(runs)} run{'s' * (len(runs) > 1)})"), **line
        )
        if len(runs) > 1:
            ax.fill_between(epoch, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.15, lw=0)
    logarithmic = log_if_wide(ax)
    title = "Validation error" + (" (log scale)" if logarithmic else "")
    style_axes(ax, title, "epoch", f"NME (% of {normalizer})")
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(-0.02, -0.14), alignment="left")
    return figure


def _column(rows: Sequence[Mapping[str, Any]], key: str) -> NDArray[np.float64]:
    return np.array([float(row[key]) if row.get(key) not in (None, "") else math.nan for row in rows])
