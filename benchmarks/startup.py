"""What starting costs in processor time, and against `import torch`: imports, `--help`, a mistyped option.

    python benchmarks/startup.py
    python benchmarks/startup.py --times 9

Each line is the median of runs in processes of their own, after one that fills the disk cache. Ratios hold on any
machine: `import torch` is 1.
"""

import argparse
import os
import statistics
import subprocess
import sys

PYTHON = [sys.executable, "-c"]
ACRLOSS = [sys.executable, "-m", "acrloss"]
CASES = {
    "python": [*PYTHON, "pass"],
    "import torch": [*PYTHON, "import torch"],
    "import acrloss": [*PYTHON, "import acrloss"],
    "import torch, then the losses": [*PYTHON, "import torch, acrloss; acrloss.ACRLoss"],
    "from acrloss import Predictor": [*PYTHON, "from acrloss import Predictor"],
    "acrloss --help": [*ACRLOSS, "--help"],
    "acrloss train --help": [*ACRLOSS, "train", "--help"],
    "acrloss train --epohcs 3": [*ACRLOSS, "train", "--epohcs", "3"],
    "acrloss predict --help": [*ACRLOSS, "predict", "--help"],
    "acrloss evaluate --help": [*ACRLOSS, "evaluate", "--help"],
}


def processor_seconds(command: list[str]) -> float:
    """User and system time of one process and its children."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        _, _, used = os.wait4(process.pid, 0)
        # wait4 has taken the exit status that Popen would wait for.
        process.returncode = 0
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5, help="runs of each case")
    times = parser.parse_args().times
    seconds = {}
    for name, command in CASES.items():
        processor_seconds(command)
        seconds[name] = statistics.median(processor_seconds(command) for _ in range(times))
    print(f"{'':<32}{'seconds':>8}{'/ torch':>9}")
    for name, value in seconds.items():
        print(f"{name:<32}{value:>8.3f}{value / seconds['import torch']:>9.3f}")
    beyond = seconds["import torch, then the losses"] - seconds["import torch"]
    print(f"{'the losses beyond torch':<32}{beyond:>8.3f}{beyond / seconds['import torch']:>9.3f}")


if __name__ == "__main__":
    main()
