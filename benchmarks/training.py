"""What the loss and the data cost a training step: two ratios, each from one run.

    python benchmarks/training.py                          # EfficientNet-Lite0, 112 px, synthetic faces
    python benchmarks/training.py --data PATH --threads 2

1. Φ and loss (forward and backward) as a share of a training step, for every loss.
2. Images/s of training end to end (decoding, augmentation, network, optimiser) over those of the bare network on a
   batch that is ready. The first epoch, which decodes the images, is left out, as it is one of many.
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

from acrloss.augment import Augmentation
from acrloss.crop import CropSpec
from acrloss.dataset import EpochSampler, LandmarkDataset, limit_worker_threads
from acrloss.losses import LandmarkLoss, create_loss, loss_names
from acrloss.models import create_model
from acrloss.readers import read_annotations
from acrloss.shape_model import ShapeModel
from acrloss.training import LandmarkTraining, TrainConfig, normalized_landmarks


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
    parser.add_argument("--steps", type=int, default=20, help="steps timed; the median counts")
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

    print(f"{given.backbone}, {given.size} px, batches of {given.batch_size}, {given.threads} threads")
    print(f"\n{'loss':<16}{'Φ and loss':>12}{'step':>12}{'share':>9}")
    for name in loss_names():
        loss = create_loss(name, shape_model)
        module, optimizer = training(loss)
        found = module.network(ready["image"]).detach().requires_grad_()
        alone = seconds(lambda m=module, p=found: m.loss_of(p, ready).backward(), given.steps)  # type: ignore[misc]
        whole = seconds(lambda m=module, o=optimizer: step(m, o, ready), given.steps)  # type: ignore[misc]
        print(f"{name:<16}{1e3 * alone:>9.2f} ms{1e3 * whole:>9.1f} ms{100 * alone / whole:>7.2f} %")

    module, optimizer = training(create_loss("acr", shape_model))
    batches: Iterator[Any] = itertools.chain.from_iterable(iter(loader) for _ in itertools.count())
    bare, end_to_end = [], []
    step(module, optimizer, next(batches))
    # One after the other in turns, so that a slow minute of the machine falls on both.
    for _ in range(4):
        start = time.perf_counter()
        for _ in range(given.steps):
            step(module, optimizer, ready)
        bare.append(given.steps * given.batch_size / (time.perf_counter() - start))
        start = time.perf_counter()
        for _ in range(given.steps):
            step(module, optimizer, next(batches))
        end_to_end.append(given.steps * given.batch_size / (time.perf_counter() - start))
    speed, trained = statistics.median(bare), statistics.median(end_to_end)
    print(f"\nbare network {speed:.1f} images/s, end to end {trained:.1f} images/s, ratio {trained / speed:.3f}")


if __name__ == "__main__":
    main()
