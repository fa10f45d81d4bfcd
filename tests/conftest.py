"""A small face-like data set in real formats, drawn here so that no test needs a download."""

import csv
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from acrloss.commands.main import main
from acrloss.formats.pts import write_pts
from acrloss.images.encode import encode_png

# Official 300-W folder -> number of faces in it.
FOLDERS = {"afw": 4, "helen/trainset": 6, "helen/testset": 3, "lfpw/trainset": 4, "lfpw/testset": 3, "ibug": 4}
# Part of the picture -> least value of its random colour.
PAINT = {"wall": 20, "skin": 140, "eye": 195, "lips": 90, "mouth": 0}


def pytest_configure() -> None:
    """One thread for each test process and its children: threads on tiny networks cost more than they save."""
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    torch.set_num_threads(1)
    # Programs started in the background of a shell ignore Ctrl-C, and so would those that tests start and stop.
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def arc(count: int, centre: tuple[float, float], radii: tuple[float, float], turns: tuple[float, float]) -> Any:
    """`count` points of an ellipse between two angles in degrees, clockwise on the screen from the right."""
    angles = np.deg2rad(np.linspace(*turns, count))
    return np.stack([centre[0] + radii[0] * np.cos(angles), centre[1] + radii[1] * np.sin(angles)], axis=1)


def mean_face() -> NDArray[np.float64]:
    """(68, 2) the ibug68 landmarks of a plain frontal face of about unit radius, symmetric about x = 0."""
    eye = np.deg2rad([180, 240, 300, 0, 60, 120])
    eyes = [np.stack([x + 0.18 * np.cos(eye), -0.25 + 0.08 * np.sin(eye)], axis=1) for x in (-0.38, 0.38)]
    mouth, lips = np.deg2rad(np.arange(180, 540, 30)), np.deg2rad(np.arange(180, 540, 45))
    return np.concatenate(
        [
            arc(17, (0, -0.1), (0.95, 1.1), (180, 0)),
            arc(5, (-0.42, -0.42), (0.3, 0.15), (180, 360)),
            arc(5, (0.42, -0.42), (0.3, 0.15), (180, 360)),
            np.stack([np.zeros(4), np.linspace(-0.25, 0.15, 4)], axis=1),
            arc(5, (0, 0.2), (0.2, 0.08), (180, 0)),
            *eyes,
            np.stack([0.36 * np.cos(mouth), 0.55 + 0.16 * np.sin(mouth)], axis=1),
            np.stack([0.28 * np.cos(lips), 0.55 + 0.07 * np.sin(lips)], axis=1),
        ]
    )


def draw_face(rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    """A square BGR image of 96 to 160 px and its 68 landmarks in pixels."""
    size = int(rng.integers(96, 161))
    landmarks = mean_face() * rng.uniform(0.85, 1.15, 2)
    landmarks[48:, 1] += rng.uniform(-0.06, 0.06)
    landmarks[17:27, 1] += rng.uniform(-0.08, 0.04)
    angle = np.deg2rad(rng.uniform(-15, 15))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    landmarks = size * (0.5 + rng.uniform(-0.04, 0.04, 2) + rng.uniform(0.24, 0.32) * landmarks @ turn.T)
    colours = {name: tuple(int(v) for v in rng.integers(low, low + 60, 3)) for name, low in PAINT.items()}
    image = np.empty((size, size, 3), np.uint8)
    image[:] = colours["wall"]
    outline = np.concatenate([landmarks[:17], landmarks[26:16:-1]])
    for part, colour in (
        (outline, "skin"),
        (landmarks[36:42], "eye"),
        (landmarks[42:48], "eye"),
        (landmarks[48:60], "lips"),
        (landmarks[60:], "mouth"),
    ):
        cv2.fillPoly(image, [np.round(part * 16).astype(np.int32)], colours[colour], cv2.LINE_AA, shift=4)
    for line in (landmarks[17:22], landmarks[22:27], landmarks[27:31], landmarks[31:36]):
        cv2.polylines(image, [np.round(line * 16).astype(np.int32)], False, colours["mouth"], 2, cv2.LINE_AA, shift=4)
    grain = rng.integers(-6, 7, image.shape)
    return (image + grain).clip(0, 255).astype(np.uint8), landmarks


@pytest.fixture(scope="session")
def faces_300w(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 drawn faces as .pts files in the official folders of 300-W: 14 train, 6 common, 4 challenging."""
    root = tmp_path_factory.mktemp("300w")
    rng = np.random.default_rng(68)
    for folder, count in FOLDERS.items():
        (root / folder).mkdir(parents=True)
        for i in range(count):
            image, landmarks = draw_face(rng)
            path = root / folder / f"face_{i}.{'png' if folder.startswith('lfpw') else 'jpg'}"
            assert cv2.imwrite(str(path), image)
            write_pts(path.with_suffix(".pts"), landmarks)
    return root


@pytest.fixture(scope="session")
def faces_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 drawn faces of 8 people in a CSV file: 15 train, 3 val, 6 test, split by person."""
    root = tmp_path_factory.mktemp("csv")
    rng = np.random.default_rng(8)
    header = ["image", "subject", "split", *(f"{axis}{i}" for i in range(68) for axis in "xy")]
    with (root / "annotations.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(header)
        for i in range(24):
            image, landmarks = draw_face(rng)
            assert cv2.imwrite(str(root / f"{i}.jpg"), image)
            person = i // 3
            split = "train" if person < 5 else "val" if person == 5 else "test"
            rows.writerow([f"{i}.jpg", f"person{person}", split, *landmarks.round(3).ravel()])
    return root / "annotations.csv"


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Figures are made but not drawn, for tests of what else there is: drawing takes as long as a small training."""
    blank = encode_png(np.zeros((2, 2, 3), np.uint8))
    for name in ("to_png", "to_jpeg"):
        monkeypatch.setattr(f"acrloss.figures.style.{name}", lambda figure: blank)


@pytest.fixture
def undetected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trainings learn no detector's boxes, for tests of what else they do: looking for faces takes as long as they."""
    monkeypatch.setattr("acrloss.training.run.calibrated_detectors", list)


@pytest.fixture
def fails(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs a command that must fail with status 2 and one line on standard error, which it returns."""

    def run(*arguments: str | Path) -> str:
        capsys.readouterr()
        assert main([str(argument) for argument in arguments]) == 2
        shown = capsys.readouterr()
        errors = [line for line in shown.err.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1
        assert shown.err.rstrip().endswith(errors[0])
        assert "Traceback" not in shown.err + shown.out
        return errors[0]

    return run
