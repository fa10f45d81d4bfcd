"""What goes into the logs of a training, and when Ctrl-C comes there."""

import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from acrloss.training.loggers import create_logger


def test_ctrl_c_waits_for_the_end_of_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the thread that writes them may never hear of it, and closing the log waits for minutes."""
    logger: Any = create_logger("tensorboard", tmp_path)
    written = []

    def interrupted(name: str, value: float, step: int) -> None:
        signal.raise_signal(signal.SIGINT)
        written.append((name, value, step))

    monkeypatch.setattr(logger.experiment, "add_scalar", interrupted)
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        logger.log_metrics({"loss": 0.5, "nme": 7.0}, 3)
    assert written == [("loss", 0.5, 3), ("nme", 7.0, 3)]
    assert signal.getsignal(signal.SIGINT) is before


def test_other_threads_and_other_answers_to_ctrl_c_are_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger: Any = create_logger("tensorboard", tmp_path)
    written = []
    monkeypatch.setattr(logger.experiment, "add_scalar", lambda *line: written.append(line))
    thread = threading.Thread(target=logger.log_metrics, args=({"loss": 0.5}, 1))
    thread.start()
    thread.join()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        logger.log_metrics({"loss": 0.25}, 2)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert written == [("loss", 0.5, 1), ("loss", 0.25, 2)]
