"""Train on synthetic faces with ACR loss and with L2, and compare both with the mean face; takes a few minutes.

Needs no data and no network connection. It trains twice, as the commands that it prints do, and ends with a table and
the path of a report.
"""

import shlex
from pathlib import Path
from typing import Any

from acrloss.commands.terminal import notes, print_table, progress, results_in
from acrloss.errors import DataError

BACKBONE = "efficientnet_lite0"
SIZE = 64


def add_arguments(parser: Any) -> None:
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder of the results; new or empty")
    parser.add_argument("--faces", type=int, default=1500, help="how many synthetic faces")
    parser.add_argument("--epochs", type=int, default=10, help="passes over the training faces")
    parser.add_argument("--seed", type=int, default=0, help="of the faces and of training")


def run(parsed: Any) -> None:
    from acrloss.crops.crop import CropSpec
    from acrloss.evaluation.scores import evaluate
    from acrloss.formats import read_annotations
    from acrloss.networks.pretrained import find_packaged
    from acrloss.prediction.annotated import predict_mean_face
    from acrloss.reports.run_report import write_run_report
    from acrloss.reports.tables import comparison_table
    from acrloss.shapes.shape_model import ShapeModel
    from acrloss.training.config import ModelConfig, TrainConfig
    from acrloss.training.run import Run, train

    _, values = parsed
    folder, data = Path(values.output), f"synthetic:{values.faces}@{values.seed}"
    if folder.is_dir() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty; give another --output")
    notes.print(f"reading {data}", markup=False)
    faces = read_annotations(data)
    model = ModelConfig(BACKBONE, "auto" if find_packaged(BACKBONE) else "none")
    runs: dict[str, Run] = {}
    for name, loss in (("ACR loss", "acr"), ("L2 loss", "l2")):
        config = TrainConfig(loss, model=model, crop=CropSpec(size=SIZE), epochs=values.epochs, seed=values.seed)
        options = ["--data", data, "--loss", loss, "--output", str(folder / loss), "--epochs", str(values.epochs)]
        options += ["--seed", str(values.seed), "--crop.size", str(SIZE), "--model.backbone", BACKBONE]
        options += ["--model.pretrained", model.pretrained]
        notes.print("\nacrloss train " + shlex.join(options), style="bold", markup=False, soft_wrap=True)
        # Only the network that can be tried on photographs afterwards needs to know the detectors' boxes.
        detectors = None if loss == "acr" else ()
        runs[name] = train(faces, config, folder / loss, detectors=detectors, progress=progress)
    scored = runs["ACR loss"].evaluation
    if scored is None:
        raise DataError(f"{values.faces} synthetic faces have none to score; take more --faces")
    mean_shape = ShapeModel.load(folder / "acr" / "shape_model.safetensors").mean.reshape(-1, 2).numpy()
    tested = scored.annotations
    mean_face = evaluate(tested, predict_mean_face(mean_shape, tested, CropSpec(size=SIZE)))
    evaluations = {name: run.evaluation for name, run in runs.items() if run.evaluation is not None}
    evaluations["mean face"] = mean_face
    command = f"acrloss demo --faces {values.faces} --epochs {values.epochs} --seed {values.seed}"
    others = {name: evaluation for name, evaluation in evaluations.items() if name != "ACR loss"}
    report = write_run_report(folder / "acr", scored, command=command, comparison=others)
    notes.print()
    print_table(*comparison_table(evaluations))
    results_in(report)
