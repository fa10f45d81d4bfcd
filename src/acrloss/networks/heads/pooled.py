"""One linear layer on the pooled features: the smallest head."""

from torch import Tensor, nn

from acrloss.networks.backbone import Features
from acrloss.networks.heads.head import Head, OutputLayer


class PooledHead(Head):
    """Landmarks as a linear function of the pooled features."""

    def __init__(self, example: Features, start: Tensor) -> None:
        super().__init__()
        layer = OutputLayer(example.pooled.shape[1], start)
        # Under the names that files of this head have had since its first version, and with all inputs as they are.
        self.weight, self.bias = layer.weight, layer.bias
        self._outputs = (start.shape[0], start.shape[1])

    def forward(self, features: Features) -> Tensor:
        return nn.functional.linear(features.pooled, self.weight, self.bias).view(-1, *self._outputs)
