"""Train a landmark network on annotated faces, score it on the test faces and write the run's report.

The run folder holds the configuration, the networks, logs, figures and report.html. A run that was interrupted goes
on with `acrloss train --config RUN/config.yaml --resume` and ends with the same weights; with a larger --epochs a
finished one is extended.
"""

from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

from jsonargparse import Namespace

from acrloss.commands.data_options import add_data_arguments, read_data
from acrloss.commands.terminal import notes, print_table, progress, results_in
from acrloss.errors import DataError
from acrloss.training.config import TrainConfig

Logger = Literal["tensorboard", "csv", "wandb", "mlflow"]


def add_arguments(parser: Any) -> None:
    add_data_arguments(parser)
    parser.add_argument(
        "--output",
        type=Path | None,
        default=None,
        help="folder of the run; new or empty. With --resume it is the folder of --config if not given",
    )
    parser.add_argument("--resume", action="store_true", help="go on with the run in --output")
    parser.add_argument(
        "--score",
        type=Literal["test", "val"],
        default="test",
        help="faces to score at the end; val leaves the test faces alone, for choosing between runs",
    )
    parser.add_argument(
        "--logger",
        type=Logger | list[Logger],
        default=["tensorboard"],
        help="where curves go besides the run folder's own files: --logger wandb, --logger '[tensorboard, csv]' or "
        "--logger '[]'",
    )
    parser.add_class_arguments(TrainConfig)


def run(parsed: Any) -> int:
    parser, values = parsed
    config = training_config(parser, values)
    folder = run_folder(values)
    annotations = read_data(values)
    # Lightning and what else training needs takes seconds to import; a mistyped option is told without it.
    from acrloss.reports.tables import score_table
    from acrloss.training.run import resume_command, train

    read_as = {name: values[name] for name in ("data", "format", "scheme", "data_options")}
    try:
        trained = train(
            annotations,
            config,
            folder,
            resume=values.resume,
            score=values.score,
            loggers=values.logger if isinstance(values.logger, list) else [values.logger],
            progress=progress,
            read_as=read_as,
        )
    except KeyboardInterrupt:
        how = f"to go on: {resume_command(folder)}" if (folder / "last.ckpt").is_file() else "no epoch was finished"
        notes.print(f"stopped; {how}", markup=False, soft_wrap=True)
        raise
    for line in trained.notes:
        notes.print(line, markup=False, soft_wrap=True)
    if trained.evaluation is not None:
        print_table(*score_table(trained.evaluation, baseline=trained.baseline))
    results_in(trained.report or trained.folder)
    return 1 if trained.diverged else 0


def run_folder(values: Any) -> Path:
    """The folder of the run. One that goes on may have been moved: it is where its configuration is.

    Raises:
        DataError: none is given.
    """
    configs = [Path(str(path)) for path in values.config or []]
    if values.resume and configs and (configs[-1].parent / "last.ckpt").is_file():
        return configs[-1].parent
    if values.output is None:
        raise DataError("--output is missing; give the folder of the run")
    return Path(values.output)


def training_config(parser: Any, values: Any) -> TrainConfig:
    """The configuration that the options mean.

    Raises:
        DataError: a group of options such as crop is none in a configuration file.
        ValueError: an option is out of its range.
    """
    for name in ("model", "crop", "augmentation", "optim"):
        if not isinstance(values[name], Namespace):
            raise DataError(f"{name} is a group of options, as in {name}: {{...: ...}}, not {values[name]!r}")
    ready = parser.instantiate_classes(values)
    return TrainConfig(**{field.name: ready[field.name] for field in fields(TrainConfig)})
