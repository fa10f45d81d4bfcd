"""Deterministic training, which leaves PyTorch as it was."""

from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch.utils import deterministic

from acrloss.crops.crop import CropSpec
from acrloss.training import run
from acrloss.training.config import ModelConfig, TrainConfig
from acrloss.training.determinism import deterministic_algorithms

State = tuple[bool, bool, bool]
# Type checkers do not see its attribute.
MEMORY: Any = deterministic


def state() -> State:
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
        MEMORY.fill_uninitialized_memory,
    )


@pytest.fixture(params=[(False, False, True), (True, False, False), (True, True, True)])
def before(request: pytest.FixtureRequest) -> Any:
    kept = state()
    enabled, warn_only, filled = request.param
    torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
    MEMORY.fill_uninitialized_memory = filled
    yield request.param
    torch.use_deterministic_algorithms(kept[0], warn_only=kept[1])
    MEMORY.fill_uninitialized_memory = kept[2]


def test_pytorch_is_left_as_it_was(before: State) -> None:
    with deterministic_algorithms():
        assert state() == (True, True, False)
    assert state() == before
    with pytest.raises(ZeroDivisionError), deterministic_algorithms():
        1 / 0  # noqa: B018
    assert state() == before


class Watch(L.Callback):
    def __init__(self) -> None:
        self.states: set[State] = set()

    def on_train_batch_end(self, *_: Any, **__: Any) -> None:
        self.states.add(state())


def test_steps_are_deterministic_and_nothing_is_filled(faces_300w: Path, tmp_path: Path) -> None:
    """The whole run through, though Lightning sets it anew."""
    before, watch = state(), Watch()
    config = TrainConfig(model=ModelConfig("test_efficientnet", "none"), crop=CropSpec(size=32), epochs=1, workers=0)
    run.train(str(faces_300w), config, tmp_path / "run", callbacks=[watch], detectors=())
    assert watch.states == {(True, True, False)}
    assert state() == before
