"""Residual log-likelihood estimation: its density is one, and it learns the errors' distribution."""

import numpy as np
import pytest
import torch

from acrloss import RLELoss, rle_loss
from acrloss.losses.rle import RealNVP


def flow_of_any_shape() -> RealNVP:
    """A flow with weights far from the normal distribution it starts at."""
    torch.manual_seed(3)
    flow = RealNVP().double()
    with torch.no_grad():
        for weights in flow.parameters():
            weights.copy_(0.2 * torch.randn_like(weights))
    return flow


def test_the_flows_density_integrates_to_one() -> None:
    axis = torch.linspace(-24, 24, 241, dtype=torch.float64)
    points = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), dim=-1).reshape(-1, 2)
    for flow in (RealNVP().double(), flow_of_any_shape()):
        with torch.no_grad():
            density = flow.log_prob(points).exp()
        assert float(density.sum()) * float(axis[1] - axis[0]) ** 2 == pytest.approx(1, abs=2e-3)


def test_an_untrained_flow_is_nearly_normal() -> None:
    torch.manual_seed(0)
    points = torch.randn(100, 2)
    normal = -0.5 * points.square().sum(dim=1) - np.log(2 * np.pi)
    torch.testing.assert_close(RealNVP().log_prob(points).detach(), normal.float(), atol=0.05, rtol=0.05)


def test_formula() -> None:
    flow = flow_of_any_shape()
    generator = torch.Generator().manual_seed(0)
    pred = torch.randn(3, 4, 4, generator=generator, dtype=torch.float64)
    target = torch.randn(3, 4, 2, generator=generator, dtype=torch.float64)
    sigma = pred[..., 2:].exp()
    error = (pred[..., :2] - target) / sigma
    laplace = (2 * sigma).log() + error.abs()
    density = flow.log_prob(error.reshape(-1, 2)).reshape(3, 4, 1)
    torch.testing.assert_close(rle_loss(pred, target, flow, "none"), laplace + sigma.log() - density / 2)


def test_sigma_is_clamped() -> None:
    flow = flow_of_any_shape().float()

    def at(log_scale: float) -> float:
        pred = torch.tensor([[[0.0, 0.0, log_scale, log_scale]]])
        return float(rle_loss(pred, torch.full((1, 1, 2), 1e-5), flow).detach())

    assert at(-1e6) == at(-12)
    assert at(1e6) == at(12)
    assert at(-12) != at(-11.9)


def test_it_learns_place_and_scale_of_the_errors() -> None:
    torch.manual_seed(0)
    criterion = RLELoss()
    # Errors of 0.2 and 0.02 in x and y around (0.4, 0.6).
    errors = torch.randn(500, 1, 2) * torch.tensor([0.2, 0.02])
    target = torch.tensor([0.4, 0.6]) + errors
    guess = torch.tensor([0.5, 0.5, -1.0, -1.0], requires_grad=True)
    optimizer = torch.optim.Adam([guess, *criterion.parameters()], lr=0.02)
    for _ in range(300):
        optimizer.zero_grad()
        criterion(guess.expand(500, 1, 4), target).backward()
        optimizer.step()
    found = guess.detach()
    torch.testing.assert_close(found[:2], torch.tensor([0.4, 0.6]), atol=0.02, rtol=0)
    # The density has a part in the scale, so σ alone need not be ten times as large.
    assert float(found[2] - found[3]) > 1


def test_faces_must_be_flat() -> None:
    with pytest.raises(ValueError, match="expected two coordinates"):
        rle_loss(torch.zeros(1, 2, 6), torch.zeros(1, 2, 3), RealNVP())
