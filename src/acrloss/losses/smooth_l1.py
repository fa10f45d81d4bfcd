"""Smooth L1 error (Girshick 2015)."""

from torch import Tensor

from acrloss.losses.base import (
    LandmarkLoss,
    Reduction,
    Unit,
    capped,
    check_positive,
    difference,
    paired,
    reduce,
)
from acrloss.shapes.landmarks import Landmarks, visible


def smooth_l1_loss(pred: Landmarks, target: Landmarks, beta: float = 1.0, reduction: Reduction = "mean") -> Tensor:
    """d²/(2β) where |d| < β, else |d| - β/2; d = pred - target per coordinate (Fast R-CNN, eq. 3).

    Args:
        pred, target: (N, M, 2) in the same unit; NaN in `target` marks a missing landmark, which is left out.
        beta: β > 0, where the square ends, in the unit of the landmarks.
        reduction: "mean" over present coordinates, "sum", or "none" for (N, M, 2).

    Raises:
        TypeError, ValueError: inputs that are not batches of faces or do not fit each other, or β <= 0.
    """
    check_positive(beta=beta)
    pred, target = paired(pred, target)
    present = visible(target)
    delta = difference(pred, target, present).abs()
    square = capped(delta, beta)
    return reduce(square.square() / (2 * beta) + (delta - square), present, reduction)


class SmoothL1Loss(LandmarkLoss):
    """Smooth L1; β in pixels of a 224-pixel crop unless `unit` says otherwise. See `smooth_l1_loss`."""

    def __init__(
        self,
        beta: float = 1.0,
        *,
        unit: Unit = 224.0,
        input_size: int | None = None,
        eyes: tuple[int, int] | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(unit=unit, input_size=input_size, eyes=eyes, reduction=reduction)
        check_positive(beta=beta)
        self.beta = beta

    def loss(self, pred: Tensor, target: Tensor) -> Tensor:
        return smooth_l1_loss(pred, target, self.beta, self.reduction)
