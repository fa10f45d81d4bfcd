"""Spatial soft-argmax: each landmark has a map of where it is, and lies at the map's mean.

The map at a sixteenth of the crop tells where things are, the last one what they are; both go into one map a landmark.
What the pooled features add moves landmarks that lie outside the crop or are hidden, and tells the spreads.
"""

import torch
from torch import Tensor, nn

from acrloss.networks.backbone import Features
from acrloss.networks.heads.head import Head, OutputLayer

_CHANNELS = 128
# The maps reach a little beyond the crop, in crop units: a mean cannot lie on the rim of what it is taken over.
_REACH = 0.1


class SoftArgmaxHead(Head):
    """Landmarks as means of softmax maps, and a linear function of the pooled features added."""

    needs_maps = True
    columns: Tensor
    rows: Tensor
    to_fine: Tensor
    to_twice: Tensor

    def __init__(self, example: Features, start: Tensor) -> None:
        super().__init__()
        fine, last = example.maps
        side = int(fine.shape[2])
        self.fine = nn.Conv2d(fine.shape[1], _CHANNELS, 1, bias=False)
        self.last = nn.Conv2d(last.shape[1], _CHANNELS, 1, bias=False)
        self.maps = nn.Sequential(
            nn.BatchNorm2d(_CHANNELS),
            nn.ReLU(inplace=True),
            nn.Conv2d(_CHANNELS, _CHANNELS, 3, padding=1, groups=_CHANNELS, bias=False),
            nn.BatchNorm2d(_CHANNELS),
            nn.ReLU(inplace=True),
            nn.Conv2d(_CHANNELS, start.shape[0], 1),
        )
        # Nearly level maps, whose means lie in the middle; the linear layer brings them to the start from there.
        last_layer = self.maps[-1]
        assert isinstance(last_layer, nn.Conv2d)
        nn.init.normal_(last_layer.weight, std=1e-2)
        offset = start.clone()
        offset[:, :2] -= 0.5
        self.pooled = OutputLayer(example.pooled.shape[1], offset)
        # None of these is learnt, so no file needs them. x and y of each value of a map:
        grid = torch.linspace(-_REACH, 1 + _REACH, 2 * side)
        self.register_buffer("columns", grid.repeat(2 * side), persistent=False)
        self.register_buffer("rows", grid.repeat_interleave(2 * side), persistent=False)
        self.register_buffer("to_fine", _enlarging(int(last.shape[2]), side), persistent=False)
        self.register_buffer("to_twice", _enlarging(side, 2 * side), persistent=False)

    def forward(self, features: Features) -> Tensor:
        fine, last = features.maps
        last = self.to_fine @ self.last(last) @ self.to_fine.T
        maps = self.to_twice @ self.maps(self.fine(fine) + last) @ self.to_twice.T
        shares = maps.flatten(2).softmax(dim=2)
        # Sums of products, not a matrix product: that is rounded to half precision in mixed-precision training.
        means = torch.stack([(shares * self.columns).sum(dim=2), (shares * self.rows).sum(dim=2)], dim=2)
        linear = self.pooled(features.pooled)
        return torch.cat([linear[..., :2] + means, linear[..., 2:]], dim=2)


def _enlarging(old: int, new: int) -> Tensor:
    """(new, old) matrix that interpolates `old` values to `new` ones, linearly between the centres of their cells.

    As a matrix and not as an operator, since exporters write that with arithmetic on shapes.
    """
    return nn.functional.interpolate(torch.eye(old)[None], new, mode="linear", align_corners=False)[0].T.contiguous()
