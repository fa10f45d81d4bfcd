"""Annotated faces as crops ready for a network."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset, Sampler

from acrloss.annotations import Annotations
from acrloss.arrays import Float, Image
from acrloss.crops.augment import augmented_look, augmented_matrix
from acrloss.crops.augmentation import Augmentation
from acrloss.crops.crop import CropSpec, compose, crop_matrix, invert_matrix, to_crop_units, warp
from acrloss.crops.patch import cut_patch, patch_reach
from acrloss.errors import DataError
from acrloss.images import NO_IMAGE, read_image
from acrloss.schemes import Scheme

# OpenCV's threads do not survive the fork into a loader's workers, which would wait for ever for their end when they
# ask for fewer (`limit_worker_threads`). So they are ended before any fork; either side begins them anew when needed.
_threads: list[int] = []


def _end_threads() -> None:
    _threads.append(cv2.getNumThreads())
    cv2.setNumThreads(1)


def _allow_threads() -> None:
    cv2.setNumThreads(_threads.pop())


if hasattr(os, "register_at_fork"):  # Windows has neither forks nor this
    os.register_at_fork(before=_end_threads, after_in_parent=_allow_threads, after_in_child=_allow_threads)

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
        read: Callable[[str, int], Image] = read_image,
    ) -> None:
        """`keep` holds decoded patches in memory for the next epoch (up to `PATCH_BYTES`); `read` is `read_image` or
        stands for it.

        Faces of a scheme without flip pairs are not mirrored.
        """
        if without := next((image for image in annotations.images if image.startswith(NO_IMAGE)), None):
            raise DataError(
                f"{annotations.source or without.removeprefix(NO_IMAGE)}: annotations only, without images; "
                "a network can be neither trained nor tested on them, but predictions can be scored"
            )
        if augmentation is not None and augmentation.mirror and not annotations.scheme.has_flip_pairs:
            augmentation = replace(augmentation, mirror=0.0)
        self.annotations = annotations
        self.crop = crop
        self.augmentation = augmentation
        self.seed = seed
        self.boxes = crop.boxes(annotations)
        self.squares = crop.squares(self.boxes)
        self._margin, self._finest = patch_reach(augmentation)
        self._keep, self._read = keep, read
        self._patches: dict[int, tuple[Image, Float]] = {}
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

    def _patch(self, index: int) -> tuple[Image, Float]:
        """The surroundings of a face, and the map from the image to them; see `cut_patch`."""
        if index in self._patches:
            return self._patches[index]
        reference, pixels = self.annotations.images[index], self.crop.size * self._finest
        patch, to_patch = cut_patch(reference, self.squares[index], self._margin, pixels, read=self._read)
        if self._keep and self._bytes + patch.nbytes <= PATCH_BYTES:
            self._patches[index] = patch, to_patch
            self._bytes += patch.nbytes
        return patch, to_patch


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


def not_mirrored(scheme: Scheme) -> str:
    """Why faces (or objects) of a scheme without flip pairs are not mirrored, and how they could be."""
    return (
        f"scheme {scheme.name} has no flip pairs, so no {scheme.called} is mirrored in training; "
        "acrloss data flip finds the pairs where there are any"
    )


def limit_worker_threads(_: int) -> None:
    """Workers share the cores with the network: one thread each (pass as `worker_init_fn`)."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
