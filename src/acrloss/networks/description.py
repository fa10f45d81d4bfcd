"""What a model file says of its network, in .safetensors and .onnx files alike: one JSON text, with its version."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from acrloss.arrays import Float
from acrloss.crops.crop import CropSpec
from acrloss.detection.box_map import BoxMap, box_maps_from
from acrloss.errors import DataError
from acrloss.schemes import Scheme

FORMAT = "acrloss-model"
"""The entry of a file's metadata that holds the description."""
VERSION = 3
# The description of the largest scheme that can be has 2 MB.
_MOST_CHARACTERS = 4 << 20


@dataclass(frozen=True, eq=False)
class Description:
    """All that a model file says besides its tensors.

    Attributes:
        scheme: which landmarks the network gives.
        crop: how faces must be cut out for it.
        mean_shape: (M, 2) in crop units, an upright face; None if unknown.
        box_maps: name of a face detector -> how its boxes map to those that the crop is made from.
        settings: the keyword arguments that build the same network again.
    """

    scheme: Scheme
    crop: CropSpec
    mean_shape: Float | None = None
    box_maps: Mapping[str, BoxMap] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """The text that `read_description` reads."""
        about = {
            # Older versions read the files of all networks that they know how to build.
            "version": VERSION if "head" in self.settings else 2,
            "settings": dict(self.settings),
            "scheme": self.scheme.to_dict(),
            "crop": self.crop.to_dict(),
            "mean_shape": None if self.mean_shape is None else self.mean_shape.round(6).tolist(),
            "box_maps": {name: value.to_dict() for name, value in self.box_maps.items()},
        }
        return json.dumps(about)


def read_description(text: str, path: Path) -> Description:
    """The description that the file `path` holds. What it does not say is as it was before files could say it.

    Raises:
        DataError: a newer version of acrloss wrote it.
        Exception: it is damaged, in whatever way; the caller says what to do about its file.
    """
    if len(text) > _MOST_CHARACTERS:
        raise ValueError(f"its description has more than {_MOST_CHARACTERS} characters")
    about = json.loads(text)
    if about["version"] > VERSION:
        raise DataError(f"{path} was written by a newer acrloss (format {about['version']}); upgrade acrloss")
    scheme = Scheme.from_dict(about["scheme"])
    mean = about.get("mean_shape")
    mean_shape = None if mean is None else np.array(mean, dtype=np.float64)
    if mean_shape is not None and (mean_shape.shape != (scheme.num_landmarks, 2) or not np.isfinite(mean_shape).all()):
        raise ValueError(f"its mean shape is not finite and ({scheme.num_landmarks}, 2)")
    return Description(
        scheme, CropSpec(**about["crop"]), mean_shape, box_maps_from(about.get("box_maps", {})), about["settings"]
    )
