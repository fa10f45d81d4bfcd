"""Losses by name."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from acrloss.losses.base import LandmarkLoss
from acrloss.losses.registration import Registration
from acrloss.losses.table import MODULES, loss_names, versioned
from acrloss.shapes.shape_model import ShapeModel
from acrloss.suggestions import did_you_mean


def create_loss(name: str, shape_model: ShapeModel | None = None, **options: Any) -> LandmarkLoss:
    """Build a loss by name.

    Args:
        name: one of `loss_names()`; docs/losses.md says what each is, and docs/study.md how they compare. "acr" is the
            newest of the presets "acr-1", "acr-2" and so on, which never change.
        shape_model: of the training faces; needed by "acr-1", "acr-paper" and "acr-control", the others do without.
        options: arguments of the loss's class; they override the preset's.

    Raises:
        ValueError: an unknown name or option, an option out of range, or no shape model where one is needed.
    """
    loss = registered(name)
    preset = loss.preset(versioned(name))
    accepted = option_names(loss.kind)
    for option in options:
        if option not in accepted:
            raise ValueError(f'loss "{name}" has no option "{option}"; it has {", ".join(accepted)}')
    models: list[Any] = []
    if preset.needs_shape_model:
        if shape_model is None:
            raise ValueError(f'loss "{name}" needs a shape_model')
        models = [shape_model]
    return loss.kind(*models, **{**preset.options, **options})


def registered(name: str) -> Registration:
    """What the loss of a name says about itself.

    Raises:
        ValueError: an unknown name.
    """
    if name not in loss_names():
        names = loss_names()
        raise ValueError(f"unknown loss {name!r}{did_you_mean(name, names)}; known: {', '.join(names)}")
    module = next(module for module, listed in MODULES.items() if versioned(name) in listed.names.split())
    loss: Registration = importlib.import_module(f"acrloss.losses.{module}").LOSS
    return loss


def option_names(kind: type[LandmarkLoss]) -> list[str]:
    """Names of the options of a loss, its own first, then those that it hands up by keyword."""
    names: list[str] = []
    for cls in kind.__mro__:
        if "__init__" not in vars(cls):
            continue
        parameters = inspect.signature(vars(cls)["__init__"]).parameters.values()
        names += [
            p.name for p in parameters if p.kind is not p.VAR_KEYWORD and p.name not in ("self", "shape_model", *names)
        ]
        if all(p.kind is not p.VAR_KEYWORD for p in parameters):
            break
    return names
