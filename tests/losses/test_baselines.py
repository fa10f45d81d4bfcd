"""Each baseline against its published formula in NumPy, and its continuity where pieces meet."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

import acrloss

Array = NDArray[np.float64]


def wing(d: Array, w: float = 10.0, e: float = 2.0) -> Array:
    return np.where(d < w, w * np.log(1 + d / e), d - (w - w * np.log(1 + w / e)))


def soft_wing(d: Array, w1: float = 2.0, w2: float = 20.0, e: float = 0.5) -> Array:
    return np.where(d < w1, d, w2 * np.log(1 + d / e) + w1 - w2 * np.log(1 + w1 / e))


def rectified_wing(d: Array, w: float = 10.0, e: float = 2.0, r: float = 0.5) -> Array:
    inner = w * np.log(1 + np.maximum(d - r, 0) / e)
    return np.where(d < r, 0, np.where(d < w, inner, d - (w - w * np.log(1 + (w - r) / e))))


def smooth_l1(d: Array, beta: float = 1.0) -> Array:
    return np.where(d < beta, d**2 / (2 * beta), d - beta / 2)


CASES: list[tuple[Callable[..., Tensor], Callable[..., Array], tuple[float, ...]]] = [
    (acrloss.l1_loss, lambda d: d, ()),
    (acrloss.l2_loss, lambda d: d**2, ()),
    (acrloss.smooth_l1_loss, smooth_l1, ()),
    (acrloss.smooth_l1_loss, smooth_l1, (0.1,)),
    (acrloss.wing_loss, wing, ()),
    (acrloss.wing_loss, wing, (3.0, 0.7)),
    (acrloss.soft_wing_loss, soft_wing, ()),
    (acrloss.soft_wing_loss, soft_wing, (0.3, 4.0, 1.5)),
    (acrloss.rectified_wing_loss, rectified_wing, ()),
    (acrloss.rectified_wing_loss, rectified_wing, (4.0, 0.5, 1.0)),
]


def pair(delta: Array) -> tuple[Tensor, Tensor]:
    target = torch.full((1, 1, len(delta)), 0.25, dtype=torch.float64)
    return target + torch.tensor(delta), target


@pytest.mark.parametrize(("loss", "formula", "parameters"), CASES)
def test_published_formula(
    loss: Callable[..., Tensor], formula: Callable[..., Array], parameters: tuple[float, ...]
) -> None:
    delta = np.concatenate((np.linspace(-50, 50, 2001), [1e-9, 1e6, -1e6]))
    pred, target = pair(delta)
    expected = formula(np.abs(delta), *parameters)
    np.testing.assert_allclose(loss(pred, target, *parameters, reduction="none")[0, 0], expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(loss(pred, target, *parameters), expected.mean(), rtol=1e-12)
    np.testing.assert_allclose(loss(pred, target, *parameters, reduction="sum"), expected.sum(), rtol=1e-12)


@given(mean=st.floats(-1e3, 1e3), log_variance=st.floats(-14, 14), target=st.floats(-1e3, 1e3))
def test_gaussian_nll_is_the_density(mean: float, log_variance: float, target: float) -> None:
    variance = np.exp(log_variance)
    density = 0.5 * (np.log(2 * np.pi * variance) + (mean - target) ** 2 / variance)
    pred = torch.tensor([[[mean, 0.0, log_variance, 0.0]]], dtype=torch.float64)
    truth = torch.tensor([[[target, 0.0]]], dtype=torch.float64)
    each = acrloss.gaussian_nll_loss(pred, truth, reduction="none")
    np.testing.assert_allclose(each[0, 0], [density - 0.5 * np.log(2 * np.pi), 0], rtol=1e-9, atol=1e-9)


def test_gaussian_nll_clamps_the_log_variance() -> None:
    def at(log_variance: float) -> Tensor:
        return acrloss.gaussian_nll_loss(torch.tensor([[[0.0, 0.0, log_variance, 0.0]]]), torch.ones(1, 1, 2))

    assert at(-1e6) == at(-15)
    assert at(1e6) == at(15)
    assert at(-15) != at(-14.9)


def test_gaussian_nll_unit_leaves_the_log_variance_alone() -> None:
    pred, target = torch.tensor([[[0.3, 0.4, 1.0, 2.0]]]), torch.tensor([[[0.1, 0.2]]])
    scaled = acrloss.gaussian_nll_loss(torch.tensor([[[3.0, 4.0, 1.0, 2.0]]]), 10 * target)
    torch.testing.assert_close(acrloss.GaussianNLLLoss(unit=10.0)(pred, target), scaled)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("wing", {"omega": 0.0}, "omega: expected a positive number"),
        ("wing", {"epsilon": -1.0}, "epsilon: expected a positive number"),
        ("wing", {"epsilon": float("inf")}, "epsilon: expected a positive number"),
        ("soft_wing", {"omega1": 0.0}, "omega1"),
        ("soft_wing", {"omega2": float("nan")}, "omega2"),
        ("rectified_wing", {"rectified": 0.0}, "rectified: expected a positive number"),
        ("rectified_wing", {"rectified": 10.0}, r"rectified: expected less than omega = 10.0, got 10.0"),
        ("smooth_l1", {"beta": 0.0}, "beta: expected a positive number"),
    ],
)
def test_bad_parameters(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        acrloss.create_loss(name, **options)
    function = getattr(acrloss, f"{name}_loss")
    with pytest.raises(ValueError, match=message):
        function(torch.zeros(1, 1, 2), torch.zeros(1, 1, 2), **options)
