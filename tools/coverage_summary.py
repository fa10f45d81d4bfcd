"""Which lines and branches the last `make test` ran: the total, and each module below 90 %.

python tools/coverage_summary.py    # reads .coverage; `coverage html` shows the lines
"""

import io
from pathlib import Path

import coverage

LEAST = 90.0


def main() -> None:
    data = coverage.Coverage()
    data.load()
    # Tests write modules of their own, and copy the package.
    home = str(Path(__file__).resolve().parents[1] / "src" / "acrloss")
    measured = sorted(path for path in data.get_data().measured_files() if path.startswith(home))
    total = data.report(morfs=measured, file=io.StringIO(), precision=1)
    low = []
    for path in measured:
        percent = data.report(morfs=[path], file=io.StringIO(), precision=1)
        if percent < LEAST:
            low.append(f"  {percent:5.1f} %  {path.rpartition('/acrloss/')[2]}")
    print(f"coverage of lines and branches: {total:.1f} %; below {LEAST:.0f} %: {len(low) or 'none'}")
    for line in low:
        print(line)


if __name__ == "__main__":
    main()
