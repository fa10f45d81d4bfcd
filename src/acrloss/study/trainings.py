"""The trainings of a study, side by side, each in a process of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from pathlib import Path

from filelock import FileLock, Timeout

from acrloss.files import write_atomic
from acrloss.study.study_file import Run


def train_all(runs: Sequence[Run], jobs: int) -> Iterator[tuple[Run, str]]:
    """Train `runs`, `jobs` of them side by side with one thread each.

    Yields:
        Each run when it is done, and what went wrong with it: "" or one line. A run that fails costs no other.
    """
    waiting = list({run.folder: run for run in runs}.values())
    processes: dict[Path, subprocess.Popen[bytes]] = {}

    def start(run: Run) -> str:
        return _train(run, processes)

    with ThreadPoolExecutor(jobs) as pool:
        try:
            pending = {pool.submit(start, run): run for run in waiting}
            while pending:
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    yield pending.pop(future), future.result()
        finally:
            # Reached by Ctrl-C as well: what runs is stopped, and resumes next time.
            pool.shutdown(wait=False, cancel_futures=True)
            for process in processes.values():
                process.terminate()


def _train(run: Run, processes: dict[Path, "subprocess.Popen[bytes]"]) -> str:
    """Train one run in a process of its own; what went wrong, or ""."""
    if run.fingerprint is None:
        return f"{run.source}: no such file or folder"
    try:
        run.folder.mkdir(parents=True, exist_ok=True)
        with FileLock(run.folder / "lock", blocking=False):
            return "" if run.done else _train_here(run, processes)
    except Timeout:
        return "another acrloss compare trains it; the same command takes its figures over when it is done"


def _train_here(run: Run, processes: dict[Path, "subprocess.Popen[bytes]"]) -> str:
    """Train one run that no other process trains."""
    train = run.folder / "train"
    spec, result = run.folder / "training.json", run.folder / "result.json"
    options = {**run.options, "threads": 1}
    resume = (train / "last.ckpt").is_file()
    write_atomic(
        spec,
        json.dumps({"data": run.source, "options": options, "output": str(train), "resume": resume}, default=str),
    )
    result.unlink(missing_ok=True)
    spent = run.folder / "seconds.json"
    before = float(json.loads(spent.read_text())) if spent.is_file() else 0.0
    started = time.monotonic()
    with (run.folder / "log.txt").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "acrloss.study.one_training", str(spec), str(result)],
            stdout=log,
            stderr=subprocess.STDOUT,
            # What lies in the current folder is not to be imported instead of a library.
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONSAFEPATH": "1"},
            start_new_session=True,
        )
        processes[run.folder] = process
        status = process.wait()
        processes.pop(run.folder, None)
    seconds = before + time.monotonic() - started
    write_atomic(spent, json.dumps(seconds))
    if not result.is_file():
        return f"ended with status {status}; see {run.folder / 'log.txt'}"
    if wrong := json.loads(result.read_text(encoding="utf-8"))["error"]:
        return f"{' '.join(wrong.split())}; see {run.folder / 'log.txt'}"
    write_atomic(run.folder / "done.json", json.dumps({"seconds": round(seconds, 1)}))
    return ""
