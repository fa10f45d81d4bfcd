"""What a head is, and the layer that most of them end with."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from acrloss.networks.backbone import Features

# AdamW moves every weight by about the learning rate, so an output moves with the sum of its inputs' magnitudes. The
# learning rate of this package is right for pooled features: about 1280 of about 0.4 (EfficientNet-Lite0, 112 px).
_USUAL_MAGNITUDE = 0.4
_USUAL_SUM = 1280 * _USUAL_MAGNITUDE


class Head(nn.Module):
    """Base of all heads.

    A head is built as `Kind(example, start)`: `example` is what the backbone makes of one crop (its values mean
    nothing, its shapes are those of all others), and `start` (M, channels) is what the untrained head must give for
    every face: the mean shape, and 0 for the logarithms of spreads, if there are any.
    """

    needs_maps: ClassVar[bool] = False
    """Whether `forward` looks at `Features.maps`; backbones that have none are refused then."""

    def forward(self, features: Features) -> Tensor:
        """What the backbone makes of N crops to (N, M, channels): x and y in crop units, then logarithms of spreads."""
        raise NotImplementedError

    def summary(self, features: Features) -> Tensor:
        """(N, F) what confidence is told from, F some thousand at most; the pooled features unless a head knows better.

        Calibration solves a system of F × F.
        """
        return features.pooled


class OutputLayer(nn.Linear):
    """A linear layer from (N, inputs) to (N, M, channels) that gives `start` before it is trained.

    It learns from many or large inputs as fast as from pooled features: their sum is brought down to that of those.
    """

    def __init__(self, inputs: int, start: Tensor, magnitude: float = _USUAL_MAGNITUDE) -> None:
        """
        Args:
            inputs: how many.
            start: (M, channels).
            magnitude: mean absolute value of an input; about 0.8 for what comes from a normalisation layer.
        """
        super().__init__(inputs, start.numel())
        # Small rather than zero weights: the backbone learns from the first step on.
        nn.init.normal_(self.weight, std=1e-3)
        with torch.no_grad():
            self.bias.copy_(start.flatten())
        self._outputs = (start.shape[0], start.shape[1])
        self._share = min(1.0, _USUAL_SUM / (inputs * magnitude))

    def forward(self, values: Tensor) -> Tensor:
        return super().forward(values * self._share).view(-1, *self._outputs)
