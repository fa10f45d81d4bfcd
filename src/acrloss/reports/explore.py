"""The paper's figures from anybody's annotated faces, before anything is trained."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.arrays import Float, Image
from acrloss.crops.crop import CropSpec, apply_matrix, square_frame
from acrloss.errors import DataError
from acrloss.figures import shapes, style
from acrloss.figures.draw import draw_landmarks, face_tile
from acrloss.files import write_atomic
from acrloss.images import read_image
from acrloss.progress_hook import Progress, no_progress
from acrloss.reports.page import ReportContent, write_report
from acrloss.shapes.difficulty import Rule
from acrloss.shapes.schedule import ModeSchedule
from acrloss.shapes.shape_model import ShapeModel

Drawing = tuple[str, str, Callable[[], Figure]]
"""File name without suffix, caption, and what draws it."""

RULES: tuple[Rule, ...] = ("count", "variance")
FRAME = (
    "crop units of the square landmark box: centre of the tight box around the landmarks at (0.5, 0.5), "
    "longer side 1, no rotation"
)
"""The frame that the shape model is fitted in. A larger crop only scales it: k and Φ stay the same."""


def explore(
    annotations: Annotations,
    output: str | Path,
    *,
    schedule: ModeSchedule | None = None,
    faces: int = 6,
    progress: Progress = no_progress,
) -> Path:
    """Fit a shape model and write the paper's figures, explore.json and explore.html into `output`.

    The faces pictured are spread over the data from the easiest to the hardest for the shape model. One whose
    image cannot be read is passed over for the next.

    Args:
        annotations: the faces. As in training, those with missing landmarks are left out where enough are complete, and
            take part where they are not (`ShapeModel.fit`).
        output: folder, made if needed.
        schedule: its shares are the ones shown; default the paper's 80, 85, 90, 95 and 97 %.
        faces: how many faces are pictured.
        progress: wraps the figures that are drawn.

    Returns:
        The path of explore.html.

    Raises:
        ValueError: `faces` below 1.
        DataError: the faces make no shape model, or the folder cannot be written.
    """
    if faces < 1:
        raise ValueError(f"explore: expected faces >= 1, got {faces}")
    output = Path(output)
    framed = square_frame(annotations)
    missing: NDArray[np.bool_] = np.asarray(np.isnan(framed).any(axis=2))
    try:
        model = ShapeModel.fit(framed)
    except ValueError as error:
        source, called = annotations.source or "the data", annotations.scheme.called
        raise DataError(f"{source}: {error}; give more {called}s") from error
    # What was fitted is what is shown.
    fitted = ~missing.all(axis=1) if model.num_completed else ~missing.any(axis=1)
    usable, known = annotations.select(fitted), framed[fitted]
    stages = (schedule or ModeSchedule()).stages
    shares = list(dict.fromkeys(share for _, share in stages))

    modes = {rule: [model.modes(share, rule=rule) for share in shares] for rule in RULES}
    variance = np.cumsum(model.eigenvalues.numpy()) / float(model.eigenvalues.sum())
    residuals = {k: _residuals(model, known, k) for k in {*modes["count"], *modes["variance"]}}

    hardness = np.nanmean(residuals[modes["variance"][0]], axis=1)
    chosen, passed_over = _readable(usable, hardness, faces)
    middle = known[np.argsort(hardness)[len(known) // 2]]

    drawings = _drawings(model, annotations, known, middle, modes, shares)
    photographs = _photographs(model, usable, known, chosen, modes, shares) if chosen else []
    figures: list[tuple[str, bytes]] = []
    files: list[str] = []
    work = [(drawing, ".png", style.to_png) for drawing in drawings]
    work += [(photograph, ".jpg", style.to_jpeg) for photograph in photographs]
    for (name, caption, draw), suffix, encode in progress(work, "drawing", len(work)):
        figures.append((caption, encode(draw())))
        files.append(f"figures/{name}{suffix}")
        write_atomic(output / files[-1], figures[-1][1])

    facts = {
        "source": annotations.source,
        "scheme": annotations.scheme.name,
        "frame": FRAME,
        "faces": len(annotations),
        "faces_fitted": model.num_faces,
        "faces_with_missing_landmarks": int(missing.any(axis=1).sum()),
        "faces_completed": model.num_completed,
        "faces_skipped_by_the_reader": len(annotations.skipped),
        "coordinates": len(model.mean),
        "rank": len(model.eigenvalues),
        "shares": shares,
        "from_epoch": [next(epoch for epoch, stage in stages if stage == share) for share in shares],
        "modes": modes,
        "variance_explained": {rule: [float(variance[k - 1]) for k in modes[rule]] for rule in RULES},
        "mean_residual": {rule: [float(np.nanmean(residuals[k])) for k in modes[rule]] for rule in RULES},
        "eigenvalues": model.eigenvalues.tolist(),
        "cumulative_variance": variance.tolist(),
        "mean_face": model.mean.reshape(-1, 2).tolist(),
        "pictured": [usable.images[index] for index, _ in chosen],
        "passed_over": passed_over,
        "figures": files,
    }
    write_atomic(output / "explore.json", json.dumps(facts, indent=2) + "\n")
    return write_report(output, _page(annotations, facts, figures), name="explore.html")


def _residuals(model: ShapeModel, framed: Float, modes: int) -> Float:
    """(N, M) distance of each landmark from its Smooth-Face, in the frame's unit; NaN where it is missing."""
    return np.asarray(np.linalg.norm(model.smooth(framed, modes) - framed, axis=-1))


def _difficulties(model: ShapeModel, framed: Float, modes: int) -> dict[str, Float]:
    """Name to (N, M) Φ: of x, of y and per landmark; NaN where a landmark is missing."""
    gaps = np.where(np.isnan(framed), np.nan, 0.0)
    single = model.difficulty(framed, modes, per="coordinate") + gaps
    both = model.difficulty(framed, modes, per="landmark") + gaps
    return {"Φ of x": single[..., 0], "Φ of y": single[..., 1], "Φ per landmark": both[..., 0]}


def _readable(annotations: Annotations, hardness: Float, count: int) -> tuple[list[tuple[int, Image]], list[str]]:
    """(index, image) of `count` faces spread evenly over `hardness` (N,), and why others were passed over."""
    order = np.argsort(hardness, kind="stable").tolist()
    chosen: dict[int, Image] = {}
    passed_over: dict[int, str] = {}
    for start in np.linspace(0, len(order) - 1, min(count, len(order)) + 2)[1:-1].round().astype(int).tolist():
        for index in [*order[start:], *order[:start]]:
            if index in chosen or index in passed_over:
                continue
            try:
                chosen[index] = read_image(annotations.images[index])
                break
            except DataError as error:
                passed_over[index] = str(error)
    return sorted(chosen.items(), key=lambda item: hardness[item[0]]), list(passed_over.values())


def _drawings(
    model: ShapeModel,
    annotations: Annotations,
    framed: Float,
    middle: Float,
    modes: dict[Rule, list[int]],
    shares: list[float],
) -> list[Drawing]:
    """Figures that need no photograph."""
    scheme, mean_face = annotations.scheme, model.mean.reshape(-1, 2).numpy()
    first, counted, explained = _percent(shares[0]), modes["count"][0], modes["variance"][0]
    mean_difficulty = {
        f"{name}, {rule}, k = {modes[rule][0]}": np.nanmean(phi, axis=0)
        for rule in RULES
        for name, phi in _difficulties(model, framed, modes[rule][0]).items()
    }
    return [
        (
            "loss_and_gradient",
            (
                "Loss (above) and gradient (below) of one coordinate over its error Δ, for five Φ, λ = 1. Left: "
                "the paper's loss, which jumps at Δ = 1 unless Φ = 1. Middle: the same made continuous. Right: "
                "with a continuous gradient. The data play no part in this figure."
            ),
            shapes.loss_curves,
        ),
        (
            "mean_and_modes",
            (
                f"The mean of {scheme.count(len(framed))} (grey) moved along the first modes of the shape model, up to "
                "three standard deviations (blue)."
            ),
            partial(shapes.mean_and_modes, model, scheme),
        ),
        (
            "spectrum",
            (
                f"Spectrum of the shape model and the two readings of a share: {first} of the modes is "
                f"k = {counted} of {len(model.mean)}, {first} of the variance is k = {explained}."
            ),
            partial(shapes.spectrum, model, shares),
        ),
        (
            "smooth_face",
            (
                f"Smooth-Face of one {scheme.called} of middling difficulty (coloured) over the real one (grey), for "
                "each share and both rules; distances in % of the longer side of its box."
            ),
            partial(shapes.smooth_faces, model, middle, scheme, shares),
        ),
        (
            "difficulty_on_mean_face",
            (
                f"Mean difficulty Φ over {scheme.count(len(framed))} at {first} by either rule: of the x and the y "
                "coordinate and per landmark."
            ),
            partial(
                shapes.values_on_mean_face,
                mean_face,
                mean_difficulty,
                scheme,
                label="mean difficulty Φ (0 to 1)",
            ),
        ),
    ]


def _photographs(
    model: ShapeModel,
    annotations: Annotations,
    framed: Float,
    chosen: list[tuple[int, Image]],
    modes: dict[Rule, list[int]],
    shares: list[float],
) -> list[Drawing]:
    """Figures on photographs: Smooth-Face and Φ by both rules."""
    scheme = annotations.scheme
    indices = [index for index, _ in chosen]
    names = [_short(annotations.images[index]) for index in indices]
    squares = CropSpec(enlargement=1.0).squares(annotations.landmark_boxes())[indices]
    tiles, matrices = zip(*(face_tile(image, annotations.landmarks[index]) for index, image in chosen), strict=True)
    real = [apply_matrix(matrix, annotations.landmarks[index]) for index, matrix in zip(indices, matrices, strict=True)]
    annotated = [draw_landmarks(tile, points, scheme) for tile, points in zip(tiles, real, strict=True)]

    def smooth_pictures() -> Figure:
        columns, titles = [annotated], ["annotated"]
        for rule, stage in (("count", 0), ("variance", 0), ("variance", -1)):
            k = modes[rule][stage]  # type: ignore[index]
            pixels = (model.smooth(framed[indices], k) - 0.5) * squares[:, None, 2:] + squares[:, None, :2]
            columns.append(
                [
                    draw_landmarks(tile, apply_matrix(matrix, smooth), scheme, reference=points)
                    for tile, matrix, smooth, points in zip(tiles, matrices, pixels, real, strict=True)
                ]
            )
            titles.append(f"{_percent(shares[stage])} by {rule}, k = {k}")
        return shapes.picture_grid(list(zip(*columns, strict=True)), row_titles=names, column_titles=titles)

    def difficulty_pictures(rule: Rule) -> Figure:
        columns, titles = [annotated], ["annotated"]
        for name, phi in _difficulties(model, framed[indices], modes[rule][0]).items():
            columns.append(
                [
                    draw_landmarks(tile, points, scheme, values=level, value_range=(0, 1))
                    for tile, points, level in zip(tiles, real, phi, strict=True)
                ]
            )
            titles.append(name)
        return shapes.picture_grid(
            list(zip(*columns, strict=True)),
            row_titles=names,
            column_titles=titles,
            colour_label="difficulty Φ (0 to 1)",
        )

    first, last = _percent(shares[0]), _percent(shares[-1])
    order = f"{scheme.called.capitalize()}s from the easiest for the shape model (top) to the hardest (bottom)."
    return [
        (
            "smooth_face_on_photographs",
            (
                f"Smooth-Face (blue) over the annotated landmarks (yellow): {first} by count of modes, {first} "
                f"and {last} by explained variance. {order}"
            ),
            smooth_pictures,
        ),
        (
            "difficulty_count",
            f"Difficulty Φ at {first} by count of modes (k = {modes['count'][0]}). {order}",
            partial(difficulty_pictures, "count"),
        ),
        (
            "difficulty_variance",
            f"Difficulty Φ at {first} by explained variance (k = {modes['variance'][0]}). {order}",
            partial(difficulty_pictures, "variance"),
        ),
    ]


def _page(annotations: Annotations, facts: dict[str, Any], figures: list[tuple[str, bytes]]) -> ReportContent:
    shares, modes, size = facts["shares"], facts["modes"], facts["coordinates"]
    called = annotations.scheme.called
    fate = "left out of the fit"
    if completed := facts["faces_completed"]:
        fate = f"{completed} of them in the fit, with what they lack estimated: too few are complete"
    header = ["share", "from epoch"]
    rows = [[_percent(share), f"{epoch}"] for share, epoch in zip(shares, facts["from_epoch"], strict=True)]
    for rule in RULES:
        header += [f"k by {rule}", f"variance, {rule} (%)", f"residual, {rule} (% of box)"]
        for i, row in enumerate(rows):
            explained, residual = facts["variance_explained"][rule][i], facts["mean_residual"][rule][i]
            row += [f"{modes[rule][i]}", f"{100 * explained:.2f}", f"{100 * residual:.3f}"]
    details = [
        (
            "Data and frame",
            (
                f"{annotations.summary()}\nframe: {FRAME}\n"
                f"{called}s with missing landmarks: {facts['faces_with_missing_landmarks']}, {fate}"
            ),
        ),
        (f"{called.capitalize()}s pictured", "\n".join(facts["pictured"]) or "none: no image could be read"),
    ]
    if left_out := [*annotations.skipped, *facts["passed_over"]]:
        details.append((f"{called.capitalize()}s skipped ({len(left_out)})", "\n".join(left_out)))
    first = _percent(shares[0])
    span = f"{100 * shares[0]:g} to {_percent(shares[-1])}"
    return ReportContent(
        title=f"acrloss explore: {annotations.source}" if annotations.source else "acrloss explore",
        headline=f"{first} of the modes is k = {modes['count'][0]}, {first} of the variance k = {modes['variance'][0]}",
        summary=f"The shape model of {annotations.scheme.count(facts['faces_fitted'])} ({facts['scheme']}), and the "
        "difficulty Φ and the losses that follow from it, before anything is trained.",
        highlights=[
            (f"{facts['faces_fitted']:,}", f"{called}s in the shape model"),
            (f"{size}", f"coordinates of {size // 2} landmarks"),
            (f"{modes['count'][0]} → {modes['count'][-1]}", f"modes k by count, {span}"),
            (f"{modes['variance'][0]} → {modes['variance'][-1]}", f"modes k by variance, {span}"),
        ],
        tables=[
            (
                (
                    "Modes k kept at each share, variance they explain, and mean distance of the landmarks from "
                    "Smooth-Face in % of the longer side of the landmark box"
                ),
                header,
                rows,
            )
        ],
        figures=figures,
        details=details,
    )


def _percent(share: float) -> str:
    return f"{100 * share:g} %"


def _short(reference: str) -> str:
    """The end of an image reference, short enough for a title beside a picture."""
    name = reference.rsplit("/", 1)[-1]
    return name if len(name) <= 24 else f"{name[:11]}...{name[-10:]}"
