"""The flip test: mirrored back and averaged, with left and right in their places."""

import numpy as np
import pytest

from acrloss.crops.crop import CropSpec
from acrloss.errors import DataError
from acrloss.networks.flip_averaging import FlipTest
from acrloss.networks.localizer import Localizer, load_model
from acrloss.schemes import Scheme, generic_scheme


class Centroid:
    """Finds the centre of the red and of the green, each a little too far to the right, and is as sure as told."""

    scheme = Scheme("pair", 2, (1, 0))
    crop = CropSpec(size=32)
    mean_shape = None
    box_maps: dict[str, object] = {}  # noqa: RUF012

    def locate_crops(self, crops):  # type: ignore[no-untyped-def]
        grid = (np.stack(np.meshgrid(*[np.arange(32)] * 2), axis=-1) + 0.5) / 32
        weight = crops[..., :2].astype(np.float64) + 1e-12
        points = np.einsum("nhwc,hwd->ncd", weight, grid) / weight.sum(axis=(1, 2))[..., None]
        # Landmark 0 is the redder spot's on the left; in a mirror image the left one is the other.
        points = np.take_along_axis(points, points[..., :1].argsort(axis=1), axis=1)
        shifted = points + np.array([0.05, 0])
        return shifted, np.broadcast_to([0.9, 0.5], points.shape[:2])


def test_mirror_images_cancel_what_is_off_to_one_side() -> None:
    crops = np.zeros((3, 32, 32, 3), np.uint8)
    truth = np.empty((3, 2, 2))
    for i, crop in enumerate(crops):
        crop[4 + i, 3, 0] = crop[20, 21 + i, 1] = 255
        truth[i] = np.array([[3, 4 + i], [21 + i, 20]]) / 32 + 0.5 / 32
    network: Localizer = Centroid()  # type: ignore[assignment]
    once, _ = network.locate_crops(crops)
    np.testing.assert_allclose(once - truth, np.broadcast_to((0.05, 0), truth.shape), atol=1e-9)
    twice = FlipTest(network)
    landmarks, confidence = twice.locate_crops(crops)
    np.testing.assert_allclose(landmarks, truth, atol=1e-9)
    # Each landmark's confidence is the mean of its own and its partner's.
    np.testing.assert_allclose(confidence, np.full((3, 2), 0.7))
    assert (twice.scheme, twice.crop, twice.mean_shape, twice.box_maps) == (Centroid.scheme, Centroid.crop, None, {})


def test_without_flip_pairs_there_is_no_flip_test() -> None:
    network = Centroid()
    network.scheme = generic_scheme(2)
    with pytest.raises(DataError, match="has no flip pairs"):
        FlipTest(network)  # type: ignore[arg-type]


def test_the_packaged_model_is_the_same_network_from_both_sides() -> None:
    twice = FlipTest(load_model("default", threads=1))
    crops = np.random.default_rng(0).integers(0, 255, (2, *[twice.crop.size] * 2, 3), np.uint8)
    landmarks, _ = twice.locate_crops(crops)
    mirrored, _ = twice.locate_crops(np.ascontiguousarray(crops[:, :, ::-1]))
    np.testing.assert_allclose(twice.scheme.permute(mirrored) * (-1, 1) + (1, 0), landmarks, atol=1e-6)
