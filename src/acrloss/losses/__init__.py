"""Landmark losses: each is a pure function and an `nn.Module` called as `criterion(pred, target)`.

One module a loss, listed in `acrloss.losses.table`. Names are imported when they are first used; their types are in
`__init__.pyi`, which `python tools/list_losses.py` writes.
"""

import importlib
from typing import Any

from acrloss.losses.table import exports

__all__ = sorted(exports())


def __getattr__(name: str) -> Any:
    if name not in exports():
        raise AttributeError(f"module 'acrloss.losses' has no attribute {name!r}")
    return getattr(importlib.import_module(f"acrloss.losses.{exports()[name]}"), name)
