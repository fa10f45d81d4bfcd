"""Train on synthetic faces with ACR loss and with L2, and compare both with the mean face; takes a few minutes.

Needs no data and no network connection. The report of the ACR run ends up in OUTPUT/acr/report.html.
"""

from pathlib import Path
from typing import Any

from acrloss.augment import Augmentation
from acrloss.crop import CropSpec
from acrloss.errors import DataError
from acrloss.evaluate import Evaluation, evaluate, predict_annotated, predict_mean_face
from acrloss.files import write_atomic
from acrloss.models import LandmarkNet
from acrloss.pretrained import find_packaged
from acrloss.readers import read_annotations
from acrloss.run_report import comparison_table, write_run_report
from acrloss.shape_model import ShapeModel
from acrloss.terminal import notes, print_table, progress, results_in
from acrloss.training import ModelConfig, TrainConfig, fit

BACKBONE = "efficientnet_lite0"


def add_arguments(parser: Any) -> None:
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder of the results; new or empty")
    parser.add_argument("--faces", type=int, default=1500, help="how many synthetic faces")
    parser.add_argument("--epochs", type=int, default=10, help="passes over the training faces")
    parser.add_argument("--seed", type=int, default=0, help="of the faces and of training")


def run(parsed: Any) -> None:
    _, values = parsed
    folder = Path(values.output)
    if folder.is_dir() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty; give another --output")
    faces = read_annotations(f"synthetic:{values.faces}@{values.seed}")
    notes.print(faces.summary(), markup=False)
    tested = faces.split("test")
    pretrained = "auto" if find_packaged(BACKBONE) else "none"
    evaluations: dict[str, Evaluation] = {}
    for name, title in (("acr", "ACR loss"), ("l2", "L2 loss")):
        notes.print(f"training with {title}")
        config = TrainConfig(
            loss=name,
            model=ModelConfig(BACKBONE, pretrained),
            crop=CropSpec(size=64),
            # The synthetic faces vary enough by themselves for a run this short.
            augmentation=Augmentation(rotation=15, occlusion=0.2),
            epochs=values.epochs,
            seed=values.seed,
        )
        write_atomic(folder / name / "config.yaml", f"demo: {title}\n{config}\n")
        fit(faces, config, folder / name)
        network = LandmarkNet.load(folder / name / "best.safetensors")
        predictions = predict_annotated(network, tested, progress=lambda batches, n: progress(batches, "scoring", n))
        evaluations[title] = evaluate(tested, predictions)
    mean_shape = ShapeModel.load(folder / "acr" / "shape_model.safetensors").mean.reshape(-1, 2).numpy()
    evaluations["mean face"] = evaluate(tested, predict_mean_face(mean_shape, tested, CropSpec(size=64)))
    command = f"acrloss demo --faces {values.faces} --epochs {values.epochs} --seed {values.seed}"
    others = {name: evaluation for name, evaluation in evaluations.items() if name != "ACR loss"}
    report = write_run_report(folder / "acr", evaluations["ACR loss"], command=command, comparison=others)
    print_table(*comparison_table(evaluations))
    results_in(report)
