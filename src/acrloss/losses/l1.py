"""Absolute error."""

from torch import Tensor

from acrloss.losses.base import (
    LandmarkLoss,
    Reduction,
    Unit,
    difference,
    paired,
    reduce,
)
from acrloss.shapes.landmarks import Landmarks, visible


def l1_loss(pred: Landmarks, target: Landmarks, reduction: Reduction = "mean") -> Tensor:
    """|d| per coordinate, d = pred - target.

    Args:
        pred, target: (N, M, 2) in the same unit; NaN in `target` marks a missing landmark, which is left out.
        reduction: "mean" over present coordinates, "sum", or "none" for (N, M, 2).

    Raises:
        TypeError, ValueError: inputs that are not batches of faces or do not fit each other.
    """
    pred, target = paired(pred, target)
    present = visible(target)
    delta = difference(pred, target, present).abs()
    return reduce(delta, present, reduction)


class L1Loss(LandmarkLoss):
    """|d| per coordinate; unit: crop sides. See `l1_loss` and `LandmarkLoss`."""

    def __init__(
        self,
        *,
        unit: Unit = "crop",
        input_size: int | None = None,
        eyes: tuple[int, int] | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(unit=unit, input_size=input_size, eyes=eyes, reduction=reduction)

    def loss(self, pred: Tensor, target: Tensor) -> Tensor:
        return l1_loss(pred, target, self.reduction)
