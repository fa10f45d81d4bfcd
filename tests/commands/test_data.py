"""data check, data flip and data pack, run as a user runs them."""

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from acrloss.commands.main import main
from acrloss.formats import read_annotations
from acrloss.formats.synthetic import generate, write_dataset
from acrloss.schemes import get_scheme


@pytest.fixture(scope="module")
def five_points(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV file of 60 faces of five landmarks, which no built-in scheme has."""
    folder = tmp_path_factory.mktemp("five")
    marks = generate(60, seed=2, size=160).landmarks[:, [36, 45, 30, 48, 54]]
    rows = ["image,split," + ",".join(f"x{i},y{i}" for i in range(5))]
    for i, face in enumerate(marks):
        cv2.imwrite(str(folder / f"{i}.png"), np.full((160, 160, 3), 4 * i, np.uint8))
        rows.append(f"{i}.png,{'train' if i < 50 else 'test'}," + ",".join(f"{v:.3f}" for v in face.ravel()))
    (folder / "faces.csv").write_text("\n".join(rows))
    return folder


def test_check_reports_and_succeeds(
    faces_csv: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], fails: Callable[..., str]
) -> None:
    assert main(["data", "check", str(faces_csv), "--output", str(tmp_path / "check")]) == 0
    shown = capsys.readouterr()
    assert shown.out.rstrip().endswith(f"results: {tmp_path / 'check' / 'check.html'}")
    assert "findings in 24 faces" in shown.out
    assert "24 complete faces of 68 landmarks are too few" in shown.err
    assert json.loads((tmp_path / "check" / "check.json").read_text())["faces"] == 24
    assert "no such file" in fails("data", "check", tmp_path / "none")


def test_own_landmarks_from_check_to_training_data(
    five_points: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], fails: Callable[..., str]
) -> None:
    # Every command that needs a scheme names the one that makes it.
    assert "acrloss data flip SOURCE" in fails("data", "check", five_points)
    scheme = tmp_path / "five.yaml"
    assert main(["data", "flip", str(five_points), "--output", str(scheme)]) == 0
    shown = capsys.readouterr()
    assert "2 pairs: 0-1 3-4" in shown.out
    assert "on the middle line: 2" in shown.out
    assert shown.out.rstrip().endswith(f"results: {scheme}")
    assert "unsure" not in shown.err
    assert "do not mirror" not in shown.err
    assert cv2.imread(str(tmp_path / "five.png")) is not None
    assert get_scheme(scheme).flip == (1, 0, 2, 4, 3)
    assert get_scheme(scheme).name == "five"
    packed = tmp_path / "packed"
    arguments = ["data", "pack", str(five_points), str(packed), "--scheme", str(scheme)]
    assert main([*arguments, "--crop.size", "64", "--crop.enlargement", "1.5"]) == 0
    assert capsys.readouterr().out.rstrip().endswith(f"results: {packed}")
    faces = read_annotations(packed)
    assert faces.scheme == get_scheme(scheme)
    assert faces.splits.count("train") == 50
    assert main(["data", "check", str(packed), "--output", str(tmp_path / "check")]) == 0
    assert "not an empty folder" in fails(*arguments)


@pytest.mark.parametrize("count", [60, 5])
def test_flip_of_what_is_not_symmetric_writes_no_pairs(
    count: int, tmp_path: Path, capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder
) -> None:
    corners = np.array([[0, 7], [4, 7], [4, 6], [1, 6], [1, 4], [3, 4], [3, 3], [1, 3], [1, 0], [0, 0]])
    rng = np.random.default_rng(4)
    rows = ["image,split," + ",".join(f"x{i},y{i}" for i in range(10))]
    cv2.imwrite(str(tmp_path / "f.png"), np.full((100, 80, 3), 90, np.uint8))
    for i in range(count):
        letter = 20 + rng.uniform(6, 9) * corners + rng.normal(0, 0.3, corners.shape)
        rows.append(f"f.png,{'test' if i % 5 == 0 else 'train'}," + ",".join(f"{v:.2f}" for v in letter.ravel()))
    (tmp_path / "letters.csv").write_text("\n".join(rows))
    scheme = tmp_path / "letter.yaml"
    reader = ["--data_options.repeated=keep"]
    assert main(["data", "flip", str(tmp_path / "letters.csv"), "--output", str(scheme), *reader]) == 0
    shown = capsys.readouterr()
    assert "not symmetric: no flip pairs written (mirrored, they lie " in shown.out
    assert "pairs: " not in shown.out
    assert ("5 are few, more may show otherwise" in shown.out) == (count == 5)
    assert "training does not mirror with this scheme" in shown.err
    assert not get_scheme(scheme).has_flip_pairs
    assert cv2.imread(str(scheme.with_suffix(".png"))) is not None
    # And nothing finds fault with a scheme without pairs.
    check = [
        "data",
        "check",
        str(tmp_path / "letters.csv"),
        "--scheme",
        str(scheme),
        "--output",
        str(tmp_path / "check"),
    ]
    assert main(check + reader) == 0
    assert "do not mirror" not in "".join(capsys.readouterr())
    assert not [warning for warning in recwarn if "mirror" in str(warning.message)]


def test_flip_compares_with_what_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], fails: Callable[..., str]
) -> None:
    write_dataset(tmp_path / "faces", 60, 0)
    arguments = ["data", "flip", str(tmp_path / "faces"), "--output"]
    assert main([*arguments, str(tmp_path / "a.yaml"), "--name", "mine"]) == 0
    assert "scheme ibug68 has the same pairs" in capsys.readouterr().err
    assert get_scheme(tmp_path / "a.yaml").name == "mine"
    wrong = (tmp_path / "a.yaml").read_text().replace("- [0, 16]\n- [1, 15]", "- [0, 15]\n- [1, 16]")
    (tmp_path / "wrong.yaml").write_text(wrong)
    assert main([*arguments, str(tmp_path / "b.yaml"), "--scheme", str(tmp_path / "wrong.yaml")]) == 0
    assert "scheme mine pairs landmarks [0, 1, 15, 16] otherwise" in capsys.readouterr().err
    assert "exists" in fails(*arguments, tmp_path / "b.yaml")
    assert ".yaml" in fails(*arguments, tmp_path / "b.png")
