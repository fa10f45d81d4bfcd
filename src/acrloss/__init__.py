"""Adaptive coordinate-based regression (ACR) loss for face landmarks; needs torch and NumPy only."""

from acrloss.losses import (
    ACRLoss,
    GaussianNLLLoss,
    L1Loss,
    L2Loss,
    LandmarkLoss,
    RectifiedWingLoss,
    SmoothL1Loss,
    SoftWingLoss,
    WingLoss,
    acr_loss,
    create_loss,
    gaussian_nll_loss,
    l1_loss,
    l2_loss,
    loss_names,
    rectified_wing_loss,
    smooth_acr_loss,
    smooth_l1_loss,
    soft_wing_loss,
    wing_loss,
)
from acrloss.schedule import ModeSchedule
from acrloss.shape_model import ShapeModel

__version__ = "0.1.0"

__all__ = [
    "ACRLoss",
    "GaussianNLLLoss",
    "L1Loss",
    "L2Loss",
    "LandmarkLoss",
    "ModeSchedule",
    "RectifiedWingLoss",
    "ShapeModel",
    "SmoothL1Loss",
    "SoftWingLoss",
    "WingLoss",
    "acr_loss",
    "create_loss",
    "gaussian_nll_loss",
    "l1_loss",
    "l2_loss",
    "loss_names",
    "rectified_wing_loss",
    "smooth_acr_loss",
    "smooth_l1_loss",
    "soft_wing_loss",
    "wing_loss",
]
