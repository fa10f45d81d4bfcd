"""Scoring a network on annotated faces, or predictions that somebody made, in one call."""

from pathlib import Path
from typing import Literal

import numpy as np

from acrloss.annotations import Annotations, choose_split
from acrloss.errors import DataError
from acrloss.evaluation import scores
from acrloss.evaluation.predictions import read_predictions
from acrloss.evaluation.scores import Evaluation
from acrloss.formats import read_annotations
from acrloss.networks.flip_averaging import FlipTest
from acrloss.networks.localizer import Localizer, load_model
from acrloss.prediction.annotated import predict_annotated, predict_detected
from acrloss.prediction.predictor import Predictor
from acrloss.progress_hook import Progress, no_progress


def evaluate(
    model: str | Path | Localizer | None,
    data: Annotations | str | Path,
    *,
    predictions: str | Path | None = None,
    split: str | None = None,
    boxes: Literal["true", "detected"] = "true",
    detector: str = "auto",
    flip_test: bool = False,
    progress: Progress = no_progress,
) -> Evaluation:
    """Score a network, or a file of predictions, on annotated faces.

    >>> acrloss.evaluate("runs/mine", "300w").score.nme
    >>> acrloss.evaluate(None, "cofw68", predictions="theirs.txt").score.failure_rate

    Args:
        model: a run folder, a model file, a packaged model's name, or a network; None with `predictions`.
        data: the faces, or the folder or file that `read_annotations` reads.
        predictions: a file or folder as `read_predictions` reads it.
        split: which faces; those of split "test" where there is one, else all, if None.
        boxes: crop around the annotated face, or around what the face detector finds.
        detector: "auto" or a detector's name, for `boxes="detected"`.
        flip_test: average over each crop and its mirror image.
        progress: shows what goes on.

    Raises:
        DataError: the model, the data or the predictions cannot be used, or do not fit each other.
        ValueError: both a model and predictions are given, or neither.
    """
    if (model is None) == (predictions is None):
        raise ValueError("give either a model or predictions, and not both")
    annotations = data if isinstance(data, Annotations) else read_annotations(data, progress=progress)
    annotations = choose_split(annotations, split)
    if predictions is not None:
        found = read_predictions(predictions, annotations)
        return scores.evaluate(annotations, found.landmarks, found.occlusion)
    assert model is not None
    network = load_model(model) if isinstance(model, str | Path) else model
    network = FlipTest(network) if flip_test else network
    if annotations.scheme != network.scheme:
        raise DataError(
            f"{annotations.source} is of scheme {annotations.scheme.name}, but the network gives "
            f"{network.scheme.name}; evaluate on data of the network's scheme"
        )
    if boxes == "true":
        return scores.evaluate(annotations, predict_annotated(network, annotations, progress=progress))
    predictor = Predictor(network, detector=detector)
    landmarks = predict_detected(predictor, annotations, progress=progress)
    if np.isnan(landmarks).all():
        raise DataError(
            f"{predictor.detector.name} found none of the {len(annotations)} faces; evaluate with boxes true"
        )
    return scores.evaluate(annotations, landmarks)
