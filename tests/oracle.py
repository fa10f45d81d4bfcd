"""The paper's mathematics once more, in NumPy and float64, written from the paper alone: it imports nothing of acrloss.

`python tests/oracle.py` checks it against the golden file in ../shared, which another implementation wrote, and writes
the slice of it that the repository keeps: 30 real faces of 14 landmarks, few enough that 30 faces span all 28 modes.
"""

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float64]

SLICE = Path(__file__).parent / "shapes" / "golden_30_faces.npz"
SHARES = (80, 85, 90, 95, 97)
# Eyes' and mouth's corners, chin and jaw, brows and nose, of the 68.
LANDMARKS = [0, 4, 8, 12, 16, 19, 24, 27, 30, 36, 39, 42, 45, 57]


def vectors(target: Float, pred: Float, shown: int = 30) -> dict[str, Any]:
    """All golden values of faces (N, D) and predictions (N, D) of coordinates x0, y0, x1, y1 …

    Smooth-Face, Φ and gradients are those of the first `shown` faces, shape model and losses those of all.
    """
    mean = target.mean(axis=0)
    centred = target - mean
    eigenvalues, modes = np.linalg.eigh(centred.T @ centred / (len(target) - 1))
    eigenvalues, modes = eigenvalues[::-1], modes[:, ::-1]
    values: dict[str, Any] = {"target": target, "pred": pred, "mean": mean, "eigenvalues": eigenvalues}
    explained = np.cumsum(eigenvalues) / eigenvalues.sum()
    coefficients = centred @ modes
    for share in SHARES:
        counts = {
            "modes": math.floor(share * target.shape[1] / 100 + 1e-9),
            "variance": int(np.argmax(explained >= share / 100 - 1e-12)) + 1,
        }
        for rule, k in counts.items():
            smooth = mean + coefficients[:, :k] @ modes[:, :k].T
            values[f"k_{rule}{share}"] = np.array(k)
            values[f"smooth_{rule}{share}"] = smooth[:shown]
            for per in ("coordinate", "landmark"):
                name = f"{rule}{share}_{per}"
                phi = difficulty(smooth - target, per)
                values[f"phi_{name}"] = phi[:shown]
                for lam in (1, 2.5):
                    for offset in ("paper", "continuous"):
                        loss, gradient = acr(pred - target, phi, lam, offset)
                        values[f"loss_{name}_lam{lam}_{offset}"] = np.array(loss)
                        if (rule, share) == ("variance", 90):
                            values[f"grad_{name}_lam{lam}_{offset}"] = gradient[:shown]
    k = values["k_variance90"]
    limit = 3 * np.sqrt(eigenvalues[:k])
    values["smooth_clamped_variance90"] = (mean + coefficients[:, :k].clip(-limit, limit) @ modes[:, :k].T)[:shown]
    return values


def difficulty(residual: Float, per: str) -> Float:
    """Φ (N, D), eq. 4: the residual of each coordinate, or of each landmark, over the largest of the face."""
    size = np.abs(residual)
    if per == "landmark":
        size = np.repeat(np.hypot(residual[:, ::2], residual[:, 1::2]), 2, axis=1)
    phi: Float = size / size.max(axis=1, keepdims=True)
    return phi


def acr(error: Float, phi: Float, lam: float, offset: str) -> tuple[float, Float]:
    """The loss of eqs. 5 to 7, the mean over all coordinates, and its gradient."""
    delta, power = np.abs(error), 2 - phi
    constant = phi * np.log(2) - 1 if offset == "paper" else lam * np.log(2) - 1
    loss = np.where(delta <= 1, lam * np.log(1 + delta**power), delta**2 + constant)
    slope = np.where(delta <= 1, lam * power * delta ** (power - 1) / (1 + delta**power), 2 * delta)
    return float(loss.mean()), slope * np.sign(error) / error.size


def differences(expected: dict[str, Any], found: dict[str, Any]) -> dict[str, float]:
    """The largest difference of each value; "points" is the target in another shape."""
    return {
        name: float(np.abs(np.reshape(found[name], np.shape(value)) - value).max())
        for name, value in expected.items()
        if name != "points"
    }


def main(golden: Path) -> None:
    with np.load(golden) as file:
        expected = dict(file)
    worst = max(differences(expected, vectors(expected["target"], expected["pred"])).values())
    print(f"{golden.name}: {len(expected)} values reproduced to {worst:.1g}")
    if not worst < 1e-9:
        sys.exit(1)
    points, pred = (expected[name].reshape(-1, 68, 2)[:30, LANDMARKS].reshape(30, -1) for name in ("target", "pred"))
    np.savez_compressed(SLICE, **vectors(points, pred))
    print(f"{SLICE.name}: {SLICE.stat().st_size} bytes")


if __name__ == "__main__":
    from real_data import GOLDEN

    main(GOLDEN)
