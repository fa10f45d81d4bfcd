"""Annotated faces as crops ready for a network."""

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset, Sampler

from acrloss.annotations import Annotations
from acrloss.crops.augment import augmented_look, augmented_matrix
from acrloss.crops.augmentation import Augmentation
from acrloss.crops.crop import CropSpec, apply_matrix, compose, crop_matrix, invert_matrix, shrink, to_crop_units, warp
from acrloss.crops.patch import patch_reach
from acrloss.errors import DataError
from acrloss.images import NO_IMAGE, read_image

# Patches are kept in memory up to this many bytes a worker; faces beyond it are decoded again each epoch.
PATCH_BYTES = 2 << 30


class LandmarkDataset(Dataset[dict[str, Any]]):
    """Crops of `annotations`, one dictionary a face.

    - `image`: (3, size, size) uint8 RGB
    - `landmarks`: (M, 2) float32 in crop units, NaN where missing
    - `annotated`: (M, 2) float32, the landmarks in the crop that is made without augmentation
    - `mirrored`: bool, whether the crop shows the mirror image (`landmarks` are permuted, `annotated` are not)
    - `matrix`: (2, 3) float64, pixels of the image to pixels of the crop
    - `index`: int, which face of `annotations`
    - `readable`: bool; a face whose image cannot be decoded is black with all landmarks missing, so that a long run
      goes on without it.

    A key is an index, or with augmentation a pair (epoch, index) as `EpochSampler` gives them: the random changes
    depend on the seed, the epoch and the face alone, so neither the number of workers nor an interruption alters them.
    """

    def __init__(
        self,
        annotations: Annotations,
        crop: CropSpec,
        augmentation: Augmentation | None = None,
        seed: int = 0,
        keep: bool = True,
    ) -> None:
        """`keep` holds decoded patches in memory for the next epoch (up to `PATCH_BYTES`)."""
        # Threads gain nothing on small crops, and OpenCV's would not survive the fork into a loader's workers: the
        # workers would wait for them for ever.
        cv2.setNumThreads(1)
        if without := next((image for image in annotations.images if image.startswith(NO_IMAGE)), None):
            raise DataError(
                f"{annotations.source or without.removeprefix(NO_IMAGE)}: annotations only, without images; "
                "a network can be neither trained nor tested on them, but predictions can be scored"
            )
        self.annotations = annotations
        self.crop = crop
        self.augmentation = augmentation
        self.seed = seed
        self.boxes = crop.boxes(annotations)
        self.squares = crop.squares(self.boxes)
        self._margin, self._zoom = patch_reach(augmentation)
        self._keep = keep
        self._patches: dict[int, tuple[NDArray[np.uint8], NDArray[np.float64]]] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.annotations)

    def __getitem__(self, key: int | tuple[int, int]) -> dict[str, Any]:
        epoch, index = key if isinstance(key, tuple) else (0, key)
        size = self.crop.size
        plain = crop_matrix(self.squares[index], size)
        landmarks = self.annotations.landmarks[index]
        matrix, mirrored = plain, False
        rng = np.random.default_rng((self.seed, epoch, index))
        if self.augmentation is not None:
            matrix, mirrored = augmented_matrix(self.boxes[index], self.crop, self.augmentation, rng)
        try:
            patch, to_patch = self._patch(index)
            image = torch.from_numpy(warp(patch, compose(matrix, invert_matrix(to_patch)), size)).permute(2, 0, 1)
            readable = True
        except DataError:
            image, readable = torch.zeros((3, size, size), dtype=torch.uint8), False
            landmarks = np.full_like(landmarks, np.nan)
        if self.augmentation is not None and readable:
            image = augmented_look(image, self.augmentation, rng)
        target = to_crop_units(landmarks, matrix, size)
        return {
            "image": image.contiguous(),
            "landmarks": torch.from_numpy(self.annotations.scheme.permute(target) if mirrored else target).float(),
            "annotated": torch.from_numpy(to_crop_units(landmarks, plain, size)).float(),
            "mirrored": mirrored,
            "matrix": torch.from_numpy(matrix),
            "index": index,
            "readable": readable,
        }

    def _patch(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
        """The surroundings of a face at about the crop's resolution, and the map from the image to them.

        Decoding a photograph costs more than all the rest together; the patch is all that training ever needs of it.
        """
        if index in self._patches:
            return self._patches[index]
        x, y, side = self.squares[index]
        half = side * self._margin / 2
        zoom = min(self.crop.size * self._zoom / side, 1.0)
        # JPEGs decode at 1/2, 1/4 or 1/8 for a fraction of the cost when the face is that much larger than needed.
        reduce = next(r for r in (8, 4, 2, 1) if zoom * r <= 1)
        image = read_image(self.annotations.images[index], reduce)
        to_reduced = np.array([[1 / reduce, 0, 0.5 / reduce - 0.5], [0, 1 / reduce, 0.5 / reduce - 0.5]])
        corners = np.array([(x - half, y - half), (x + half, y + half)])
        part, to_part = shrink(image, apply_matrix(to_reduced, corners), zoom * reduce)
        patch = np.ascontiguousarray(part), compose(to_part, to_reduced)
        if self._keep and self._bytes + part.nbytes <= PATCH_BYTES:
            self._patches[index] = patch
            self._bytes += part.nbytes
        return patch


class EpochSampler(Sampler[tuple[int, int]]):
    """A new order every epoch, as (epoch, index) keys; the same for the same seed, and shared out over processes.

    `set_epoch` says which epoch comes next (Lightning calls it).
    """

    def __init__(self, length: int, seed: int, rank: int = 0, processes: int = 1) -> None:
        self.length, self.seed, self.rank, self.processes = length, seed, rank, processes
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-self.length // self.processes)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        order = np.random.default_rng((self.seed, self.epoch)).permutation(self.length)
        # Processes must take the same number of steps: the first faces fill the last round up.
        for index in np.resize(order, len(self) * self.processes)[self.rank :: self.processes]:
            yield self.epoch, int(index)


def limit_worker_threads(_: int) -> None:
    """Workers share the cores with the network: one thread each (pass as `worker_init_fn`)."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
