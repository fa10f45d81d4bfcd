"""Scoring predicted landmarks against annotated ones."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from acrloss.annotations import Annotations
from acrloss.crop import CropSpec, crop_matrix, to_image
from acrloss.dataset import LandmarkDataset
from acrloss.errors import DataError
from acrloss.metrics import (
    Normalizer,
    area_under_ced,
    available_normalizers,
    face_nme,
    failure_rate,
    landmark_errors,
    mean_known,
    normalizer_lengths,
)
from acrloss.models import LandmarkNet

Float = NDArray[np.float64]

# The thresholds (NME in %) at which 300-W, COFW and WFLW papers quote failure rate and AUC.
THRESHOLDS = (8.0, 10.0)


@dataclass(frozen=True)
class Scores:
    """The metrics of one set of faces under one normaliser; all in %.

    Attributes:
        subset: which faces: a subset tag, or "all" where no tag covers all faces.
        normalizer: what errors are divided by.
        faces: how many faces were scored.
        nme: mean NME.
        failure_rate: threshold -> share of faces with a larger NME.
        auc: threshold -> area under the CED up to it, over it.
        regions: region of the scheme -> mean error of its landmarks.
    """

    subset: str
    normalizer: Normalizer
    faces: int
    nme: float
    failure_rate: dict[str, float]
    auc: dict[str, float]
    regions: dict[str, float]


@dataclass(frozen=True)
class Evaluation:
    """Predictions and their scores.

    Attributes:
        annotations: the faces, N of them.
        predictions: (N, M, 2) landmarks in pixels of the images; NaN for a face whose image could not be read.
        errors: normaliser -> (N, M) error of each landmark in %, NaN where it cannot be scored.
        nme: normaliser -> (N,) NME of each face in %.
        scores: for every subset and normaliser; all faces under the usual normaliser first.
        unscored: one line for each face without a score, with the reason.
    """

    annotations: Annotations
    predictions: Float
    errors: dict[Normalizer, Float]
    nme: dict[Normalizer, Float]
    scores: tuple[Scores, ...]
    unscored: tuple[str, ...]

    @property
    def normalizer(self) -> Normalizer:
        """The field's usual normaliser for the scheme; the one that headlines are given in."""
        return available_normalizers(self.annotations.scheme)[0]

    @property
    def score(self) -> Scores:
        """The scores of all faces under the usual normaliser."""
        return self.scores[0]

    def to_dict(self) -> dict[str, Any]:
        """The scores in plain types, for JSON; NaN becomes None."""
        normalizer = self.normalizer
        return {
            "data": self.annotations.source,
            "scheme": self.annotations.scheme.name,
            "unit": "%",
            "scores": [_plain(vars(score)) for score in self.scores],
            "landmark_errors": {
                "normalizer": normalizer,
                "mean": _plain(list(mean_known(self.errors[normalizer], axis=0))),
            },
            "skipped_when_reading": list(self.annotations.skipped),
            "unscored": list(self.unscored),
        }


def predict_annotated(
    network: LandmarkNet,
    annotations: Annotations,
    *,
    batch_size: int = 64,
    device: str | torch.device = "cpu",
    progress: Callable[[Iterable[Any], int], Iterable[Any]] = lambda batches, count: batches,
) -> Float:
    """(N, M, 2) landmarks that `network` finds, in pixels of the images; NaN where an image cannot be read.

    Faces are cut out as the network's own crop says.

    Raises:
        DataError: faces cannot be cut out, or the network's landmarks are not finite.
    """
    dataset = LandmarkDataset(annotations, network.crop, keep=False)
    found = np.full(annotations.landmarks.shape, np.nan)
    network = network.to(device).eval()
    loader = DataLoader(dataset, batch_size=batch_size)
    for batch in progress(loader, len(loader)):
        with torch.inference_mode():
            landmarks = network(batch["image"].to(device))[..., :2].double().cpu().numpy()
        for index, readable, matrix, points in zip(
            batch["index"].tolist(), batch["readable"].tolist(), batch["matrix"].numpy(), landmarks, strict=True
        ):
            if not np.isfinite(points).all():
                raise DataError(f"the network's landmarks for {annotations.images[index]} are not finite; retrain it")
            if readable:
                found[index] = to_image(points, matrix, network.crop.size)
    return found


def predict_mean_face(mean_shape: Float, annotations: Annotations, crop: CropSpec) -> Float:
    """(N, M, 2) the mean shape (M, 2), in crop units, laid into every face's crop: what any network must beat."""
    squares = crop.squares(crop.boxes(annotations))
    return np.stack([to_image(mean_shape, crop_matrix(square, crop.size), crop.size) for square in squares])


def evaluate(annotations: Annotations, predictions: Float) -> Evaluation:
    """Score (N, M, 2) `predictions`, in pixels of the images, for all faces and for every subset tag.

    Raises:
        ValueError: the predictions are for another number of faces or landmarks.
    """
    if predictions.shape != annotations.landmarks.shape:
        raise ValueError(f"expected predictions of shape {annotations.landmarks.shape}, got {predictions.shape}")
    scheme = annotations.scheme
    unread = np.isnan(predictions).all(axis=(1, 2))
    truth = np.where(unread[:, None, None], np.nan, annotations.landmarks)
    errors: dict[Normalizer, Float] = {}
    for normalizer in available_normalizers(scheme):
        lengths = normalizer_lengths(annotations.landmarks, scheme, normalizer)
        errors[normalizer] = landmark_errors(predictions, truth, lengths)
    nme = {normalizer: face_nme(values) for normalizer, values in errors.items()}
    subsets: dict[str, NDArray[np.bool_]] = {
        tag: np.array([tag in tags for tags in annotations.subsets], dtype=bool) for tag in annotations.subset_names
    }
    # The whole has a name of its own in some protocols ("full"); it is not said twice.
    whole = next((tag for tag, chosen in subsets.items() if chosen.all()), "all")
    subsets = {whole: np.ones(len(annotations), dtype=bool)} | subsets
    scores = tuple(
        _score(subset, normalizer, errors[normalizer][chosen], nme[normalizer][chosen], scheme.regions)
        for subset, chosen in subsets.items()
        for normalizer in errors
    )
    usual = nme[available_normalizers(scheme)[0]]
    unscored = tuple(
        f"{annotations.images[i]}: " + ("its image cannot be read" if unread[i] else "its normaliser has no length")
        for i in np.flatnonzero(np.isnan(usual))
    )
    return Evaluation(annotations, predictions, errors, nme, scores, unscored)


def _score(subset: str, normalizer: Normalizer, errors: Float, nme: Float, regions: Any) -> Scores:
    nme = nme[~np.isnan(nme)]
    per_landmark = mean_known(errors, axis=0)
    return Scores(
        subset=subset,
        normalizer=normalizer,
        faces=len(nme),
        nme=float(nme.mean()) if len(nme) else float("nan"),
        failure_rate={f"{t:g}": failure_rate(nme, t) for t in THRESHOLDS},
        auc={f"{t:g}": area_under_ced(nme, t) for t in THRESHOLDS},
        regions={name: float(mean_known(per_landmark[list(points)], axis=0)) for name, points in regions.items()},
    )


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, float):
        return None if not np.isfinite(value) else round(float(value), 6)
    return cast("Any", value)
