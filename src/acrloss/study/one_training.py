"""One training of a study, in a process of its own: `python -m acrloss.study.one_training SPEC RESULT`.

SPEC is a JSON file with data, options (as `acrloss train` takes them), output and resume; RESULT is the JSON file that
says how it ended: {"error": ""} or what went wrong. Without that file the process was killed.
"""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acrloss.errors import DataError
from acrloss.files import write_atomic
from acrloss.formats import read_annotations

# Options of `acrloss train` that say how the data is read.
READING = ("format", "scheme", "data_options")


def reading_of(options: Mapping[str, Any]) -> dict[str, Any]:
    """How a run's options say that its data is read, with what holds where they do not.

    Raises:
        DataError: one has a value that it cannot have.
    """
    reading = {name: options.get(name, {} if name == "data_options" else None) for name in READING}
    for name in ("format", "scheme"):
        if not isinstance(reading[name], str | None):
            raise DataError(f"{name}: expected a text, got {reading[name]!r}")
    if not isinstance(reading["data_options"], dict):
        raise DataError(
            f"data_options: expected options by name, as in {{one_based: true}}, not {reading['data_options']!r}"
        )
    return reading


def train_one(data: str, options: dict[str, Any], output: str, resume: bool) -> str:
    """Train one run of a study.

    Returns:
        What went wrong, or "".
    """
    # Lightning takes seconds to import.
    from acrloss.training.config_file import config_from
    from acrloss.training.run import train

    reading, score = reading_of(options), options["score"]
    options = {name: value for name, value in options.items() if name not in (*READING, "score")}
    try:
        annotations = read_annotations(data, reading["format"], reading["scheme"], **reading["data_options"])
        run = train(
            annotations,
            config_from(options),
            output,
            resume=resume,
            score=score,
            read_as={"data": data, **reading},
        )
    except (DataError, ValueError) as error:
        return str(error)
    for line in run.notes:
        sys.stderr.write(f"{line}\n")
    if run.evaluation is None:
        return "there are no faces to score; give the data a split 'val' or 'test', or validation_share above 0"
    return "the training diverged; lower optim.learning_rate" if run.diverged else ""


def main(arguments: list[str]) -> int:
    """Read the specification, train, and write the result."""
    spec, result = map(Path, arguments)
    try:
        wrong = train_one(**json.loads(spec.read_text(encoding="utf-8")))
    except KeyboardInterrupt:
        return 130
    write_atomic(result, json.dumps({"error": wrong}))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
