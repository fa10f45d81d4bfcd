"""What a model file says of its network: one reader for both kinds of files, bounded, open to older ones."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from acrloss.crops.crop import CropSpec
from acrloss.detection.box_map import BoxMap
from acrloss.errors import DataError
from acrloss.networks.description import Description, read_description
from acrloss.schemes import generic_scheme, get_scheme

FILE = Path("a.onnx")
# As version 2 wrote it before there were box maps and mean shapes.
OLD = {
    "version": 2,
    "settings": {"backbone": "resnet18", "channels": 2},
    "scheme": {"name": "dots", "num_landmarks": 3, "flip_pairs": [[0, 2]]},
    "crop": {"size": 64},
}


def test_what_is_said_is_read() -> None:
    shape = np.random.default_rng(0).uniform(0, 1, (29, 2)).round(6)
    crop, maps = CropSpec(40, "annotated", 1.7), {"mtcnn": BoxMap(0.1, -0.2, 1.5, 9)}
    settings = {"backbone": "resnet18", "channels": 4, "spread": True, "head": "soft_argmax"}
    said = Description(get_scheme("cofw29"), crop, shape, maps, settings)
    read = read_description(said.to_json(), FILE)
    assert (read.scheme, read.crop, read.box_maps, read.settings) == (get_scheme("cofw29"), crop, maps, settings)
    assert read.mean_shape is not None
    assert (read.mean_shape == shape).all()
    assert json.loads(said.to_json())["version"] == 3
    del settings["head"]
    assert json.loads(said.to_json())["version"] == 2, "older versions read all that they know how to build"


def test_what_an_older_file_does_not_say_is_as_it_was() -> None:
    read = read_description(json.dumps(OLD), FILE)
    assert read.scheme == generic_scheme(3, (2, 1, 0), "dots")
    assert read.crop == CropSpec(64, "landmarks", 1.15)
    assert read.mean_shape is None
    assert read.box_maps == {}


def test_newer_files_ask_for_an_upgrade() -> None:
    with pytest.raises(DataError, match=r"a.onnx was written by a newer acrloss \(format 4\); upgrade acrloss"):
        read_description(json.dumps({**OLD, "version": 4, "scheme": "of the future"}), FILE)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"mean_shape": [[0.5, 0.5]] * 2}, r"its mean shape is not finite and \(3, 2\)"),
        ({"mean_shape": [[0.5, float("nan")]] * 3}, "its mean shape"),
        ({"mean_shape": 7}, "its mean shape"),
        ({"version": "2"}, "'>' not supported"),
        ({"crop": {"size": 5000}}, "16 to 4096"),
        ({"crop": {"colour": 1}}, "colour"),
        ({"box_maps": {"a": {"dx": 9, "dy": 0, "scale": 1, "faces": 1}}}, "impossible"),
        ({"scheme": {**OLD["scheme"], "num_landmarks": 10**9}}, "num_landmarks"),  # type: ignore[dict-item]
        ({"more": "x" * (4 << 20)}, "more than 4194304 characters"),
    ],
)
def test_what_cannot_be_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        read_description(json.dumps({**OLD, **change}), FILE)
