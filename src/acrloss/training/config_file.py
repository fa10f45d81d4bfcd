"""A run's config.yaml: all options that made it, so that it can be made again, and what may differ when it goes on."""

import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import ArgumentError, ArgumentParser

from acrloss.errors import DataError
from acrloss.suggestions import did_you_mean, plain_types, wrong_value
from acrloss.training.config import TrainConfig
from acrloss.yaml_file import read_yaml

NAME = "config.yaml"
# What changes no weight, so that a run may go on with another.
_FREE = {"data", "format", "scheme", "data_options", "output", "logger", "workers", "threads"}


def config_from(options: Mapping[str, Any]) -> TrainConfig:
    """The configuration that options as in a YAML file mean, {"epochs": 3, "crop": {"size": 64}}.

    Raises:
        DataError: an option is unknown, of another type or out of its range; the message names it.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(TrainConfig)
    for group in ("model", "crop", "augmentation", "optim"):
        if not isinstance(options.get(group, {}), Mapping):
            raise DataError(f"{group} is a group of options, as in {group}: {{...: ...}}, not {options[group]!r}")
        refuse_nothing(options.get(group, {}), f"{group}.")
    refuse_nothing(options)
    try:
        values = parser.instantiate_classes(parser.parse_object(dict(options)))
        return TrainConfig(**{name: values[name] for name in TrainConfig.__dataclass_fields__})
    except (ArgumentError, TypeError, ValueError) as error:
        if wrong := wrong_value(str(error)):
            raise DataError(": ".join(wrong)) from error
        known = [option.lstrip("-") for action in parser._actions for option in action.option_strings]
        unknown = re.search(r"option '([^']+)'", str(error), re.IGNORECASE)
        said = " ".join(plain_types(str(error)).split())
        raise DataError(f"{said}{did_you_mean(unknown[1], known) if unknown else ''}") from error


def refuse_nothing(options: Mapping[str, Any], before: str = "") -> None:
    """Refuse null, and keys that are no text, in the place of an option's value; jsonargparse takes null for any type.

    Raises:
        DataError: names the option.
    """
    for key, value in options.items():
        if value is None:
            raise DataError(f"{before}{key} has no value; give one, or leave it out")
        if not isinstance(key, str):
            raise DataError(f"{before}{key!r} is no name of an option")


def config_text(config: TrainConfig, others: Mapping[str, Any]) -> str:
    """The configuration and `others`, further options of `acrloss train`, as YAML that it reads again."""
    return yaml.safe_dump({**others, **asdict(config)}, sort_keys=False, allow_unicode=True)


def check_resumable(folder: Path, config: TrainConfig, others: Mapping[str, Any]) -> str:
    """Refuse to resume where there is nothing to resume or the options are not the run's own.

    The number of epochs may grow: the run is extended then. Options that an older version did not know have their
    defaults.

    Returns:
        A line that says how the run is extended, or "".

    Raises:
        DataError: says which option differs.
    """
    if not (folder / "last.ckpt").is_file():
        raise DataError(
            f"{folder} holds no last.ckpt to resume from (no epoch was finished); start again without --resume"
        )
    before, now = {**asdict(TrainConfig()), **_read(folder / NAME)}, yaml.safe_load(config_text(config, others))
    for group, defaults in asdict(TrainConfig()).items():
        if isinstance(defaults, dict) and isinstance(before[group], dict):
            before[group] = {**defaults, **before[group]}
    different = sorted(key for key in now.keys() - _FREE if key in before and before[key] != now[key])
    extended = "epochs" in different and type(before["epochs"]) is int and before["epochs"] < now["epochs"]
    if extended:
        different.remove("epochs")
    if different:
        key = different[0]
        raise DataError(
            f"{folder} was started with {key} = {before[key]!r}, not {now[key]!r}; resume it with "
            f"--config {folder / NAME} --resume, or start another run"
        )
    if not extended:
        return ""
    return (
        f"extended from {before['epochs']} to {now['epochs']} epochs: the learning rate goes on as in the rest of a "
        f"run of {now['epochs']}"
    )


def _read(path: Path) -> dict[str, Any]:
    try:
        return read_yaml(path, "a run's configuration")
    except DataError as error:
        raise DataError(f"{error}; start the run again in another folder") from error
