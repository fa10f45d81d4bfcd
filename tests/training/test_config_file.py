"""Configurations as YAML has them: what a value cannot be is one clear line, whatever stands there."""

import copy
import itertools
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from acrloss.errors import DataError
from acrloss.shapes.shape_model import ShapeModel
from acrloss.training.config import TrainConfig
from acrloss.training.config_file import config_from
from acrloss.training.criterion import create_criterion

WHOLE = asdict(TrainConfig(loss="acr-1", loss_options={"unit": 20, "schedule": "paper", "lam": 1.0}))
ODD: list[Any] = [
    *(None, [], {}, "", 0, -1, 1.5, True, "x", "null", [None], {"a": None}, [[1]], {"a": {"b": [None]}}, 10**30),
    *(float("nan"), float("inf")),
]


def places(values: Any, before: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in values.items() if isinstance(values, dict) else ():
        yield (*before, key)
        yield from places(value, (*before, key))


def changed(place: tuple[str, ...], value: Any) -> dict[str, Any]:
    values = copy.deepcopy(WHOLE)
    inside = values
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    return values


def test_every_value_in_the_place_of_every_option_is_taken_or_refused_in_one_line() -> None:
    assert asdict(config_from(WHOLE)) == WHOLE
    model = ShapeModel.fit(np.random.default_rng(0).random((8, 4, 2)))
    said = []
    for place, value in itertools.product(places(WHOLE), ODD):
        try:
            config = config_from(changed(place, value))
            create_criterion(config, model, config.crop, (0, 1))
        except DataError as error:
            said.append(str(error))
    assert len(said) > 500
    assert not [line for line in said if "\n" in line or "<class" in line]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"loss_options": None}, "loss_options has no value; give one, or leave it out"),
        ({"loss": None}, "loss has no value"),
        ({"model": {"head": None}}, r"model\.head has no value"),
        ({"crop": {"box": None}}, r"crop\.box has no value"),
        ({"crop": None}, r"crop is a group of options, as in crop: \{\.\.\.: \.\.\.\}, not None"),
        ({"optim": [0.1]}, r"optim is a group of options, .* not \[0\.1\]"),
        ({"loss_options": ["unit", 20]}, r"^loss_options: expected dict, got \['unit', 20\]$"),
        ({"crop": {"size": [64]}}, r"^crop\.size: expected int, got \[64\]$"),
        ({"precision": 3}, "^precision: expected one of '32-true', '16-mixed', 'bf16-mixed', got 3$"),
        ({"devices": [None]}, r"^devices: expected int or str, got \[None\]$"),
    ],
)
def test_what_is_wrong_names_the_option(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        config_from(options)
