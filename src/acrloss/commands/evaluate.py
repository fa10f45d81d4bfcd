"""Score a trained network on annotated faces: NME, failure rate, AUC and CED, by subset and by region.

Every figure is given with its normaliser and threshold; the results are JSON, figures and a page.
"""

import shlex
from pathlib import Path
from typing import Any

from acrloss.commands.source import add_data_arguments, load_network, read_data
from acrloss.errors import DataError
from acrloss.evaluate import evaluate, predict_annotated
from acrloss.run_report import region_table, score_table, write_run_report
from acrloss.terminal import print_table, progress, results_in


def add_arguments(parser: Any) -> None:
    parser.add_argument("run", type=Path, help="run folder or model file (.safetensors)")
    add_data_arguments(parser)
    parser.add_argument(
        "--split", type=str | None, default=None, help='split to score; "test" if the data has it, else all'
    )
    parser.add_argument(
        "--output", type=Path | None, default=None, help="folder of the results; RUN/evaluation if not given"
    )


def run(parsed: Any) -> None:
    _, values = parsed
    run_path = Path(values.run)
    network = load_network(run_path)
    annotations = read_data(values)
    if annotations.scheme != network.scheme:
        raise DataError(
            f"{values.data} is of scheme {annotations.scheme.name}, but {run_path} gives {network.scheme.name}; "
            "evaluate on data of the network's scheme"
        )
    split = values.split or ("test" if "test" in annotations.split_names else None)
    if split is not None:
        annotations = annotations.split(split)
        if not len(annotations):
            raise DataError(f"{values.data} has no faces of split {split!r}; choose another --split")
    predictions = predict_annotated(network, annotations, progress=lambda batches, n: progress(batches, "scoring", n))
    evaluation = evaluate(annotations, predictions)
    folder = values.output or (run_path if run_path.is_dir() else run_path.parent) / "evaluation"
    command = f"acrloss evaluate {shlex.quote(str(run_path))} --data {shlex.quote(values.data)}"
    report = write_run_report(Path(folder), evaluation, command=command)
    print_table(*score_table(evaluation))
    print_table(*region_table(evaluation))
    results_in(report)
