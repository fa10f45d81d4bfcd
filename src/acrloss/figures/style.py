"""What all figures share: colours, styles, axes, outlines of the face, and their bytes."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import LogLocator
from numpy.typing import ArrayLike, NDArray

from acrloss.files import write_atomic

if TYPE_CHECKING:
    from acrloss.schemes import Scheme


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


def to_png(figure: Figure, dpi: float = 150) -> bytes:
    """The figure as PNG bytes, the same bytes for the same figure."""
    buffer = io.BytesIO()
    _canvas(figure, dpi).print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def to_jpeg(figure: Figure, dpi: float = 150) -> bytes:
    """The figure as JPEG bytes without colour subsampling: a tenth of the PNG where it shows photographs."""
    buffer = io.BytesIO()
    _canvas(figure, dpi).print_jpg(buffer, pil_kwargs={"quality": 88, "subsampling": 0})
    return buffer.getvalue()


def _canvas(figure: Figure, dpi: float) -> Any:
    # Figure.savefig would draw everything twice, the first time only to lay it out.
    figure.set_dpi(dpi)
    return FigureCanvasAgg(figure)


def save_figure(path: str | Path, figure: Figure, dpi: float = 150) -> Path:
    """Write the figure as PNG, whole or not at all."""
    return write_atomic(path, to_png(figure, dpi))


def checked_face(points: ArrayLike, scheme: Scheme) -> NDArray[np.float64]:
    face = np.asarray(points, dtype=np.float64)
    if face.size == 2 * scheme.num_landmarks:
        face = face.reshape(-1, 2)
    if face.shape != (scheme.num_landmarks, 2):
        raise ValueError(f"expected a face of shape ({scheme.num_landmarks}, 2), got {face.shape}")
    return face


def checked_values(values: ArrayLike, scheme: Scheme) -> NDArray[np.float64]:
    level = np.asarray(values, dtype=np.float64)
    if level.shape != (scheme.num_landmarks,):
        raise ValueError(f"expected one value a landmark, ({scheme.num_landmarks},), got {level.shape}")
    return level


def new_figure(width: float, height: float) -> Figure:
    layout = ConstrainedLayoutEngine(w_pad=0.09, h_pad=0.09)
    return Figure(figsize=(width, height), layout=layout, facecolor="white")


def shown_name(text: str) -> str:
    """A name from a user's file as matplotlib text: `$` starts no formula, and `_` hides nothing from the legend."""
    text = text.replace("$", r"\$")
    return f" {text}" if text.startswith("_") else text


def style_axes(ax: Axes, title: str, x: str, y: str) -> None:
    if title:
        ax.set_title(title, loc="left", fontsize=11.5, fontweight="bold", color=INK)
    ax.set_xlabel(x, color=INK)
    ax.set_ylabel(y, color=INK)
    ax.spines[["top", "right"]].set_visible(False)
    ax.spines[["left", "bottom"]].set_color("#aab0ba")
    ax.tick_params(colors=MUTED, labelcolor=INK, labelsize=9)
    ax.grid(True, color=GRID, lw=0.8)
    ax.set_axisbelow(True)


def style_face_axes(ax: Axes, title: str, invert: bool = True) -> None:
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


def draw_outline(ax: Axes, face: NDArray[np.float64], scheme: Scheme, colour: str, width: float) -> None:
    if not scheme.contours:
        ax.plot(*face.T, ".", color=colour, ms=3 + width, zorder=2)
    for indices, closed in scheme.contours:
        line = face[[*indices, indices[0]] if closed else list(indices)]
        ax.plot(*line.T, "-", color=colour, lw=width, solid_joinstyle="round", solid_capstyle="round", zorder=2)


def colour_bar(figure: Figure, axes: Any, norm: Normalize, label: str, below: bool = False) -> None:
    location = "bottom" if below else "right"
    bar = figure.colorbar(ScalarMappable(norm, VALUES), ax=axes, location=location, shrink=0.6, aspect=32, pad=0.02)
    bar.set_label(label, color=INK)
    bar.outline.set_visible(False)
    bar.ax.tick_params(colors=MUTED, labelcolor=INK, labelsize=9)


def log_if_wide(ax: Axes) -> bool:
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
