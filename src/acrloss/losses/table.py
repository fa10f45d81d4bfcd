"""The losses, a line a module. What each is and needs is said beside it, by `LOSS` in its module.

torch is not imported before a loss is asked for, so that `--help` and `import acrloss` know the names at no cost. After
a change here, `python tools/list_losses.py` writes what follows from it: the types and the tables of the docs.
"""

from __future__ import annotations

from typing import NamedTuple


class Module(NamedTuple):
    """What a module of losses has.

    Attributes:
        names: those of `create_loss`, with spaces between.
        exports: what `from acrloss import …` finds, with spaces between.
        newest: for presets "name-1", "name-2" and so on, the one that "name" means.
    """

    names: str
    exports: str
    newest: str = ""


MODULES = {
    "acr": Module("acr-1 acr-2 acr-3 acr-paper", "ACRLoss", newest="acr-3"),
    "acr_controls": Module("acr-control", "ACRControlLoss"),
    "acr_curves": Module("", "acr_loss smooth_acr_loss acr_likelihood_loss"),
    "l1": Module("l1", "L1Loss l1_loss"),
    "l2": Module("l2", "L2Loss l2_loss"),
    "smooth_l1": Module("smooth_l1", "SmoothL1Loss smooth_l1_loss"),
    "wing": Module("wing", "WingLoss wing_loss"),
    "soft_wing": Module("soft_wing", "SoftWingLoss soft_wing_loss"),
    "rectified_wing": Module("rectified_wing", "RectifiedWingLoss rectified_wing_loss"),
    "gaussian_nll": Module("gaussian_nll", "GaussianNLLLoss gaussian_nll_loss"),
    "rle": Module("rle", "RLELoss rle_loss"),
    # What all losses share.
    "base": Module("", "LandmarkLoss"),
    "create": Module("", "create_loss"),
    "table": Module("", "loss_names"),
}


def loss_names() -> list[str]:
    """Names that `create_loss` knows."""
    names: list[str] = []
    for module in MODULES.values():
        names += [*newest_names(module), *module.names.split()]
    return names


def newest_names(module: Module) -> list[str]:
    """The name without a number that means a module's newest preset: one, or none."""
    return [module.newest.rpartition("-")[0]] if module.newest else []


def versioned(name: str) -> str:
    """The name that always means the same loss: the newest preset's for "acr", else `name`."""
    return next((module.newest for module in MODULES.values() if name in newest_names(module)), name)


def exports() -> dict[str, str]:
    """Exported name -> the module of `acrloss.losses` that it is in."""
    return {name: module for module, listed in MODULES.items() for name in listed.exports.split()}
