"""What a mistyped name meant."""

import pytest

from acrloss.suggestions import did_you_mean, nearest

OPTIONS = ["--loss", "--logger", "--epochs", "--optim.learning_rate", "--optim.ema_decay", "--crop.size", "--seed"]


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("--epoch", "--epochs"),
        ("--lr", "--optim.learning_rate"),
        ("--learning_rate", "--optim.learning_rate"),
        ("--size", "--crop.size"),
        ("--crop.szie", "--crop.size"),
        ("--learning_rte", "--optim.learning_rate"),
        ("--los", "--loss"),
        ("--xyzzy", None),
        ("--s", "--seed"),
    ],
)
def test_nearest(word: str, meant: str | None) -> None:
    assert nearest(word, OPTIONS) == meant
    assert did_you_mean(word, iter(OPTIONS)) == (f"; did you mean {meant}?" if meant else "")
