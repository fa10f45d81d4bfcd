"""What a trained network must know to be used on photographs: how sure it is, and where a detector's boxes lie.

Both are measured on the training faces once the network is trained, and change none of its landmarks.
"""

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from acrloss.annotations import Annotations
from acrloss.arrays import Float
from acrloss.boxes import best_match
from acrloss.crops.augmentation import Augmentation
from acrloss.crops.dataset import EpochSampler, LandmarkDataset
from acrloss.detection.box_map import fit_box_map
from acrloss.detection.detector import Detector
from acrloss.errors import DataError
from acrloss.images import read_image
from acrloss.networks.landmark_net import LandmarkNet
from acrloss.progress_hook import Progress, no_progress

# As many faces tell medians and a linear layer well enough.
MOST_FACES = 2000
BOX_FACES = 200
# Errors below a ten-thousandth of the crop are rounding; their logarithms would rule the fit.
_LEAST_ERROR = 1e-4
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

    Ridge regression of the logarithm of the error on the features, over training faces seen twice: as in training, and
    so badly placed (half out of the crop, upside down) that the network must be wrong, as on what is no face at all.
    On faces it was trained on a network errs less than on others; the validation faces correct the scale, if there are
    any.

    Args:
        network: trained; changed in place.
        train: the faces that it was trained on.
        val: faces that it was not trained on; may be empty.
        augmentation: the one that it was trained with.
        seed: of the random crops.
        progress: wraps the batches for a progress bar.
    """
    train = train.select(np.random.default_rng(seed).permutation(len(train))[:MOST_FACES])
    wild = replace(augmentation, box_jitter=0.2, rotation=120.0, scale=0.6, translation=0.5)
    features, errors = [], []
    for look in (augmentation, wild):
        dataset = LandmarkDataset(train, network.crop, look, seed + 1, keep=False)
        found = _features_and_errors(network, dataset, seed, progress)
        features.append(found[0])
        errors.append(found[1])
    x, y = torch.cat(features), torch.cat(errors).clamp(min=_LEAST_ERROR).log()
    known = ~torch.isnan(y)
    y = torch.where(known, y, y.nanmean(dim=0).nan_to_num(0.0))
    mean_x, mean_y = x.mean(dim=0), y.mean(dim=0)
    x = x - mean_x
    gram = x.T @ x / len(x)
    gram += _PENALTY * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)
    weight = torch.linalg.solve(gram, x.T @ (y - mean_y) / len(x)).T
    bias = mean_y - weight @ mean_x
    layer = nn.Linear(*reversed(weight.shape))
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    # The mean of logarithms is below the logarithm of the mean; unseen faces, or else the same ones, set the level.
    plain = LandmarkDataset(val if len(val) else train, network.crop, None if len(val) else augmentation, seed, False)
    x, errors_seen = _features_and_errors(network, plain, seed, progress)
    expected = (x @ weight.T + bias).exp()
    ratio = (errors_seen.nanmean() / expected[~torch.isnan(errors_seen)].mean()).clamp(0.1, 10)
    with torch.no_grad():
        layer.bias.add_(float(ratio.log()))
    network.add_spread(layer.to(network.mean.device))


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
        How many faces were found, and among how many.

    Raises:
        DataError: the detector found none.
    """
    chosen = annotations.select(np.random.default_rng(seed).permutation(len(annotations))[:BOX_FACES])
    wanted = network.crop.boxes(chosen)
    detected = detected_boxes(chosen, wanted, detector, progress)
    found = np.asarray(np.isfinite(detected).all(axis=1))
    network.box_maps[detector.name] = fit_box_map(detected[found], wanted[found])
    return int(found.sum()), len(found)


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
        try:
            detections = detector(read_image(annotations.images[i]))
        except DataError:
            continue  # an image that cannot be read is reported when it is scored
        match = best_match(boxes[i], detections.boxes)
        if match is not None:
            found[i] = detections.boxes[match]
    return found


def _features_and_errors(
    network: LandmarkNet, dataset: LandmarkDataset, seed: int, progress: Progress
) -> tuple[Tensor, Tensor]:
    """(N, F) features and (N, M) errors in crop units, in float64; NaN where a landmark is missing."""
    sampler = EpochSampler(len(dataset), seed) if dataset.augmentation is not None else None
    loader = DataLoader(dataset, batch_size=64, sampler=sampler)
    features, errors = [], []
    for batch in progress(loader, "measuring confidence", len(loader)):
        with torch.inference_mode():
            seen = network.eval().features(batch["image"].to(network.mean.device))
            x, landmarks = network.head.summary(seen), network.head(seen)[..., :2].cpu()
        readable = batch["readable"]
        features.append(x.double().cpu()[readable])
        errors.append((landmarks - batch["landmarks"]).norm(dim=-1).double()[readable])
    return torch.cat(features), torch.cat(errors)
