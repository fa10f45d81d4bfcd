"""Mistyped commands, options and configuration files: one line that names the place and what was meant."""

from collections.abc import Callable
from pathlib import Path

import pytest

from acrloss.commands.mistakes import explain


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data"], "acrloss data needs one of check, convert, flip, pack, split"),
        (["data", "--help"], "acrloss data needs one of"),
        (["data", "chek"], "unknown command 'data chek'; did you mean data check?"),
        (["dat", "check"], "did you mean data check?"),
        (["trian", "--data", "x"], "unknown command 'trian'; did you mean train?"),
        (["train", "--epoch", "3", "--data", "x"], "unknown option --epoch; did you mean --epochs?"),
        (["train", "--lr=3", "--data", "x"], "unknown option --lr; did you mean --optim.learning_rate?"),
        (["train", "--epochs", "many", "--data", "x"], "--epochs: expected int, got many"),
        (["train", "--config", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_what_is_mistyped_is_answered(arguments: list[str], message: str, fails: Callable[..., str]) -> None:
    assert message in fails(*arguments)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seed: 1\nepoch: 3\n", "c.yaml:2: unknown option epoch; did you mean epochs?"),
        ("seed: 1\ncrop:\n  szie: 3\n", "c.yaml:3: unknown option crop.szie; did you mean crop.size?"),
        ("crop: {size: 64, 'enlargment': 1}\n", "c.yaml:1: unknown option crop.enlargment; did you mean crop.enlarge"),
        ("\n\nepochs: few\n", "c.yaml:3: --epochs: expected int, got few"),
        ("seed: 1\nloss_options: null\n", "c.yaml:2: loss_options has no value; give one, or leave it out"),
        ("model: {head: null}\n", "c.yaml:1: model.head has no value"),
        ("crop: null\n", "c.yaml: crop is a group of options"),
        ("scheme: {}\n", "c.yaml:1: --scheme: expected str or null, got {} (acrloss train --help)"),
        ("logger: [null]\n", "--logger: expected one of 'tensorboard', 'csv', 'wandb', 'mlflow' or list[one of "),
    ],
)
def test_a_configuration_names_its_file_and_line(
    text: str, message: str, tmp_path: Path, fails: Callable[..., str]
) -> None:
    (tmp_path / "c.yaml").write_text(text)
    for option in (["--config", str(tmp_path / "c.yaml")], [f"--config={tmp_path / 'c.yaml'}"]):
        assert message in fails("train", "--data", "x", *option)


def test_of_several_files_the_one_with_the_key_is_named(tmp_path: Path) -> None:
    for name, text in (("a.yaml", "epochs: x"), ("b.yaml", "seed: 3")):
        (tmp_path / name).write_text(text)
    configs = [tmp_path / "a.yaml", tmp_path / "b.yaml", tmp_path / "gone.yaml"]
    wrong = "Parser key \"epochs\":\n  Expected a <class 'int'>. Got value: x"
    said = explain(wrong, ["--config", "a.yaml"], ["--epochs"], configs)
    assert said == f"{tmp_path / 'a.yaml'}:1: --epochs: expected int, got x"
    assert explain(wrong, ["--epochs", "x"], ["--epochs"], configs) == "--epochs: expected int, got x"
