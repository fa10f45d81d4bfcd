"""Random changes to a training face: where it is cut (one affine warp) and how it looks."""

import cv2
import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.v2 import functional

from acrloss.arrays import Float
from acrloss.crops.augmentation import Augmentation
from acrloss.crops.crop import CropSpec, crop_matrix


def augmented_matrix(
    box: Float, crop: CropSpec, augmentation: Augmentation, rng: np.random.Generator
) -> tuple[Float, bool]:
    """The (2, 3) map from the image to a randomly placed crop around `box` (4,), and whether it mirrors."""
    extent = max(box[2] - box[0], box[3] - box[1])
    jittered = box + rng.normal(0, augmentation.box_jitter, 4) * extent
    # Every draw happens whether it is used or not, so that switching one change off leaves the others as they were.
    rotation = rng.uniform(-1, 1) * augmentation.rotation
    scale = np.exp(rng.uniform(-1, 1) * np.log1p(augmentation.scale))
    shift = rng.uniform(-1, 1, 2) * augmentation.translation
    mirror = bool(rng.random() < augmentation.mirror)
    matrix = crop_matrix(
        crop.squares(jittered)[0],
        crop.size,
        rotation=rotation,
        scale=float(scale),
        translation=(shift[0], shift[1]),
        mirror=mirror,
    )
    return matrix, mirror


def augmented_look(image: Tensor, augmentation: Augmentation, rng: np.random.Generator) -> Tensor:
    """A (3, H, W) uint8 image with its colours, sharpness and visible part changed at random."""
    chance = rng.random(5)
    amount = rng.uniform(-1, 1, 3) * augmentation.colour
    if augmentation.colour:
        image = functional.adjust_brightness(image, 1 + amount[0])
        image = functional.adjust_contrast(image, 1 + amount[1])
        image = functional.adjust_saturation(image, 1 + amount[2])
    if chance[0] < augmentation.grey:
        image = functional.rgb_to_grayscale(image, num_output_channels=3)
    if chance[1] < augmentation.blur:
        image = functional.gaussian_blur(image, [5, 5], [float(rng.uniform(0.5, 2.0))])
    if chance[2] < augmentation.occlusion:
        image = occlude(image, rng)
    if chance[3] < augmentation.noise:
        grain = torch.from_numpy(rng.normal(0, rng.uniform(2, 12), tuple(image.shape)).astype(np.float32))
        image = (image + grain).round_().clamp_(0, 255).to(torch.uint8)
    if chance[4] < augmentation.jpeg:
        # By OpenCV: torchvision is giving up its JPEG coder.
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(20, 80))]
        coded = cv2.imencode(".jpg", np.ascontiguousarray(image.permute(1, 2, 0).numpy()), quality)[1]
        image = torch.from_numpy(cv2.imdecode(coded, cv2.IMREAD_COLOR)).permute(2, 0, 1)
    return image


def occlude(image: Tensor, rng: np.random.Generator) -> Tensor:
    """Cover a rectangle of 4 to 20 % of a (3, H, W) image with one random colour."""
    height, width = image.shape[-2:]
    area = rng.uniform(0.04, 0.2) * height * width
    aspect = np.exp(rng.uniform(-1, 1) * np.log(3))
    h, w = (
        int(np.clip(round(v), 1, end))
        for v, end in zip((np.sqrt(area * aspect), np.sqrt(area / aspect)), (height, width), strict=True)
    )
    top, left = int(rng.integers(0, height - h + 1)), int(rng.integers(0, width - w + 1))
    colour = torch.from_numpy(rng.integers(0, 256, (3, 1, 1), dtype=np.uint8))
    covered: Tensor = functional.erase(image, top, left, h, w, colour)
    return covered
