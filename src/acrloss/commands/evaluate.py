"""Score a trained network, or anybody's predictions, on annotated faces: NME, failure rate, AUC and CED.

Every figure is given with its normaliser and threshold, by subset and by region; the results are JSON, figures and a
page. With --predictions no network runs: the file is predictions.npz of a run, a folder of .pts files, CSV, or the text
form of COFW-68.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from acrloss.commands.command_line import command_line, in_this_folder
from acrloss.commands.data_options import add_data_arguments, list_notes, read_data
from acrloss.commands.score_options import add_score_arguments, score_options
from acrloss.commands.terminal import is_wide, notes, print_table, progress, results_in
from acrloss.detection.registry import DETECTORS
from acrloss.errors import DataError

if TYPE_CHECKING:
    from acrloss.annotations import Annotations
    from acrloss.evaluation.scores import Evaluation
    from acrloss.networks.localizer import Localizer


def add_arguments(parser: Any) -> None:
    parser.add_argument(
        "run", type=str | None, nargs="?", default=None, help="run folder, model file or packaged model (default)"
    )
    parser.add_argument(
        "--predictions", type=Path | None, default=None, help="score this file or folder instead of a network"
    )
    add_data_arguments(parser)
    parser.add_argument(
        "--split", type=str | None, default=None, help='split to score; "test" if the data has it, else all'
    )
    parser.add_argument(
        "--boxes",
        type=Literal["true", "detected"],
        default="true",
        help="crop around the annotated face, or around what the face detector finds",
    )
    parser.add_argument("--detector", type=str, default="auto", help=f"face detector: auto, {', '.join(DETECTORS)}")
    parser.add_argument("--flip_test", action="store_true", help="average over each crop and its mirror image")
    add_score_arguments(parser)
    parser.add_argument(
        "--output",
        type=Path | None,
        default=None,
        help="folder of the results; RUN/evaluation, or evaluation for --predictions, if not given",
    )


def run(parsed: Any) -> None:
    from acrloss.reports.run_report import write_run_report
    from acrloss.reports.tables import normalizer_table, occlusion_table, region_table, score_table, warning

    parser, values = parsed
    if (values.run is None) == (values.predictions is None):
        raise DataError("give either a run folder (or model file) or --predictions FILE, and not both")
    baseline, title = None, None
    if values.run is not None:
        evaluation, baseline = _of_network(values)
        path = Path(values.run)
        # A packaged model lies in the installation, which is no place for results.
        folder = (path if path.is_dir() else path.parent) / "evaluation"
        title = f"{values.run} on {values.data}"
    else:
        evaluation = _of_predictions(values)
        folder, title = Path("evaluation"), f"predictions of {values.predictions}"
    if not evaluation.score.faces:
        raise DataError(f"{values.data}: nothing could be scored; {evaluation.unscored[0]}")
    report = write_run_report(
        Path(values.output or folder),
        evaluation,
        command=in_this_folder(command_line("evaluate", parser, values)),
        title=title,
        baseline=baseline,
        run=Path(values.run) if values.run and Path(values.run).is_dir() else None,
    )
    print_table(*score_table(evaluation, intervals=is_wide(), baseline=baseline))
    print_table(*normalizer_table(evaluation), words=2)
    if evaluation.occlusion is not None:
        print_table(*occlusion_table(evaluation))
    if evaluation.annotations.scheme.regions:
        print_table(*region_table(evaluation))
    for line in warning(evaluation):
        notes.print(line, style="yellow", soft_wrap=True)
    list_notes(evaluation.annotations, Path(values.output or folder))
    results_in(report)


def _of_network(values: Any) -> tuple[Evaluation, Evaluation | None]:
    """The network's scores, and those of the mean shape of its training, where that is at hand."""
    import numpy as np

    from acrloss.annotations import choose_split
    from acrloss.evaluation.scores import evaluate
    from acrloss.networks.flip_averaging import FlipTest
    from acrloss.networks.localizer import load_model
    from acrloss.prediction.annotated import predict_annotated, predict_detected, predict_mean_face
    from acrloss.prediction.predictor import Predictor
    from acrloss.shapes.shape_model import ShapeModel

    model = load_model(values.run)
    network = FlipTest(model) if values.flip_test else model
    everyone = _read_for(network, values)
    annotations = choose_split(everyone, values.split)
    if values.boxes == "true":
        found = predict_annotated(network, annotations, progress=progress)
    else:
        predictor = Predictor(network, detector=values.detector)
        found = predict_detected(predictor, annotations, progress=progress)
        count, called = int(np.isfinite(found).all(axis=(1, 2)).sum()), annotations.scheme.called
        if not count:
            raise DataError(
                f"{values.data}: {predictor.detector.name} found none of {annotations.scheme.count(len(found))}; score "
                "with --boxes true, or try another --detector"
            )
        notes.print(f"{predictor.detector.name} found {count} of {len(found)} {called}s; the others are not scored")
    options = score_options(values)
    evaluation = evaluate(annotations, found, **options, role=_role(values, everyone, annotations))
    shape_model = Path(values.run) / "shape_model.safetensors"
    if not shape_model.is_file():
        return evaluation, None
    mean_shape = ShapeModel.load(shape_model).mean.reshape(-1, 2).numpy()
    return evaluation, evaluate(annotations, predict_mean_face(mean_shape, annotations, network.crop), **options)


def _read_for(network: Localizer, values: Any) -> Annotations:
    """The faces, of the network's own scheme: nobody has to name it."""
    as_given = values.clone()
    if values.scheme is None:
        as_given.scheme = network.scheme
    try:
        annotations = read_data(as_given)
    except DataError:
        if values.scheme is not None:
            raise
        # Is it the scheme that does not fit?
        annotations = read_data(values)
    if annotations.scheme != network.scheme:
        raise DataError(
            f"{values.data} is of scheme {annotations.scheme.name}, but {values.run} gives {network.scheme.name}; "
            "evaluate on data of the network's scheme"
        )
    return annotations


def _role(values: Any, everyone: Annotations, scored: Annotations) -> Literal["test", "validation", "training"]:
    """What the faces were to the training of a run, as its configuration tells; "test" where nothing is known."""
    import yaml

    from acrloss.training.split import training_split

    file = Path(values.run) / "config.yaml"
    if not file.is_file():
        return "test"
    config = yaml.safe_load(file.read_text(encoding="utf-8"))
    if str(config["data"]) != values.data and Path(config["data"]).absolute() != Path(values.data).absolute():
        return "test"
    try:
        train, val = training_split(everyone, config["validation_share"], config["seed"])
    except DataError:
        return "test"  # the place is the same, the data is not
    if set(train.images) & set(scored.images):
        return "training"
    return "validation" if set(val.images) & set(scored.images) else "test"


def _of_predictions(values: Any) -> Evaluation:
    from acrloss.annotations import choose_split
    from acrloss.evaluation.predictions import read_predictions
    from acrloss.evaluation.scores import evaluate

    annotations = choose_split(read_data(values), values.split)
    found = read_predictions(values.predictions, annotations)
    if found.by_overlap:
        images = f"in {found.by_overlap} image{'s' * (found.by_overlap > 1)}"
        notes.print(
            f"{images} with several {annotations.scheme.called}s or predictions, those that overlap were matched"
        )
    if found.unused:
        notes.print(f"{found.unused} prediction{'s are' if found.unused > 1 else ' is'} of others and not used")
    return evaluate(annotations, found.landmarks, found.occlusion, **score_options(values), role=found.role)
