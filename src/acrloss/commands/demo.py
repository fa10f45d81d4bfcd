"""Train on synthetic faces with ACR loss and with L2, and compare both with the mean face; takes a few minutes.

Needs no data and no network connection. It draws the faces, trains twice, side by side, by the commands that it prints,
and ends with a table and the path of a report.
"""

import os
import queue
import shlex
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from acrloss.commands.synthesize import drawing_processes
from acrloss.commands.terminal import notes, print_table, progress, results_in
from acrloss.errors import DataError

BACKBONE = "efficientnet_lite0"
SIZE = 64
LOSSES = {"acr": "ACR loss", "l2": "L2 loss"}


def add_arguments(parser: Any) -> None:
    parser.add_argument("--output", type=Path, default=Path("demo"), help="folder of the results; new or empty")
    parser.add_argument("--faces", type=int, default=1500, help="how many synthetic faces")
    parser.add_argument("--epochs", type=int, default=7, help="passes over the training faces")
    parser.add_argument("--seed", type=int, default=0, help="of the faces and of training")


def run(parsed: Any) -> None:
    from acrloss.formats.synthetic import write_dataset
    from acrloss.networks.pretrained import find_packaged

    _, values = parsed
    folder = Path(values.output)
    if folder.is_dir() and any(folder.iterdir()):
        raise DataError(f"{folder} is not empty; give another --output")
    for name, least in (("faces", 1), ("epochs", 1), ("seed", 0)):
        if values[name] < least:
            raise DataError(f"--{name} must be at least {least}, not {values[name]}")
    faces = folder / "faces"
    drawing = ["synthesize", "--count", str(values.faces), "--seed", str(values.seed), "--output", str(faces)]
    _say_command(drawing)
    write_dataset(faces, values.faces, values.seed, progress=progress, jobs=drawing_processes(values.faces))
    pretrained = "auto" if find_packaged(BACKBONE) else "none"
    commands = {}
    for loss in LOSSES:
        options = ["--data", str(faces), "--loss", loss, "--output", str(folder / loss)]
        options += ["--epochs", str(values.epochs), "--seed", str(values.seed), "--crop.size", str(SIZE)]
        options += ["--model.backbone", BACKBONE, "--model.pretrained", pretrained]
        # One thread for each, faces loaded by it too: two cores are enough, and the figures are the same on many.
        options += ["--threads", "1", "--workers", "0"]
        commands[loss] = ["train", *options]
    for command in commands.values():
        _say_command(command)
    _train_side_by_side(commands, values.epochs)
    again = f"acrloss demo --faces {values.faces} --epochs {values.epochs} --seed {values.seed}"
    _compare(folder, again)


def _say_command(arguments: list[str]) -> None:
    notes.print("\nacrloss " + shlex.join(arguments), style="bold", markup=False, soft_wrap=True)


def _compare(folder: Path, command: str) -> None:
    """Print the table of both trainings and the mean face, and write it into the report of the first."""
    from acrloss.crops.crop import CropSpec
    from acrloss.evaluation.comparison import compare
    from acrloss.evaluation.predictions import read_predictions
    from acrloss.evaluation.predictions_file import read_scored_faces
    from acrloss.evaluation.scores import evaluate
    from acrloss.prediction.annotated import predict_mean_face
    from acrloss.reports.run_report import write_run_report
    from acrloss.reports.tables import comparison_table
    from acrloss.shapes.shape_model import ShapeModel

    scored = replace(read_scored_faces(folder / "acr"), source=str(folder / "faces"))
    evaluations = compare(scored, {name: read_predictions(folder / loss, scored) for loss, name in LOSSES.items()})
    mean_shape = ShapeModel.load(folder / "acr" / "shape_model.safetensors").mean.reshape(-1, 2).numpy()
    evaluations["mean face"] = evaluate(scored, predict_mean_face(mean_shape, scored, CropSpec(size=SIZE)))
    others = {name: evaluation for name, evaluation in evaluations.items() if name != LOSSES["acr"]}
    report = write_run_report(folder / "acr", evaluations[LOSSES["acr"]], command=command, comparison=others)
    notes.print()
    print_table(*comparison_table(evaluations))
    results_in(report)


def _train_side_by_side(commands: Mapping[str, list[str]], epochs: int) -> None:
    """Run `acrloss` with each of the arguments, all at a time, and show what they tell, each line under its name.

    Networks of this size gain little from a second thread: a training on each core is faster than one after the other.

    Raises:
        DataError: one of them failed.
    """
    # Terminated, it stops them as it does at Ctrl-C; else they would go on without it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    # What lies in the current folder is not to be imported instead of a library.
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": "1", "PYTHONIOENCODING": "utf-8"}
    processes = {
        name: subprocess.Popen(
            [sys.executable, "-m", "acrloss", *arguments],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            env=environment,
            encoding="utf-8",
            errors="replace",
        )
        for name, arguments in commands.items()
    }
    notes.print()
    try:
        for _ in progress(_epochs(processes), "epochs of both trainings", epochs * len(processes)):
            pass
    finally:
        for process in processes.values():
            process.terminate()
            process.wait()


def _epochs(processes: Mapping[str, "subprocess.Popen[str]"]) -> Iterator[None]:
    """Shows every line that the processes write to standard error, as it comes, and yields at each finished epoch.

    Raises:
        DataError: one of them failed.
    """
    told: queue.Queue[tuple[str, str | None]] = queue.Queue()

    def listen(name: str, stream: IO[str]) -> None:
        for line in stream:
            told.put((name, line.rstrip()))
        told.put((name, None))

    for name, process in processes.items():
        assert process.stderr is not None
        threading.Thread(target=listen, args=(name, process.stderr), daemon=True).start()
    width, open_streams = max(map(len, processes)), len(processes)
    while open_streams:
        name, line = told.get()
        if line is None:
            open_streams -= 1
            if status := processes[name].wait():
                raise DataError(f"training with {name} ended with status {status}; the lines above say why")
        elif line:
            notes.print(f"{name:<{width}}  {line}", soft_wrap=True)
            if line.startswith("epoch "):
                yield
