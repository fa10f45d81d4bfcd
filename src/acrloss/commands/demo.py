"""Train on synthetic faces with ACR loss and with L2, and compare both with the mean face; takes a few minutes.

Needs no data and no network connection. It runs `acrloss train` twice, as printed, and ends with a table and the path
of a report.
"""

import shlex
from pathlib import Path
from typing import Any

from acrloss.commands.terminal import notes, print_table, results_in
from acrloss.errors import DataError

BACKBONE = "efficientnet_lite0"
SIZE = 64


def add_arguments(parser: Any) -> None:
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder of the results; new or empty")
    parser.add_argument("--faces", type=int, default=1500, help="how many synthetic faces")
    parser.add_argument("--epochs", type=int, default=10, help="passes over the training faces")
    parser.add_argument("--seed", type=int, default=0, help="of the faces and of training")


def run(parsed: Any) -> None:
    from acrloss.commands.main import main
    from acrloss.crops.crop import CropSpec
    from acrloss.evaluation.predictions import read_predictions
    from acrloss.evaluation.scores import evaluate
    from acrloss.formats import read_annotations
    from acrloss.networks.pretrained import find_packaged
    from acrloss.prediction.annotated import predict_mean_face
    from acrloss.reports.run_report import write_run_report
    from acrloss.reports.tables import comparison_table
    from acrloss.shapes.shape_model import ShapeModel

    _, values = parsed
    folder, data = Path(values.output), f"synthetic:{values.faces}@{values.seed}"
    if folder.is_dir() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty; give another --output")
    for loss in ("acr", "l2"):
        arguments = [
            *("--data", data, "--loss", loss, "--output", str(folder / loss)),
            *("--epochs", str(values.epochs), "--seed", str(values.seed), "--crop.size", str(SIZE)),
            *("--model.backbone", BACKBONE, "--model.pretrained", "auto" if find_packaged(BACKBONE) else "none"),
        ]
        notes.print("\nacrloss train " + shlex.join(arguments), style="bold", markup=False, soft_wrap=True)
        if status := main(["train", *arguments]):
            raise SystemExit(status)
    tested = read_annotations(data).split("test")
    mean_shape = ShapeModel.load(folder / "acr" / "shape_model.safetensors").mean.reshape(-1, 2).numpy()
    evaluations = {
        "ACR loss": evaluate(tested, read_predictions(folder / "acr", tested).landmarks),
        "L2 loss": evaluate(tested, read_predictions(folder / "l2", tested).landmarks),
        "mean face": evaluate(tested, predict_mean_face(mean_shape, tested, CropSpec(size=SIZE))),
    }
    command = f"acrloss demo --faces {values.faces} --epochs {values.epochs} --seed {values.seed}"
    others = {name: evaluation for name, evaluation in evaluations.items() if name != "ACR loss"}
    report = write_run_report(folder / "acr", evaluations["ACR loss"], command=command, comparison=others)
    notes.print()
    print_table(*comparison_table(evaluations))
    results_in(report)
