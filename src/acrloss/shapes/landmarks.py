"""Batches of faces (N, M, d) as arrays or tensors: checking what comes in, handing back the same kind."""

from typing import Any, TypeAlias, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Landmarks: TypeAlias = Tensor | NDArray[Any]
Kind = TypeVar("Kind", Tensor, NDArray[Any])


def as_landmarks(value: Landmarks, name: str = "landmarks", channels: int = 2) -> Tensor:
    """Return `value` as a tensor after checking that it can be a batch of faces (N, M, d), N, M, d >= 1.

    `channels` are the d that the message for another shape proposes.

    Arrays are copied (read-only, reversed and foreign-endian arrays included); tensors are passed through.

    Raises:
        TypeError: neither an array nor a tensor, or its numbers are not real floating point.
        ValueError: not three-dimensional, or a dimension is empty.
    """
    if isinstance(value, np.ndarray):
        if value.dtype.kind != "f" or value.dtype.itemsize > 8:
            raise TypeError(f"{name}: expected floating-point numbers (at most 64 bit), got {value.dtype}")
        value = torch.from_numpy(np.array(value, dtype=value.dtype.newbyteorder("="), order="C"))
    if not isinstance(value, Tensor):
        raise TypeError(f"{name}: expected a tensor or NumPy array (N, M, 2), got {type(value).__name__}")
    if not value.is_floating_point():
        raise TypeError(f"{name}: expected floating-point numbers, got {value.dtype}")
    if value.dim() != 3:
        # What most networks give, and what such a message means to their users.
        flat = value.dim() == 2 and value.shape[1] % channels == 0
        remedy = f"; give {name}.view(-1, {value.shape[1] // channels}, {channels})" if flat else ""
        raise ValueError(f"{name}: expected shape (N, M, {channels}), got {tuple(value.shape)}{remedy}")
    if value.numel() == 0:
        raise ValueError(f"{name}: expected at least one face and landmark, got shape {tuple(value.shape)}")
    return value


def like(landmarks: Kind, result: Tensor) -> Kind:
    """`result` as the kind (array or tensor), dtype and device of `landmarks`."""
    if isinstance(landmarks, np.ndarray):
        return result.cpu().numpy().astype(landmarks.dtype)
    return result.to(landmarks)


def visible(landmarks: Tensor) -> Tensor:
    """Mask of the coordinates (N, M, d) that take part: all of a landmark's or, if one is NaN, none."""
    return (~landmarks.isnan().any(dim=-1, keepdim=True)).expand(landmarks.shape)


def values_can_be_checked(tensor: Tensor) -> bool:
    """Whether looking at values is free: on the CPU and not traced, so neither waiting nor a graph break."""
    return tensor.device.type == "cpu" and not torch.compiler.is_compiling()
