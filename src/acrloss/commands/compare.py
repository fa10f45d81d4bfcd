"""Train losses or settings side by side, with several seeds, as a study file says, and compare them with intervals.

The file names data, shared settings of acrloss train, methods and seeds: docs/studies.md. Runs go on side by side, one
thread each. A run that is done is not made again, one that was interrupted goes on, and one that fails costs no other.
"""

import os
import shlex
from pathlib import Path
from typing import Any

from acrloss.errors import DataError
from acrloss.study import read_study, train_all
from acrloss.study_report import read_finished, score_table, write_study_report
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
    waiting = len({run.folder for run in study.runs if not run.done})
    notes.print(f"{len(study.runs)} runs, {len(study.runs) - sum(not r.done for r in study.runs)} of them done already")
    failed = []
    jobs = values.jobs or os.cpu_count() or 1
    for done, wrong in progress(train_all(study, jobs), "training", waiting):
        if wrong:
            failed.append(f"{done.title}: {wrong}")
            notes.print(f"failed: {failed[-1]}", style="yellow", markup=False, soft_wrap=True)
        else:
            notes.print(f"done: {done.title} ({done.seconds / 60:.1f} min)", markup=False, soft_wrap=True)
    finished = [read_finished(run) for run in study.runs if run.done]
    if not finished:
        raise DataError("every run failed; the lines above say why")
    command = f"acrloss compare {shlex.quote(str(values.study))} --output {shlex.quote(str(folder))}"
    report = write_study_report(study, finished, failed, folder / study.name, command)
    for data in study.data:
        here = {m: [f for f in finished if (f.run.data, f.run.method) == (data, m)] for m in study.methods}
        here = {method: runs for method, runs in here.items() if runs}
        if here:
            print_table(*score_table(data, here))
    if failed:
        notes.print(f"{len(failed)} of {len(study.runs)} runs failed; the same command tries them again")
    results_in(report)
