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
    from acrloss.prediction.evaluate import evaluate_predictions
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
        options = score_options(values)
        evaluation = evaluate_predictions(values.predictions, read_data(values), split=values.split, **options)
        folder, title = Path("evaluation"), f"predictions of {values.predictions}"
    for line in evaluation.remarks:
        notes.print(line, markup=False, soft_wrap=True)
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
    for line in warning(evaluation, baseline=baseline):
        notes.print(line, style="yellow", soft_wrap=True)
    list_notes(evaluation.annotations, Path(values.output or folder))
    results_in(report)


def _of_network(values: Any) -> tuple[Evaluation, Evaluation | None]:
    """The network's scores, and those of the mean shape of its training, where that is at hand."""
    from acrloss.networks.localizer import load_model
    from acrloss.prediction.evaluate import evaluate_mean_face, evaluate_network

    network = load_model(values.run)
    evaluation = evaluate_network(
        network,
        _read_for(network, values),
        name=values.run,
        split=values.split,
        boxes=values.boxes,
        detector=values.detector,
        flip_test=values.flip_test,
        progress=progress,
        **score_options(values),
    )
    return evaluation, evaluate_mean_face(Path(values.run), network.crop, evaluation)


def _read_for(network: Localizer, values: Any) -> Annotations:
    """The faces, of the network's own scheme: nobody has to name it."""
    as_given = values.clone()
    if values.scheme is None:
        as_given.scheme = network.scheme
    try:
        return read_data(as_given)
    except DataError:
        if values.scheme is not None:
            raise
        # Is it the scheme that does not fit?
        return read_data(values)
