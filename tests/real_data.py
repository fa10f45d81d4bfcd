"""The real faces and the golden vectors beside the repository, where somebody has them: the one place that looks."""

from pathlib import Path

import pytest

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
FACES_300W, FACES_YTF68, COFW68 = DATA / "300w", DATA / "ytf68", DATA / "cofw68"
GOLDEN = Path(__file__).resolve().parents[2] / "shared" / "golden" / "acr_cofw68_1_250.npz"

needs_300w = pytest.mark.skipif(not FACES_300W.is_dir(), reason="the real faces ../shared/data/300w are not here")
needs_ytf68 = pytest.mark.skipif(not FACES_YTF68.is_dir(), reason="the real faces ../shared/data/ytf68 are not here")
needs_cofw68 = pytest.mark.skipif(not COFW68.is_dir(), reason="the benchmark ../shared/data/cofw68 is not here")
needs_golden = pytest.mark.skipif(not GOLDEN.is_file(), reason="the golden file ../shared/golden is not here")
