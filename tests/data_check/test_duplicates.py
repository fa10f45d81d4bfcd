import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from acrloss.data_check.duplicates import duplicate_groups, fingerprint


def picture(seed: int, size: tuple[int, int] = (120, 100)) -> NDArray[np.uint8]:
    """Smooth random colours, as different from another seed's as two photographs are."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 5, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC), dtype=np.uint8)


def test_identical_pictures_are_one_group() -> None:
    prints = [fingerprint(picture(seed)) for seed in (0, 1, 0, 2, 1, 0)]
    groups = duplicate_groups(prints)
    assert [group.members for group in groups] == [(0, 2, 5), (1, 4)]
    assert all(group.identical and group.similarity == 1 for group in groups)


def test_the_same_picture_in_another_file_is_found() -> None:
    image = picture(0)
    jpeg = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_COLOR)
    assert jpeg is not None
    versions = {
        "smaller": cv2.resize(image, (61, 70), interpolation=cv2.INTER_AREA),
        "jpeg": jpeg,
        "brighter": cv2.convertScaleAbs(image, alpha=0.8, beta=30),
        "one pixel": np.where(np.arange(image.size).reshape(image.shape) == 0, 255 - image, image),
    }
    for name, version in versions.items():
        (group,) = duplicate_groups([fingerprint(image), fingerprint(np.asarray(version, np.uint8))])
        assert group.members == (0, 1), name
        assert not group.identical, name
        assert 0.97 <= group.similarity <= 1, name


def test_different_pictures_are_not_grouped() -> None:
    assert duplicate_groups([fingerprint(picture(seed)) for seed in range(300)]) == []
    assert duplicate_groups([]) == []
    assert duplicate_groups([fingerprint(picture(0))]) == []


def test_pictures_of_one_colour_are_alike_only_to_the_pixel() -> None:
    def plain(value: int) -> NDArray[np.uint8]:
        return np.full((20, 20, 3), value, np.uint8)

    assert duplicate_groups([fingerprint(plain(value)) for value in (0, 90, 255)]) == []
    (group,) = duplicate_groups([fingerprint(plain(value)) for value in (7, 90, 7)])
    assert group.members == (0, 2)


def test_the_digest_knows_the_shape() -> None:
    image = picture(0, (40, 60))
    assert fingerprint(image).digest != fingerprint(image.reshape(60, 40, 3)).digest


@pytest.mark.parametrize("block", [1, 7])
def test_groups_do_not_depend_on_blocks(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    prints = [fingerprint(picture(seed % 11)) for seed in range(30)]
    whole = duplicate_groups(prints)
    monkeypatch.setattr("acrloss.data_check.duplicates._BLOCK", block)
    assert duplicate_groups(prints) == whole
    assert len(whole) == 11
