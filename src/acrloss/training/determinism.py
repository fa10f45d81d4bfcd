"""The same results from the same seed, at the price of the computing alone."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.utils import deterministic

# Type checkers do not see its one attribute, which it gets at run time.
_memory: Any = deterministic


@contextmanager
def deterministic_algorithms() -> Iterator[None]:
    """PyTorch's deterministic algorithms while it lasts; those that have none warn.

    New memory is not filled with NaN, as PyTorch does then: that serves to find code which reads what nobody wrote, and
    costs a sixth of a training step.
    """
    enabled = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    filled = _memory.fill_uninitialized_memory
    torch.use_deterministic_algorithms(True, warn_only=True)
    _memory.fill_uninitialized_memory = False
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
        _memory.fill_uninitialized_memory = filled
