"""The flip test: landmarks as the mean of what a network finds in a crop and in its mirror image."""

import numpy as np
from numpy.typing import NDArray

from acrloss.arrays import Float
from acrloss.crops.crop import CropSpec
from acrloss.detection.box_map import BoxMap
from acrloss.errors import DataError
from acrloss.networks.localizer import Localizer
from acrloss.schemes import Scheme


class FlipTest:
    """A network that looks at every crop and at its mirror image: twice the time, a little more accuracy.

    It takes the place of the network: `Predictor(FlipTest(load_model("default")))`.
    """

    def __init__(self, network: Localizer) -> None:
        """
        Raises:
            DataError: the network's scheme does not say which landmarks change places in a mirror image.
        """
        if not network.scheme.has_flip_pairs:
            raise DataError(
                f"scheme {network.scheme.name} has no flip pairs, so a mirror image cannot be read; "
                "do without the flip test, or train with a scheme that has them"
            )
        self._network = network

    @property
    def scheme(self) -> Scheme:
        return self._network.scheme

    @property
    def crop(self) -> CropSpec:
        return self._network.crop

    @property
    def mean_shape(self) -> Float | None:
        return self._network.mean_shape

    @property
    def box_maps(self) -> dict[str, BoxMap]:
        return self._network.box_maps

    def locate_crops(self, crops: NDArray[np.uint8]) -> tuple[Float, Float]:
        """As the network's: (N, M, 2) landmarks in crop units and (N, M) confidence, the means of both looks."""
        mirrored = np.ascontiguousarray(crops[:, :, ::-1])
        landmarks, confidence = self._network.locate_crops(np.concatenate([crops, mirrored]))
        count = len(crops)
        back = self.scheme.permute(landmarks[count:]) * (-1, 1) + (1, 0)
        sure = self.scheme.permute(confidence[count:, :, None])[..., 0]
        return (landmarks[:count] + back) / 2, (confidence[:count] + sure) / 2
