"""What two processes of torch.distributed make of their shares. This is one of them: to start one takes seconds."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed
import torch.multiprocessing


def in_two_processes(share: Callable[[int], Any], folder: Path) -> list[Any]:
    """What `share`, a module's function, gives as rank 0 and as rank 1: tensors, or a dict of them."""
    second: Any = torch.multiprocessing.spawn(  # type: ignore[attr-defined, no-untyped-call]
        _second, (share, str(folder)), join=False, daemon=True
    )
    first = _as_rank(0, share, str(folder))
    while not second.join():
        pass
    return [first, torch.load(folder / "second.pt", weights_only=True)]


def _as_rank(rank: int, share: Callable[[int], Any], folder: str) -> Any:
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", f"file://{folder}/meet", rank=rank, world_size=2)
    try:
        return share(rank)
    finally:
        torch.distributed.destroy_process_group()


def _second(_: int, share: Callable[[int], Any], folder: str) -> None:
    torch.save(_as_rank(1, share, folder), f"{folder}/second.pt")
