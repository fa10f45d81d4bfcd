"""What a trained network must know to be used on photographs: how sure it is, and where a detector's boxes lie.

Both are measured on the training faces once the network is trained, and change none of its landmarks. Confidence is
measured in the crops that it is used on: those of the second look, around the landmarks that the first has found.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset, default_collate

from acrloss.annotations import Annotations
from acrloss.arrays import Float, Image
from acrloss.boxes import best_match, centres_and_sizes
from acrloss.crops.augmentation import Augmentation
from acrloss.crops.crop import compose, crop_matrix, invert_matrix, to_crop_units, to_image, warp
from acrloss.crops.dataset import LandmarkDataset
from acrloss.crops.patch import cut_patch
from acrloss.detection.box_map import fit_box_map
from acrloss.detection.detector import Detector
from acrloss.errors import DataError
from acrloss.images import read_image
from acrloss.images.read_once import ReadOnce
from acrloss.networks.landmark_net import LandmarkNet
from acrloss.prediction.predictor import Predictor
from acrloss.progress_hook import Progress, no_progress

# As many faces, each seen in four crops, tell a linear layer well enough.
MOST_FACES = 1000
_BATCH = 64
# A detector looks at so many faces at least and at most, in between until the medians are known to a share of the box:
# networks learn to live with a spread three times as large (the augmentation's box_jitter).
LEAST_BOX_FACES, BOX_FACES, _STEADY = 40, 200, 0.01
# Errors below a ten-thousandth of the crop are rounding; their logarithms would rule the fit.
_LEAST_ERROR = 1e-4
# Errors beyond a crop's side are all the same: lost.
_MOST_ERROR = 1.0
# Ridge: weight of the penalty, as a share of the features' mean variance.
_PENALTY = 0.1


def fit_confidence(
    network: LandmarkNet,
    train: Annotations,
    val: Annotations,
    augmentation: Augmentation,
    seed: int = 0,
    progress: Progress = no_progress,
) -> None:
    """Give `network` the layer that tells each landmark's expected error.

    Ridge regression of the logarithm of the error on the head's summary, over training faces seen twice: as in
    training, and so badly placed (half out of the crop, upside down) that the network must be wrong, as on what is no
    face at all; and over the second looks at both, in the upright crops around what was found. On faces it was trained
    on a network errs less than on others; the second looks at the validation faces correct the scale, if there are any.

    Args:
        network: trained; changed in place.
        train: the faces that it was trained on.
        val: faces that it was not trained on; may be empty.
        augmentation: the one that it was trained with.
        seed: of the random crops.
        progress: wraps the batches for a progress bar.

    Raises:
        DataError: the network's landmarks are not finite.
    """
    fit_landmark_boxes(network, train)
    train = train.select(np.random.default_rng(seed).permutation(len(train))[:MOST_FACES])
    read = ReadOnce()
    # Not mirrored, so that what is found can be laid back into the picture.
    usual = replace(augmentation, mirror=0.0)
    wild = replace(usual, box_jitter=0.2, rotation=120.0, scale=0.6, translation=0.5)
    looks = [LandmarkDataset(train, network.crop, look, seed + 1, keep=False, read=read) for look in (usual, wild)]
    parts = [part for both in look_twice(network, looks, read, progress) for part in both]
    x = torch.cat([part.summary for part in parts])
    y = torch.cat([part.errors for part in parts]).clamp(_LEAST_ERROR, _MOST_ERROR).log()
    if y.isnan().all():
        raise DataError("the network's landmarks are not finite; lower --optim.learning_rate and train it anew")
    weight, bias = ridge(x, y)
    layer = nn.Linear(weight.shape[1], weight.shape[0])
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    # The mean of logarithms is below the logarithm of the mean; unseen faces, or else the same ones, set the level.
    judged = val if len(val) else train
    plain = LandmarkDataset(judged, network.crop, keep=False, read=read)
    seconds = [second for _, second in look_twice(network, [plain], read, progress)]
    errors = torch.cat([second.errors for second in seconds]).clamp(max=_MOST_ERROR)
    expected = (torch.cat([second.summary for second in seconds]) @ weight.T + bias).exp()
    ratio = (errors.nanmean() / expected[~torch.isnan(errors)].mean()).clamp(0.1, 10)
    with torch.no_grad():
        layer.bias.add_(float(ratio.log().nan_to_num(0.0)))
    network.add_spread(layer.to(network.mean.device))


def ridge(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """(M, F) weight and (M,) bias that tell `y` (N, M) from `x` (N, F), with `_PENALTY` on the weight.

    What is missing in `y` (NaN) counts as its column's mean.
    """
    y = torch.where(y.isnan(), y.nanmean(dim=0).nan_to_num(0.0), y)
    mean_x, mean_y = x.mean(dim=0), y.mean(dim=0)
    x = x - mean_x
    gram = x.T @ x / len(x)
    variance = gram.diagonal().mean()
    if not variance > 0:
        # A network that gives the same for every picture, as one whose features died in training, tells nothing.
        return torch.zeros(y.shape[1], x.shape[1], dtype=x.dtype), mean_y
    gram += _PENALTY * variance * torch.eye(len(gram), dtype=gram.dtype)
    weight = torch.linalg.solve(gram, x.T @ (y - mean_y) / len(x)).T
    return weight, mean_y - weight @ mean_x


def fit_detector_boxes(
    network: LandmarkNet,
    annotations: Annotations,
    detector: Detector,
    seed: int = 0,
    progress: Progress = no_progress,
) -> tuple[int, int]:
    """Measure how the detector's boxes map to the network's, and store it in `network`.

    Args:
        network: changed in place.
        annotations: faces with images; at most `BOX_FACES` of them are looked at.
        detector: the face detector.
        seed: of the choice of faces.
        progress: wraps the faces for a progress bar.

    Returns:
        How many faces were found, and among how many that were looked at.

    Raises:
        DataError: the detector found none.
    """
    chosen = annotations.select(np.random.default_rng(seed).permutation(len(annotations))[:BOX_FACES])
    wanted = network.crop.boxes(chosen)
    detected, seen = np.full((len(chosen), 4), np.nan), 0
    for i in progress(range(len(chosen)), f"detecting faces ({detector.name})", len(chosen)):
        detected[i], seen = _detected_box(chosen.images[i], wanted[i], detector), i + 1
        if seen >= LEAST_BOX_FACES and seen % 10 == 0 and _is_steady(detected[:seen], wanted[:seen]):
            break
    found = np.asarray(np.isfinite(detected[:seen]).all(axis=1))
    network.box_maps[detector.name] = fit_box_map(detected[:seen][found], wanted[:seen][found])
    return int(found.sum()), seen


def _is_steady(detected: Float, wanted: Float) -> bool:
    """Whether the medians of a box map are known to `_STEADY`: their standard errors, from the middle half's width."""
    found = np.isfinite(detected).all(axis=1)
    if found.sum() < LEAST_BOX_FACES / 2:
        return False
    centres, sizes = centres_and_sizes(detected[found])
    box = wanted[found]
    shifts = ((box[:, :2] + box[:, 2:]) / 2 - centres) / sizes
    scales = (box[:, 2:] - box[:, :2]).max(axis=1, keepdims=True) / sizes
    low, high = np.percentile(np.concatenate([shifts, scales], axis=1), [25, 75], axis=0)
    # Of a normal distribution the middle half is 1.349 standard deviations wide, and the median's error 1.253 σ/√n.
    return bool((1.253 * (high - low) / 1.349 / np.sqrt(found.sum()) < _STEADY).all())


def fit_landmark_boxes(network: LandmarkNet, annotations: Annotations) -> None:
    """Where crops are made from annotated boxes: how the tight boxes around the landmarks map to those.

    Needed to crop anew around landmarks that were just found.
    """
    if network.crop.box == "landmarks":
        return
    tight, wanted = annotations.landmark_boxes(), network.crop.boxes(annotations)
    # Of a single landmark, or of several on a line, the box has no size that another could be told from.
    sized = (tight[:, 2:] > tight[:, :2]).all(axis=1)
    if sized.any():
        network.box_maps["landmarks"] = fit_box_map(tight[sized], wanted[sized])


def detected_boxes(
    annotations: Annotations,
    boxes: Float,
    detector: Detector,
    progress: Progress = no_progress,
) -> Float:
    """(N, 4) the detector's box of each face whose true box is in `boxes` (N, 4); NaN where it found none."""
    found = np.full((len(annotations), 4), np.nan)
    for i in progress(range(len(annotations)), "detecting faces", len(annotations)):
        found[i] = _detected_box(annotations.images[i], boxes[i], detector)
    return found


def _detected_box(image: str, box: Float, detector: Detector) -> Float:
    """(4,) the detector's box of the face in `box` (4,); NaN where it found none."""
    try:
        detections = detector(read_image(image))
    except DataError:
        return np.full(4, np.nan)  # an image that cannot be read is reported when it is scored
    match = best_match(box, detections.boxes)
    return np.full(4, np.nan) if match is None else detections.boxes[match]


@dataclass(frozen=True, eq=False)
class Seen:
    """What a network makes of one crop of each face.

    Attributes:
        summary: (K, F) its head's summary, of the K faces whose image can be read.
        errors: (K, M) in crop units, NaN where a landmark is missing.
        landmarks: (N, M, 2) what it found, in pixels of the images; NaN for the faces that cannot be read.
    """

    summary: Tensor
    errors: Tensor
    landmarks: Float


class SecondLooks(Dataset[dict[str, Any]]):
    """The crops of the second look, around what the first has found; items as of `LandmarkDataset`."""

    def __init__(
        self,
        network: LandmarkNet,
        annotations: Annotations,
        first: Seen,
        read: Callable[[str, int], Image] = read_image,
    ) -> None:
        self.annotations, self._size, self._read = annotations, network.crop.size, read
        self._seen = np.asarray(np.isfinite(first.landmarks).all(axis=(1, 2)))
        self._squares, self._turns = np.ones((len(annotations), 3)), np.zeros(len(annotations))
        self._squares[self._seen], self._turns[self._seen] = Predictor(network).crops_around(
            first.landmarks[self._seen]
        )

    def __len__(self) -> int:
        return len(self.annotations)

    def __getitem__(self, index: int) -> dict[str, Any]:
        size, square = self._size, self._squares[index]
        matrix = crop_matrix(square, size, rotation=-self._turns[index])
        image, readable = np.zeros((size, size, 3), np.uint8), bool(self._seen[index])
        try:
            # √2: the corners of a turned square.
            patch, to_patch = cut_patch(self.annotations.images[index], square, 1.5, 2 * size, read=self._read)
            image = warp(patch, compose(matrix, invert_matrix(to_patch)), size)
        except DataError:
            readable = False
        return {
            "image": torch.from_numpy(image).permute(2, 0, 1).contiguous(),
            "landmarks": torch.from_numpy(to_crop_units(self.annotations.landmarks[index], matrix, size)).float(),
            "matrix": torch.from_numpy(matrix),
            "index": index,
            "readable": readable,
        }


def look_twice(
    network: LandmarkNet, looks: Sequence[LandmarkDataset], read: ReadOnce, progress: Progress
) -> list[tuple[Seen, Seen]]:
    """The first and the second looks at all faces, a pair for each batch of them and each of `looks`.

    Args:
        network: whose looks they are.
        looks: crops of the same faces, which read their images by `read`.
        read: forgets the images of a batch with the next: each is decoded once, not once for every look.
        progress: wraps the batches for a progress bar.
    """
    annotations, pairs = looks[0].annotations, []
    starts = range(0, len(annotations), _BATCH)
    for start in progress(starts, "measuring confidence", len(starts)):
        read.forget()
        faces = range(start, min(start + _BATCH, len(annotations)))
        batch = annotations.select(np.array(faces))
        for look in looks:
            first = see(network, [look[i] for i in faces])
            again = SecondLooks(network, batch, first, read)
            pairs.append((first, see(network, [again[i] for i in range(len(again))])))
    return pairs


def see(network: LandmarkNet, crops: Sequence[dict[str, Any]]) -> Seen:
    """What the network makes of crops, items as of `LandmarkDataset`."""
    batch = default_collate(list(crops))
    with torch.inference_mode():
        features = network.eval().features(batch["image"].to(network.mean.device))
        found = network.head(features)[..., :2].cpu()
        known = network.head.summary(features).double().cpu()
    # A network that diverged gives what is no number; no error is known of that.
    usable = batch["readable"] & found.isfinite().all(dim=2).all(dim=1)
    landmarks = np.full(found.shape, np.nan)
    for i in usable.nonzero()[:, 0].tolist():
        landmarks[i] = to_image(found[i].double().numpy(), batch["matrix"][i].numpy(), network.crop.size)
    errors = (found - batch["landmarks"]).norm(dim=-1).double()
    return Seen(known[usable], errors[usable], landmarks)
