"""Does the difficulty Φ point at what a network finds hard? Rank correlations of the residual r with real errors.

    python benchmarks/difficulty.py default --data 300w --picture docs/images/study-difficulty.png
    python benchmarks/difficulty.py default --data ytf68 --train 300w

r = |S_k(y) - y| is what Φ is made of (Φ = r / max r of the face, which has the same ranks within a face). The shape
model is fitted on the training faces, in the crop's frame or with faces turned, scaled and moved onto their mean
(aligned).

- in a face: mean over faces of the correlation of the landmarks' (or coordinates') residuals with their errors
- of landmarks: correlation of the landmarks' mean residuals with their mean errors: what a fixed weight could use
- between faces: correlation of the faces' mean residuals with their mean errors, which Φ's maximum of 1 throws away
"""

import argparse

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from acrloss.crops.crop import crop_matrix, normalized_landmarks, to_crop_units
from acrloss.figures.style import CYCLE, STYLES, save_figure
from acrloss.formats import read_annotations
from acrloss.networks.localizer import load_model
from acrloss.prediction.annotated import predict_annotated
from acrloss.shapes.shape_model import ShapeModel

Float = NDArray[np.float64]

KINDS = ("in a face, per coordinate", "in a face, per landmark", "of landmarks", "between faces")


def ranks(values: Float) -> Float:
    """Ranks along the last axis."""
    return np.asarray(values.argsort(axis=-1).argsort(axis=-1), dtype=np.float64)


def rank_correlation(first: Float, second: Float) -> Float:
    """Spearman's correlation along the last axis."""
    a, b = (ranks(x) - (x.shape[-1] - 1) / 2 for x in (first, second))
    return np.asarray((a * b).sum(axis=-1) / np.sqrt((a * a).sum(axis=-1) * (b * b).sum(axis=-1)))


def aligned(faces: Float, mean: Float) -> Float:
    """(N, M, 2) faces moved, scaled and turned onto the (M, 2) mean (Procrustes)."""
    centre = mean.mean(axis=0)
    z = (faces - faces.mean(axis=1, keepdims=True)) @ (1, 1j)
    m = (mean - centre) @ np.array((1, 1j))
    turned = z * ((z.conj() @ m) / (abs(z) ** 2).sum(axis=1))[:, None]
    return np.asarray(np.stack([turned.real, turned.imag], axis=-1) + centre, dtype=np.float64)


def correlation_figure(modes: list[int], rows: Float) -> Figure:
    """Each of `KINDS`, a column of `rows`, over the number of modes."""
    figure = Figure(figsize=(7.4, 4.4), layout="constrained")
    axes = figure.subplots()
    place = np.arange(len(modes))
    for name, values, style, colour in zip(KINDS, rows.T, STYLES, CYCLE, strict=False):
        axes.plot(place, values, linestyle=style, color=colour, marker="o", markersize=4, label=name)
    axes.axhline(0, color="0.3", linewidth=1)
    axes.set(xlabel="modes k of the shape model", ylabel="rank correlation of r with the error")
    axes.set_xticks(place, [str(k) for k in modes])
    axes.legend()
    axes.grid(alpha=0.3)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="run folder, model file or packaged model")
    parser.add_argument("--data", required=True)
    parser.add_argument("--train", help="data whose training faces the shape model is fitted on; --data if not given")
    parser.add_argument("--modes", type=int, nargs="+", default=[1, 2, 4, 9, 20, 54, 108, 131])
    parser.add_argument("--picture", help="also draw the correlations in the crop's frame as a PNG file")
    options = parser.parse_args()
    network = load_model(options.model)
    test = read_annotations(options.data).split("test")
    train = read_annotations(options.train or options.data).split("train")
    shapes = normalized_landmarks(train, network.crop)
    found = predict_annotated(network, test)
    squares = network.crop.squares(network.crop.boxes(test))
    size = network.crop.size
    truth, guess = (
        np.stack([to_crop_units(p, crop_matrix(s, size), size) for p, s in zip(points, squares, strict=True)])
        for points in (test.landmarks, found)
    )
    known = np.isfinite(truth).all(axis=(1, 2)) & np.isfinite(guess).all(axis=(1, 2))
    truth, guess = truth[known], guess[known]
    error = np.abs(guess - truth)
    distance = np.linalg.norm(error, axis=-1)
    print(f"{len(truth)} faces of {options.data}; shape model of {len(shapes)} faces\n")
    header = ["modes", *KINDS, *(f"{name}, aligned" for name in KINDS)]
    print("| " + " | ".join(header) + " |\n|" + " --: |" * len(header))
    frames = []
    for frame in ("crop", "aligned"):
        mean = shapes.mean(axis=0)
        fitted, seen = (shapes, truth) if frame == "crop" else (aligned(shapes, mean), aligned(truth, mean))
        frames.append((ShapeModel.fit(fitted), seen))
    table = []
    for modes in options.modes:
        cells: list[float] = []
        for model, seen in frames:
            residual = np.abs(np.asarray(model.smooth(seen, min(modes, len(model.eigenvalues)))) - seen)
            length = np.linalg.norm(residual, axis=-1)
            correlations = (
                rank_correlation(residual.reshape(len(seen), -1), error.reshape(len(seen), -1)),
                rank_correlation(length, distance),
                rank_correlation(length.mean(axis=0), distance.mean(axis=0)),
                rank_correlation(length.mean(axis=1), distance.mean(axis=1)),
            )
            cells += [float(values.mean()) for values in correlations]
        print(f"| {modes} | " + " | ".join(f"{cell:.2f}" for cell in cells) + " |", flush=True)
        table.append(cells)
    model = frames[0][0]
    for rule in ("count", "variance"):
        shares = ", ".join(f"{share:.0%}: {model.modes(share, rule)}" for share in (0.8, 0.85, 0.9, 0.95, 0.97))
        print(f"\nmodes of the paper's stages by the {rule} rule: {shares}", end="")
    print()
    if options.picture:
        rows = np.array(table)[:, : len(KINDS)]
        print(f"results: {save_figure(options.picture, correlation_figure(options.modes, rows))}")


if __name__ == "__main__":
    main()
