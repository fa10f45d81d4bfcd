"""Which lines and branches the last `make test` ran: the total, and each module below 90 %.

python tools/coverage_summary.py    # reads .coverage; `coverage html` shows the lines
"""

import io

import coverage

LEAST = 90.0


def main() -> None:
    data = coverage.Coverage()
    data.load()
    total = data.report(file=io.StringIO(), precision=1)
    low = []
    for path in sorted(data.get_data().measured_files()):
        percent = data.report(morfs=[path], file=io.StringIO(), precision=1)
        if percent < LEAST:
            low.append(f"  {percent:5.1f} %  {path.rpartition('/acrloss/')[2]}")
    print(f"coverage of lines and branches: {total:.1f} %; below {LEAST:.0f} %: {len(low) or 'none'}")
    for line in low:
        print(line)


if __name__ == "__main__":
    main()
