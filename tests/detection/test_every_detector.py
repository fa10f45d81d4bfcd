"""Every detector of the registry keeps to the interface, whatever it is shown."""

import importlib.util

import numpy as np
import pytest

from acrloss.commands.main import main
from acrloss.detection.installed import create_detector, detector_names
from acrloss.detection.registry import DETECTORS, detector_kind


@pytest.mark.parametrize("name", DETECTORS)
def test_a_detector_keeps_to_the_interface(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    kind = detector_kind(name)
    assert kind.install.startswith("pip install ")
    assert name in detector_names()
    with pytest.raises(SystemExit):
        main(["predict", "--help"])
    assert name in capsys.readouterr().out
    if not importlib.util.find_spec(kind.package):
        pytest.skip(f"{name} is not installed: {kind.install}")
    detector = create_detector(name, smallest_face=80.0)
    assert detector.name == name
    rng = np.random.default_rng(0)
    for height, width in ((1, 1), (16, 16), (17, 300), (300, 17), (240, 320), (700, 1900)):
        for image in (
            np.zeros((height, width, 3), np.uint8),
            rng.integers(0, 256, (height, width, 3), dtype=np.uint8),
        ):
            before = image.copy()
            found = detector(image)
            assert (image == before).all()
            assert found.boxes.shape == (len(found.scores), 4)
            assert found.boxes.dtype == found.scores.dtype == np.float64
            assert (found.boxes[:, 2:] > found.boxes[:, :2]).all()
            assert ((found.scores >= 0) & (found.scores <= 1)).all()
            assert (np.diff(found.scores) <= 0).all()
