"""How the share of modes k grows with the epochs of a training run."""

from __future__ import annotations

import itertools
import operator
from dataclasses import dataclass

PAPER_STAGES = ((0, 0.80), (16, 0.85), (31, 0.90), (71, 0.95), (101, 0.97))


@dataclass(frozen=True)
class ModeSchedule:
    """Stages of the share of modes; the default is the paper's (80, 85, 90, 95, 97 % over 150 epochs).

    Args:
        stages: (first epoch, share) pairs; epochs count from 0 and rise, shares lie in (0, 1]. The last stage
            lasts.
        epochs: length of the run that the stages are meant for; only `stretched` uses it.

    Raises:
        ValueError: no stage, a first stage that does not start at 0, starts that do not rise or lie outside
            the run, or a share outside (0, 1].
    """

    stages: tuple[tuple[int, float], ...] = PAPER_STAGES
    epochs: int = 150

    def __post_init__(self) -> None:
        stages = tuple((operator.index(start), float(share)) for start, share in self.stages)
        if not stages or stages[0][0] != 0:
            raise ValueError(f"stages: expected (first epoch, share) pairs that start at epoch 0, got {self.stages!r}")
        starts = [start for start, _ in stages]
        if any(later <= earlier for earlier, later in itertools.pairwise(starts)):
            raise ValueError(f"stages: expected rising first epochs, got {starts}")
        if operator.index(self.epochs) <= starts[-1]:
            raise ValueError(f"epochs: expected more than the last stage's start {starts[-1]}, got {self.epochs}")
        for _, share in stages:
            if not 0 < share <= 1:
                raise ValueError(f"stages: expected shares in (0, 1], got {share!r}")
        object.__setattr__(self, "stages", stages)

    @classmethod
    def constant(cls, share: float) -> ModeSchedule:
        """One share for the whole run."""
        return cls(((0, share),))

    def share(self, epoch: int) -> float:
        """Share of modes in `epoch` (from 0); after the last stage's start it stays.

        Raises:
            ValueError: a negative epoch.
        """
        if operator.index(epoch) < 0:
            raise ValueError(f"epoch: expected 0 or more, got {epoch}")
        return next(share for start, share in reversed(self.stages) if start <= epoch)

    def stretched(self, epochs: int) -> ModeSchedule:
        """The schedule for a run of another length: epoch e has the share that e·self.epochs/epochs has here.

        Stages that fall between two epochs of a short run are left out.

        Raises:
            ValueError: epochs < 1.
        """
        if operator.index(epochs) < 1:
            raise ValueError(f"epochs: expected 1 or more, got {epochs}")
        # Exact ceiling of start * epochs / self.epochs; of stages that meet in one epoch the later holds.
        starts = {-(-start * epochs // self.epochs): share for start, share in self.stages}
        return ModeSchedule(tuple((start, share) for start, share in starts.items() if start < epochs), epochs)
