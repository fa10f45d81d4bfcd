"""Train losses or settings side by side, with several seeds, as a study file says, and compare them with intervals.

The file names data, shared settings of acrloss train, methods and seeds: docs/studies.md. Runs go on side by side, one
thread each. A run that is done is not made again, one that was interrupted goes on, and one that fails costs no other.
The figures of all runs are in OUTPUT/STUDY/results.json; where that is at hand, neither runs nor data are needed.
"""

import os
import shlex
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acrloss.errors import DataError
from acrloss.study import Run, Study, read_study, train_all
from acrloss.study_report import by_method, score_table, write_study_report
from acrloss.study_results import Result, read_results, result_of, write_results
from acrloss.terminal import notes, print_table, progress, results_in


def add_arguments(parser: Any) -> None:
    parser.add_argument("study", type=Path, help="the study, a YAML file")
    parser.add_argument("--output", type=Path, default=Path("studies"), help="folder of runs and report")
    parser.add_argument("--jobs", type=int, default=0, help="runs at a time; 0 is one for each core")


def run(parsed: Any) -> None:
    _, values = parsed
    if values.jobs < 0:
        raise DataError(f"--jobs must be 0 or more, not {values.jobs}")
    folder = Path(values.output)
    study = read_study(values.study, folder)
    kept = folder / study.name / "results.json"
    results = {result.run: result for result in read_results(kept, study)}
    results |= trained_here(study, results)
    waiting = [run for run in study.runs if run not in results]
    notes.print(f"{len(study.runs)} runs, {len(results)} of them done already")
    failed = []
    # Terminated, it stops its runs as it does at Ctrl-C; else they would go on without it.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    jobs = values.jobs or os.cpu_count() or 1
    for run, wrong in progress(train_all(waiting, jobs), "training", len(waiting)):
        if wrong:
            failed.append(f"{run.title}: {wrong}")
            notes.print(f"failed: {failed[-1]}", style="yellow", markup=False, soft_wrap=True)
        else:
            notes.print(f"done: {run.title}", markup=False, soft_wrap=True)
    results |= trained_here(study, results)
    if not results:
        raise DataError("every run failed; the lines above say why")
    write_results(kept, [results[run] for run in study.runs if run in results])
    # Read back, so that the report is the same to the last digit when it is made from the file alone.
    finished = read_results(kept, study)
    command = f"acrloss compare {shlex.quote(str(values.study))} --output {shlex.quote(str(folder))}"
    report = write_study_report(study, finished, failed, folder / study.name, command)
    for data in study.data:
        if here := by_method(study, finished, data):
            print_table(*score_table(data, here))
    if failed:
        notes.print(f"{len(failed)} of {len(study.runs)} runs failed; the same command tries them again")
    results_in(report)


def trained_here(study: Study, known: Mapping[Run, Result]) -> dict[Run, Result]:
    """The figures of the runs that are done in the output folder, but for those that are known."""
    return {run: result_of(run) for run in study.runs if run not in known and run.done}
