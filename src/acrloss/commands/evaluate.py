"""Score a trained network, or anybody's predictions, on annotated faces: NME, failure rate, AUC and CED.

Every figure is given with its normaliser and threshold, by subset and by region; the results are JSON, figures and a
page. With --predictions no network runs: the file is predictions.npz of a run, a folder of .pts files, CSV, or the text
form of COFW-68.
"""

import shlex
from pathlib import Path
from typing import Any, Literal

from acrloss.commands.data_options import add_data_arguments, choose_split, read_data
from acrloss.commands.terminal import is_wide, notes, print_table, progress, results_in
from acrloss.errors import DataError


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
    parser.add_argument("--detector", type=str, default="auto", help="face detector: auto, yuface or mtcnn")
    parser.add_argument("--flip_test", action="store_true", help="average over each crop and its mirror image")
    parser.add_argument(
        "--output",
        type=Path | None,
        default=None,
        help="folder of the results; RUN/evaluation, or evaluation for --predictions, if not given",
    )


def run(parsed: Any) -> None:
    import numpy as np

    from acrloss.evaluation.predictions import read_predictions
    from acrloss.evaluation.scores import evaluate
    from acrloss.networks.flip_averaging import FlipTest
    from acrloss.networks.localizer import load_model
    from acrloss.prediction.annotated import predict_annotated, predict_detected
    from acrloss.prediction.predictor import Predictor
    from acrloss.reports.run_report import write_run_report
    from acrloss.reports.tables import normalizer_table, occlusion_table, region_table, score_table

    _, values = parsed
    if (values.run is None) == (values.predictions is None):
        raise DataError("give either a run folder (or model file) or --predictions FILE, and not both")
    if values.run is not None:
        network = FlipTest(load_model(values.run)) if values.flip_test else load_model(values.run)
        annotations = read_data(values)
        if annotations.scheme != network.scheme:
            raise DataError(
                f"{values.data} is of scheme {annotations.scheme.name}, but {values.run} gives {network.scheme.name}; "
                "evaluate on data of the network's scheme"
            )
        annotations = choose_split(annotations, values.split, values.data)
        if values.boxes == "true":
            found = predict_annotated(network, annotations, progress=progress)
        else:
            predictor = Predictor(network, detector=values.detector)
            found = predict_detected(predictor, annotations, progress=progress)
            count = int(np.isfinite(found).all(axis=(1, 2)).sum())
            notes.print(f"{predictor.detector.name} found {count} of {len(found)} faces; the others are not scored")
        evaluation = evaluate(annotations, found)
        path = Path(values.run)
        # A packaged model lies in the installation, which is no place for results.
        folder = (path if path.is_dir() else path.parent) / "evaluation"
        source, title = shlex.quote(values.run), None
        source += " --boxes detected" if values.boxes == "detected" else ""
        source += " --flip_test" if values.flip_test else ""
    else:
        annotations = choose_split(read_data(values), values.split, values.data)
        predictions = read_predictions(values.predictions, annotations)
        if predictions.unused:
            notes.print(f"{predictions.unused} predictions are of other faces and were not used")
        evaluation = evaluate(annotations, predictions.landmarks, predictions.occlusion)
        folder = Path("evaluation")
        source, title = f"--predictions {shlex.quote(str(values.predictions))}", f"predictions of {values.predictions}"
    command = f"acrloss evaluate {source} --data {shlex.quote(values.data)}"
    command += f" --split {shlex.quote(values.split)}" if values.split else ""
    report = write_run_report(Path(values.output or folder), evaluation, command=command, title=title)
    print_table(*score_table(evaluation, intervals=is_wide()))
    print_table(*normalizer_table(evaluation), words=2)
    if evaluation.occlusion is not None:
        print_table(*occlusion_table(evaluation))
    print_table(*region_table(evaluation))
    results_in(report)
