"""What a loss says about itself once, beside its code: its presets, what it needs, and how tests can check it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from acrloss.arrays import Float
from acrloss.losses.base import LandmarkLoss

Oracle: TypeAlias = Callable[[Float, Float, Any, Float], Float]
"""(pred (N, M, channels), target (N, M, 2), the loss, Φ (N, M, 2)) to the loss of each coordinate (N, M, 2), in NumPy.

Predictions and targets are complete and in the loss's unit; Φ is 0 for losses that take no difficulty. Written from the
publication, not from the code beside it.
"""


@dataclass(frozen=True)
class Preset:
    """A name of `create_loss` with the options it stands for.

    Attributes:
        about: what it is, for lists; a few words.
        options: of the loss's class.
        needs_shape_model: whether it is built with the shape model of the training faces.
    """

    about: str
    options: Mapping[str, Any] = field(default_factory=dict)
    needs_shape_model: bool = False


@dataclass(frozen=True)
class Registration:
    """A loss.

    Attributes:
        kind: its class, which says what it takes (`channels`, `takes_difficulty`, `has_schedule`).
        about: what it is, for lists; for losses of one name.
        presets: by name, for losses of several.
        oracle: the loss computed independently.
        examples: options beside the presets' own with which it is compared with the oracle.
        least_at_target: whether the loss is 0 with gradient 0 where the prediction is the target (and all else is 0).
    """

    kind: type[LandmarkLoss]
    about: str = ""
    presets: Mapping[str, Preset] = field(default_factory=dict)
    oracle: Oracle | None = None
    examples: tuple[Mapping[str, Any], ...] = ()
    least_at_target: bool = True

    def preset(self, name: str) -> Preset:
        """What `name` stands for; its class alone where the loss has one name."""
        return self.presets[name] if self.presets else Preset(self.about)
