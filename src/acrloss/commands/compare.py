"""Train losses or settings side by side, with several seeds, as a study file says, and compare them with intervals.

The file names data, shared settings of acrloss train, methods and seeds: docs/studies.md. Runs go on side by side, one
thread each. A run that is done is not made again, one that was interrupted goes on, and one that fails costs no other
(the exit status is 1 then).
The figures of all runs are in OUTPUT/STUDY/results.json; where that is at hand, neither runs nor data are needed, and
other --thresholds train nothing anew.
"""

from __future__ import annotations

import os
import shlex
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from acrloss.commands.score_options import add_thresholds, thresholds_of
from acrloss.commands.terminal import notes, print_table, progress, results_in
from acrloss.errors import DataError

if TYPE_CHECKING:
    from acrloss.study.results import Result
    from acrloss.study.study_file import Run, Study


def add_arguments(parser: Any) -> None:
    parser.add_argument("study", type=Path, help="the study, a YAML file")
    parser.add_argument("--output", type=Path, default=Path("studies"), help="folder of runs and report")
    add_thresholds(parser)
    parser.add_argument("--jobs", type=int, default=0, help="runs at a time; 0 is one for each core")


def run(parsed: Any) -> int:
    from acrloss.evaluation.scores import THRESHOLDS
    from acrloss.study.report import write_study_report
    from acrloss.study.results import keep_old_results, read_results, write_results
    from acrloss.study.study_file import read_study
    from acrloss.study.tables import by_method, score_table
    from acrloss.study.trainings import train_all

    _, values = parsed
    thresholds = thresholds_of(values)
    if values.jobs < 0:
        raise DataError(f"--jobs must be 0 or more, not {values.jobs}")
    folder = Path(values.output)
    study = read_study(values.study, folder, progress)
    kept = folder / study.name / "results.json"
    results = {result.run: result for result in read_results(kept, study)}
    results |= trained_here(study, results)
    waiting = [run for run in study.runs if run not in results]
    check_options(waiting, str(values.study))
    try:
        (folder / "runs").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot make {folder}: {error.strerror}; choose a folder you can write to") from error
    notes.print(f"{len(study.runs)} runs, {len(results)} of them done already")
    wrongs = {}
    # Terminated, it stops its runs as it does at Ctrl-C; else they would go on without it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    jobs = values.jobs or os.cpu_count() or 1
    try:
        for run, wrong in progress(train_all(waiting, jobs), "training", len(waiting)):
            if wrong:
                wrongs[run] = f"{run.title}: {wrong}"
                notes.print(f"failed: {wrongs[run]}", style="yellow", markup=False, soft_wrap=True)
            else:
                notes.print(f"done: {run.title}", markup=False, soft_wrap=True)
    except KeyboardInterrupt:
        notes.print("stopped; the same command goes on where its runs were")
        raise
    # In the study's order, whichever ended first: the same report each time.
    failed = [wrongs[run] for run in study.runs if run in wrongs]
    results |= trained_here(study, results)
    if not results:
        raise DataError("every run failed; the lines above say why")
    if (old := keep_old_results(kept, results)) is not None:
        notes.print(f"runs that are not the study's any more are kept in {old}", markup=False, soft_wrap=True)
    write_results(kept, [results[run] for run in study.runs if run in results])
    # Read back, so that the report is the same to the last digit when it is made from the file alone.
    finished = read_results(kept, study)
    command = f"acrloss compare {shlex.quote(str(values.study))} --output {shlex.quote(str(folder))}"
    if thresholds != THRESHOLDS:
        command += " --thresholds " + " ".join(f"{threshold:g}" for threshold in thresholds)
    report = write_study_report(study, finished, failed, folder / study.name, command, thresholds)
    for data in study.data:
        if here := by_method(study, finished, data):
            print_table(*score_table(data, here, thresholds))
    if failed:
        notes.print(f"{len(failed)} of {len(study.runs)} runs failed; the same command tries them again")
    results_in(report)
    return 1 if failed else 0


def check_options(runs: Sequence[Run], study: str) -> None:
    """Refuse options that acrloss train would refuse, before anything is trained.

    Raises:
        DataError: names the study, the method and the option.
    """
    if not runs:
        return
    import numpy as np

    from acrloss.shapes.shape_model import ShapeModel
    from acrloss.study.one_training import READING
    from acrloss.training.config_file import config_from
    from acrloss.training.criterion import create_criterion

    # Losses with difficulty want a shape model; any will do.
    model = ShapeModel.fit(np.random.default_rng(0).random((8, 4, 2)))
    for run in {run.method: run for run in runs}.values():
        options = {name: value for name, value in run.options.items() if name not in (*READING, "score")}
        try:
            config = config_from(options)
            create_criterion(config, model, config.crop, (0, 1))
        except (DataError, ValueError) as error:
            raise DataError(f"{study}: {run.method}: {error} (acrloss train --help lists the options)") from error


def trained_here(study: Study, known: Mapping[Run, Result]) -> dict[Run, Result]:
    """The figures of the runs that are done in the output folder, but for those that are known."""
    from acrloss.study.results import result_of

    return {run: result_of(run) for run in study.runs if run not in known and run.done}
