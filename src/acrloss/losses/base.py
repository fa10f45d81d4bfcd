"""What every landmark loss shares: checks, missing landmarks, reduction and the unit of the error."""

from __future__ import annotations

import math
from typing import ClassVar, Literal, TypeAlias, TypedDict

import torch
from torch import Tensor, nn

from acrloss.shapes.landmarks import Kind, Landmarks, as_landmarks, values_can_be_checked

Reduction: TypeAlias = Literal["mean", "sum", "none"]
Unit: TypeAlias = Literal["crop", "pixel", "interocular"] | float


class CommonOptions(TypedDict, total=False):
    """The options of every loss, which classes hand up by keyword to `LandmarkLoss`; it explains them."""

    unit: Unit | None
    input_size: int | None
    eyes: tuple[int, int] | None
    reduction: Reduction


def check_positive(**values: float) -> None:
    """Raise ValueError, naming the argument, unless every value is a positive finite number."""
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise ValueError(f"{name}: expected a positive number, got {value!r}")


def check_reduction(reduction: str) -> None:
    """Raise ValueError unless `reduction` is one of "mean", "sum", "none"."""
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f'reduction: expected "mean", "sum" or "none", got {reduction!r}')


def paired(pred: Landmarks, target: Landmarks, channels_per_coordinate: int = 1) -> tuple[Tensor, Tensor]:
    """Check that prediction and target belong together; return tensors of one dtype, at least float32.

    Args:
        pred: (N, M, d·channels_per_coordinate).
        target: (N, M, d), NaN where a landmark is missing.

    Raises:
        TypeError, ValueError: no arrays or tensors of floating-point numbers, an empty batch, shapes that do
            not fit, two devices, or infinite targets (looked for on the CPU outside torch.compile only).
    """
    pred, target = as_landmarks(pred, "pred", 2 * channels_per_coordinate), as_landmarks(target, "target")
    expected = (*target.shape[:2], target.shape[2] * channels_per_coordinate)
    if tuple(pred.shape) != expected:
        hint = ""
        if pred.shape == target.shape:
            hint = (
                "; this loss wants the logarithm of a width beside each coordinate: give the network twice the "
                'outputs, or take a loss of coordinates alone, such as "acr-2"'
            )
        raise ValueError(
            f"pred: expected shape {expected} for a target of shape {tuple(target.shape)}, "
            f"got {tuple(pred.shape)}{hint}"
        )
    if pred.device != target.device:
        raise ValueError(f"pred and target: expected one device, got {pred.device} and {target.device}")
    if values_can_be_checked(target) and bool(target.isinf().any()):
        raise ValueError("target: expected finite coordinates (NaN where missing), got infinite ones")
    # Half precision neither holds the square of a large error nor the logarithm of a small one.
    dtype = torch.promote_types(torch.promote_types(pred.dtype, target.dtype), torch.float32)
    return pred.to(dtype), target.to(dtype)


def difference(pred: Tensor, target: Tensor, present: Tensor) -> Tensor:
    """pred - target, 0 without gradient where not `present`."""
    return torch.where(present, pred - torch.where(present, target, 0.0), 0.0)


def capped(values: Tensor, limit: float) -> Tensor:
    """min(values, limit) that keeps its gradient at the limit itself, where that of `clamp` varies by version."""
    return torch.where(values <= limit, values, limit)


def reduce(values: Tensor, present: Tensor, reduction: Reduction) -> Tensor:
    """Combine values (N, M, d) over the present coordinates.

    Returns:
        "mean": their mean, and 0 with zero gradient if there is none; "sum": their sum; "none": (N, M, d), 0
            where
        missing.
    """
    check_reduction(reduction)
    values = torch.where(present, values, 0.0)
    if reduction == "none":
        return values
    total = values.sum()
    return total if reduction == "sum" else total / present.sum().clamp(min=1)


def _coordinates_times(factor: Tensor | float, pred: Tensor, target: Tensor) -> Tensor:
    """`pred` with its coordinates, as many as `target` has, times `factor`, and the rest as it is."""
    coordinates = target.shape[-1]
    if pred.shape[-1] == coordinates:
        return pred * factor
    return torch.cat((pred[..., :coordinates] * factor, pred[..., coordinates:]), dim=-1)


class LandmarkLoss(nn.Module):
    """Base of all losses: `criterion(pred, target)` on landmarks in crop units (crop side = 1).

    Args:
        unit: unit in which the loss measures errors; None for the class's own. "crop": as given (a fraction of the
            crop side). "pixel": of the network input, so times `input_size`. "interocular": a fraction of the distance
            between the target's landmarks `eyes`, face by face; a face whose distance is unknown or zero is left out. A
            number: that many units to the crop side, so 224.0 stands for pixels of a 224-pixel input whatever the real
            one is.
        input_size: pixels of the network input's side; for unit "pixel".
        eyes: indices of the two outer eye corners; for unit "interocular".
        reduction: "mean" over the present coordinates of the batch, "sum", or "none" (one value a coordinate,
            0 where missing).

    Attributes:
        default_unit: where `unit` is None.
        channels: outputs per landmark that the loss expects of the network.
        takes_difficulty: whether it measures a difficulty Φ and can be given one: `criterion.difficulty(landmarks)` and
            `criterion(pred, target, difficulty)`.
        has_schedule: whether it has an option `schedule`, which `set_epoch` follows.

    Raises:
        ValueError: an unknown unit or reduction, or a unit without what it needs.
    """

    default_unit: ClassVar[Unit] = "crop"
    channels: int = 2
    takes_difficulty: ClassVar[bool] = False
    has_schedule: ClassVar[bool] = False

    def __init__(
        self,
        *,
        unit: Unit | None = None,
        input_size: int | None = None,
        eyes: tuple[int, int] | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__()
        unit = self.default_unit if unit is None else unit
        check_reduction(reduction)
        if isinstance(unit, str) and unit not in ("crop", "pixel", "interocular"):
            raise ValueError(f'unit: expected "crop", "pixel", "interocular" or a number, got {unit!r}')
        if unit == "pixel":
            if input_size is None:
                raise ValueError('unit "pixel" needs input_size, the side of the network input in pixels')
            check_positive(input_size=input_size)
        if unit == "interocular" and (eyes is None or len(eyes) != 2 or eyes[0] == eyes[1] or min(eyes) < 0):
            raise ValueError(f'unit "interocular" needs eyes, the indices of two landmarks, got {eyes!r}')
        if not isinstance(unit, str):
            check_positive(unit=unit)
        self.unit = unit
        self.input_size = input_size
        self.eyes = eyes
        self.reduction: Reduction = reduction

    def forward(self, pred: Landmarks, target: Landmarks) -> Tensor:
        """The loss of predictions (N, M, channels) against landmarks (N, M, 2), NaN where missing.

        Returns:
            A scalar, or (N, M, 2) for reduction "none"; float32 at least. Missing landmarks have no part in
            it.

        Raises:
            TypeError, ValueError: inputs that are not batches of faces or do not fit each other.
        """
        return self.loss(*self.to_unit(*paired(pred, target, self.channels // 2)))

    def loss(self, pred: Tensor, target: Tensor) -> Tensor:
        """The loss of a checked pair in the loss's unit; what a new loss implements."""
        raise NotImplementedError

    def difficulty(self, landmarks: Kind) -> Kind:
        """Φ (N, M, 2) in [0, 1] of landmarks (N, M, 2); for losses that take a difficulty."""
        raise NotImplementedError

    def set_epoch(self, epoch: int) -> None:
        """Tell the loss which epoch begins (from 0). Only losses with a schedule listen."""

    def to_unit(self, pred: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Convert both from crop units to the loss's unit; faces without that unit become missing (NaN).

        What `pred` has beyond coordinates, logarithms of spreads, is in that unit already.

        Raises:
            ValueError: fewer landmarks than `eyes` needs.
        """
        if self.unit == "crop":
            return pred, target
        if self.unit == "interocular":
            assert self.eyes is not None
            if max(self.eyes) >= target.shape[1]:
                raise ValueError(f"eyes: expected indices below {target.shape[1]} (landmarks), got {self.eyes}")
            distance = (target[:, self.eyes[0]] - target[:, self.eyes[1]]).norm(dim=-1)[:, None, None]
            known = distance > 0
            # A finite factor for the faces left out keeps NaN out of the gradient of `pred`.
            factor = torch.where(known, 1 / torch.where(known, distance, 1.0), 0.0)
            return _coordinates_times(factor, pred, target), torch.where(known, target * factor, math.nan)
        assert self.unit != "pixel" or self.input_size is not None
        scale = float(self.input_size) if self.unit == "pixel" else float(self.unit)  # type: ignore[arg-type]
        return _coordinates_times(scale, pred, target), target * scale

    def extra_repr(self) -> str:
        return f"unit={self.unit!r}, reduction={self.reduction!r}"


class SpreadLoss(LandmarkLoss):
    """Base of the losses that expect x, y and a logarithm of the spread of each, already in the loss's unit.

    unit: 20 to the crop side unless told otherwise. New networks say 0 for the logarithm, so that an error of a
    twentieth of the crop is what they expect; with one of a whole crop side, most of a short training goes into
    learning better (docs/study.md).
    """

    default_unit = 20.0
    channels = 4
