"""What the loss and the data cost a training step: ratios, each from one run.

    python benchmarks/training.py                          # EfficientNet-Lite0, 112 px, synthetic faces
    python benchmarks/training.py --data PATH --threads 2

For every loss:

1. Φ and loss (forward and backward) as a share of a training step.
2. Images/s of training end to end (augmentation, network, Φ and loss, optimiser) over those of the bare network, which
   is given a batch that is ready and whose outputs are merely summed up. The first epoch, which decodes the images, is
   left out, as it is one of many.
"""

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch.utils.data import DataLoader

from acrloss.crops.augmentation import Augmentation
from acrloss.crops.crop import CropSpec, normalized_landmarks
from acrloss.crops.dataset import EpochSampler, LandmarkDataset, limit_worker_threads
from acrloss.formats import read_annotations
from acrloss.losses import LandmarkLoss, create_loss, loss_names
from acrloss.losses.table import versioned
from acrloss.networks.landmark_net import create_model
from acrloss.shapes.shape_model import ShapeModel
from acrloss.training.config import TrainConfig
from acrloss.training.lightning_module import LandmarkTraining

ROUNDS = 5


def seconds(function: Callable[[], Any], repeats: int) -> float:
    """Median duration of a call after one that warms up."""
    function()
    durations = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        durations.append(time.perf_counter() - start)
    return statistics.median(durations)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", default="synthetic:640")
    parser.add_argument("--backbone", default="efficientnet_lite0")
    parser.add_argument("--size", type=int, default=112)
    parser.add_argument("--batch_size", type=int, default=32)
    parser.add_argument("--steps", type=int, default=10, help="steps timed at a time")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--workers", type=int, default=1)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)

    faces = read_annotations(given.data)
    faces = faces.split("train") if "train" in faces.split_names else faces
    crop = CropSpec(size=given.size)
    shape_model = ShapeModel.fit(normalized_landmarks(faces, crop))
    loader = DataLoader(
        LandmarkDataset(faces, crop, Augmentation()),
        given.batch_size,
        sampler=EpochSampler(len(faces), 0),
        drop_last=True,
        num_workers=given.workers,
        persistent_workers=given.workers > 0,
        worker_init_fn=limit_worker_threads,
    )
    for batch in loader:
        ready = batch

    def training(loss: LandmarkLoss) -> tuple[LandmarkTraining, torch.optim.Optimizer]:
        network = create_model(given.backbone, faces.scheme, crop, channels=loss.channels, pretrained="none")
        module = LandmarkTraining(network, loss, TrainConfig(crop=crop))
        return module, torch.optim.AdamW(network.parameters(), lr=1e-4)

    def step(module: LandmarkTraining, optimizer: torch.optim.Optimizer, batch: Any) -> None:
        optimizer.zero_grad()
        module.loss_of(module.network(batch["image"]), batch).backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    def bare_step(module: LandmarkTraining, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad()
        module.network(ready["image"]).sum().backward()
        optimizer.step()

    def images_per_second(function: Callable[[], Any]) -> float:
        start = time.perf_counter()
        for _ in range(given.steps):
            function()
        return float(given.steps * given.batch_size / (time.perf_counter() - start))

    batches: Iterator[Any] = itertools.chain.from_iterable(iter(loader) for _ in itertools.count())
    print(f"{given.backbone}, {given.size} px, batches of {given.batch_size}, {given.threads} threads\n")
    print("| loss | Φ and loss, ms | step, ms | share % | bare, images/s | end to end | ratio |")
    print("|:--|--:|--:|--:|--:|--:|--:|")
    for name in sorted({versioned(name) for name in loss_names()}):
        module, optimizer = training(create_loss(name, shape_model))
        found = module.network(ready["image"]).detach().requires_grad_()
        alone = seconds(lambda m=module, p=found: m.loss_of(p, ready).backward(), given.steps)  # type: ignore[misc]
        whole = seconds(lambda m=module, o=optimizer: step(m, o, ready), given.steps)  # type: ignore[misc]
        bare, end_to_end = [], []
        # In turns, so that a slow minute of the machine falls on both.
        for _ in range(ROUNDS):
            bare.append(images_per_second(lambda m=module, o=optimizer: bare_step(m, o)))  # type: ignore[misc]
            end_to_end.append(images_per_second(lambda m=module, o=optimizer: step(m, o, next(batches))))  # type: ignore[misc]
        ratio = statistics.median(e / b for e, b in zip(end_to_end, bare, strict=True))
        print(
            f"| {name} | {1e3 * alone:.2f} | {1e3 * whole:.1f} | {100 * alone / whole:.2f} "
            f"| {statistics.median(bare):.1f} | {statistics.median(end_to_end):.1f} | {ratio:.3f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
