"""Scoring a network on annotated faces, or predictions that somebody made, in one call."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np

from acrloss.annotations import Annotations, choose_split, training_split
from acrloss.crops.crop import CropSpec
from acrloss.errors import DataError
from acrloss.evaluation import scores
from acrloss.evaluation.predictions import read_predictions
from acrloss.evaluation.scores import THRESHOLDS, Evaluation, Role
from acrloss.formats import read_annotations
from acrloss.networks.flip_averaging import FlipTest
from acrloss.networks.localizer import Localizer, load_model
from acrloss.prediction.annotated import predict_annotated, predict_detected, predict_mean_face
from acrloss.prediction.predictor import Predictor
from acrloss.progress_hook import Progress, no_progress
from acrloss.schemes import Scheme
from acrloss.shapes.shape_model import ShapeModel
from acrloss.yaml_file import read_yaml

Boxes = Literal["true", "detected"]


def evaluate(
    model: str | Path | Localizer | None,
    data: Annotations | str | Path,
    *,
    predictions: str | Path | None = None,
    split: str | None = None,
    boxes: Boxes = "true",
    detector: str = "auto",
    flip_test: bool = False,
    thresholds: Sequence[float] = THRESHOLDS,
    normalizer: str | None = None,
    progress: Progress = no_progress,
) -> Evaluation:
    """Score a network, or a file of predictions, on annotated faces.

    >>> acrloss.evaluate("runs/mine", "300w").score.nme
    >>> acrloss.evaluate(None, "cofw68", predictions="theirs.txt").score.failure_rate

    Args:
        model: a run folder, a model file, a packaged model's name, or a network; None with `predictions`.
        data: the faces, or the folder or file that `read_annotations` reads, in the network's scheme.
        predictions: a file or folder as `read_predictions` reads it.
        split: which faces; those of split "test" where there is one, else all, if None.
        boxes: crop around the annotated face, or around what the face detector finds.
        detector: "auto" or a detector's name, for `boxes="detected"`.
        flip_test: average over each crop and its mirror image.
        thresholds: at which failure rate and AUC are given, NME in %.
        normalizer: of headlines; the usual one of the scheme if None.
        progress: shows what goes on.

    Raises:
        DataError: the model, the data or the predictions cannot be used, or do not fit each other.
        ValueError: both a model and predictions are given, or neither; a threshold is not positive, or the normaliser
            is unknown or not to be had.
    """
    if (model is None) == (predictions is None):
        raise ValueError("give either a model or predictions, and not both")
    if predictions is not None:
        faces = data if isinstance(data, Annotations) else read_annotations(data, progress=progress)
        return evaluate_predictions(predictions, faces, split=split, thresholds=thresholds, normalizer=normalizer)
    assert model is not None
    network = load_model(model) if isinstance(model, str | Path) else model
    faces = data if isinstance(data, Annotations) else _read(data, network.scheme, progress)
    return evaluate_network(
        network,
        faces,
        name=model if isinstance(model, str | Path) else None,
        split=split,
        boxes=boxes,
        detector=detector,
        flip_test=flip_test,
        thresholds=thresholds,
        normalizer=normalizer,
        progress=progress,
    )


def evaluate_network(
    network: Localizer,
    annotations: Annotations,
    *,
    name: str | Path | None = None,
    split: str | None = None,
    boxes: Boxes = "true",
    detector: str = "auto",
    flip_test: bool = False,
    thresholds: Sequence[float] = THRESHOLDS,
    normalizer: str | None = None,
    progress: Progress = no_progress,
) -> Evaluation:
    """`evaluate` for a network and faces that are loaded already; `name` is where the network comes from, if known."""
    if annotations.scheme != network.scheme:
        raise DataError(
            f"{annotations.source} is of scheme {annotations.scheme.name}, but {name or 'the network'} gives "
            f"{network.scheme.name}; evaluate on data of the network's scheme"
        )
    network = FlipTest(network) if flip_test else network
    chosen = choose_split(annotations, split)
    remarks: tuple[str, ...] = ()
    if boxes == "true":
        found = predict_annotated(network, chosen, progress=progress)
    else:
        predictor = Predictor(network, detector=detector)
        found = predict_detected(predictor, chosen, progress=progress)
        count, called = int(np.isfinite(found).all(axis=(1, 2)).sum()), chosen.scheme.called
        if not count:
            raise DataError(
                f"{chosen.source}: {predictor.detector.name} found none of {chosen.scheme.count(len(chosen))}; score "
                "with --boxes true, or try another --detector"
            )
        remarks = (f"{predictor.detector.name} found {count} of {len(chosen)} {called}s; the others are not scored",)
    role = "test" if name is None else _role(Path(name), annotations, chosen)
    evaluation = scores.evaluate(chosen, found, thresholds=thresholds, normalizer=normalizer, role=role)
    return replace(evaluation, remarks=remarks)


def evaluate_predictions(
    predictions: str | Path,
    annotations: Annotations,
    *,
    split: str | None = None,
    thresholds: Sequence[float] = THRESHOLDS,
    normalizer: str | None = None,
) -> Evaluation:
    """`evaluate` for a file or folder of predictions and faces that are read already."""
    annotations = choose_split(annotations, split)
    found = read_predictions(predictions, annotations)
    remarks = []
    if found.by_overlap:
        images = f"in {found.by_overlap} image{'s' * (found.by_overlap > 1)}"
        remarks.append(
            f"{images} with several {annotations.scheme.called}s or predictions, those that overlap were matched"
        )
    if found.unused:
        remarks.append(f"{found.unused} prediction{'s are' if found.unused > 1 else ' is'} of others and not used")
    evaluation = scores.evaluate(
        annotations, found.landmarks, found.occlusion, thresholds=thresholds, normalizer=normalizer, role=found.role
    )
    return replace(evaluation, remarks=tuple(remarks))


def evaluate_mean_face(run: Path, crop: CropSpec, evaluation: Evaluation) -> Evaluation | None:
    """The scores of the mean shape of a run's training on the faces of `evaluation`: what any network must beat.

    Args:
        run: the run folder.
        crop: of its network.
        evaluation: the network's own scores.

    Returns:
        None where the folder has no shape model, or is a file.
    """
    shape_model = run / "shape_model.safetensors"
    if not shape_model.is_file():
        return None
    mean_shape = ShapeModel.load(shape_model).mean.reshape(-1, 2).numpy()
    faces = evaluation.annotations
    return scores.evaluate(
        faces,
        predict_mean_face(mean_shape, faces, crop),
        thresholds=evaluation.thresholds,
        normalizer=evaluation.normalizer,
        role=evaluation.role,
    )


def _read(data: str | Path, scheme: Scheme, progress: Progress) -> Annotations:
    try:
        return read_annotations(data, scheme=scheme, progress=progress)
    except DataError:
        # Is it the scheme that does not fit? Then the data has one of its own, and that is what is wrong.
        return read_annotations(data, progress=progress)


def _role(run: Path, everyone: Annotations, scored: Annotations) -> Role:
    """What the faces were to the training of a run, as its configuration tells; "test" where nothing is known."""
    file = run / "config.yaml"
    if not file.is_file():
        return "test"
    config = read_yaml(file)
    share, seed = config.get("validation_share"), config.get("seed")
    if "data" not in config or not isinstance(share, float | int) or not isinstance(seed, int):
        return "test"  # written by somebody else
    trained = str(config["data"])
    if trained != everyone.source and Path(trained).absolute() != Path(everyone.source).absolute():
        return "test"
    try:
        train, val = training_split(everyone, share, seed)
    except DataError:
        return "test"  # the place is the same, the data is not
    if set(train.images) & set(scored.images):
        return "training"
    return "validation" if set(val.images) & set(scored.images) else "test"
