"""Menpo 2D's folders of .pts files, which mix 68 landmarks (semi-frontal) and 39 (profile)."""

import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest

from acrloss.errors import DataError
from acrloss.formats import read_annotations
from acrloss.formats.pts import write_pts


@pytest.fixture
def menpo(tmp_path: Path) -> Path:
    rng = np.random.default_rng(39)
    for i, count in enumerate([68, 39, 68, 39, 68]):
        cv2.imwrite(str(tmp_path / f"aflw__face_{i}.jpg"), np.zeros((60, 60, 3), np.uint8))
        write_pts(tmp_path / f"aflw__face_{i}.pts", rng.uniform(5, 55, (count, 2)))
    return tmp_path


def test_semi_frontal_faces_are_read_and_profiles_named(menpo: Path) -> None:
    faces = read_annotations(menpo)
    assert faces.scheme.name == "ibug68"
    assert len(faces) == 3
    assert faces.skipped[0] == f"{menpo / 'aflw__face_1.pts'}: 39 landmarks, expected 68 (ibug68)"


def test_profiles_are_read_with_their_scheme(menpo: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        faces = read_annotations(menpo, scheme="menpo39")
    assert faces.landmarks.shape == (2, 39, 2)
    assert len(faces.skipped) == 3
    with pytest.raises(DataError, match="scheme cofw29 has 29 landmarks, but 3 of 5 faces have 68; use ibug68"):
        read_annotations(menpo, scheme="cofw29")
