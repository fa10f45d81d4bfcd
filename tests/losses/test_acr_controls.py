"""The controls of ACR loss: each puts just what it says in the place of Φ."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from acrloss import ACRControlLoss, ACRLoss, ShapeModel, smooth_acr_loss

SHAPES = np.random.default_rng(0).normal(0.5, 0.1, (80, 6, 2)) * np.linspace(0.5, 1.5, 6)[:, None]
MODEL = ShapeModel.fit(SHAPES)
FACES = torch.from_numpy(SHAPES[:9])
PREDICTED = FACES + 0.03 * torch.randn(9, 6, 2, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
OPTIONS: dict[str, Any] = {
    "curve": "smooth",
    "lam": 1.0,
    "epsilon": 0.02,
    "omega": 0.1,
    "schedule": 0.5,
    "rule": "count",
    "per": "coordinate",
    "unit": "crop",
}


def control(**options: Any) -> ACRControlLoss:
    return ACRControlLoss(MODEL, **{**OPTIONS, **options})


@pytest.mark.parametrize("per", ["coordinate", "landmark"])
def test_without_a_control_it_is_acr_loss(per: Any) -> None:
    ours, acr = control(per=per), ACRLoss(MODEL, **{**OPTIONS, "per": per})
    torch.testing.assert_close(ours.difficulty(FACES), acr.difficulty(FACES))
    torch.testing.assert_close(ours(PREDICTED, FACES), acr(PREDICTED, FACES))
    torch.testing.assert_close(1 - control(per=per, phi="inverted").difficulty(FACES), acr.difficulty(FACES))


@pytest.mark.parametrize(("phi", "value"), [("zero", 0.0), ("half", 0.5), ("one", 1.0)])
def test_constants(phi: str, value: float) -> None:
    expected = smooth_acr_loss(PREDICTED, FACES, torch.full_like(FACES, value), 1.0, 0.02, 0.1)
    torch.testing.assert_close(control(phi=phi)(PREDICTED, FACES), expected)


def test_shuffled_is_another_faces_and_random_nobodys() -> None:
    own = control().difficulty(FACES)
    torch.manual_seed(0)
    shuffled = control(phi="shuffled").difficulty(FACES)
    assert sorted(map(str, shuffled.tolist())) == sorted(map(str, own.tolist()))
    assert not torch.equal(shuffled, own)
    many = control(phi="random").difficulty(FACES.repeat(100, 1, 1))
    assert float(many.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(many.std()) == pytest.approx(12**-0.5, abs=0.02)


def unused_variance(modes: int) -> Any:
    """(12,) variance of each coordinate that the modes after the first few have."""
    values, vectors = np.linalg.eigh(np.cov(SHAPES.reshape(80, -1).T))
    return (vectors[:, : 12 - modes] ** 2 * values[: 12 - modes]).sum(axis=1)


def test_average_is_what_the_model_expects() -> None:
    ours = control(phi="average", per="landmark")
    expected = np.sqrt(unused_variance(ours.modes).reshape(6, 2).sum(axis=1))
    phi = ours.difficulty(FACES)
    torch.testing.assert_close(phi, torch.from_numpy(expected / expected.max())[None, :, None].expand(9, 6, 2))
    torch.testing.assert_close(control(phi="inverted average", per="landmark").difficulty(FACES), 1 - phi)


def test_the_scale_of_the_data_tells_hard_faces_from_easy_ones() -> None:
    ours = control(scale="data")
    residual = (MODEL.smooth(FACES, ours.modes) - FACES).abs()
    typical = np.sqrt(unused_variance(ours.modes).mean())
    torch.testing.assert_close(ours.difficulty(FACES), residual / (residual + typical))


def test_factor_multiplies_the_error() -> None:
    phi = control().difficulty(FACES)
    stretched = FACES + (1 + phi) * (PREDICTED - FACES)
    expected = smooth_acr_loss(stretched, FACES, torch.ones_like(FACES), 1.0, 0.02, 0.1)
    torch.testing.assert_close(control(role="factor")(PREDICTED, FACES), expected)
    expected = smooth_acr_loss(stretched, FACES, phi, 1.0, 0.02, 0.1)
    torch.testing.assert_close(control(role="both")(PREDICTED, FACES), expected)


def test_online_follows_the_networks_errors() -> None:
    ours = control(phi="online")
    target = FACES.clone()
    target[:, 5] = torch.nan

    def errors(sizes: list[float]) -> Tensor:
        return FACES + torch.tensor(sizes, dtype=torch.float64)[:, None] * torch.tensor([0.6, 0.8])

    assert not ours.difficulty(FACES).any(), "nothing is known yet"
    ours(errors([0.1, 0.2, 0.3, 0.4, 0, 9]), target)
    expected = torch.tensor([0.25, 0.5, 0.75, 1, 0, 0], dtype=torch.float64)[:, None].expand(6, 2)
    torch.testing.assert_close(ours.difficulty(FACES)[3], expected, atol=1e-6, rtol=0)
    for _ in range(400):
        ours(errors([0.4, 0.2, 0.2, 0.2, 0.2, 9]), target)
    torch.testing.assert_close(ours.errors, torch.tensor([0.4, 0.2, 0.2, 0.2, 0.2, 0]), atol=1e-3, rtol=0)
    before = ours.errors.clone()
    ours.eval()(errors([1.0] * 6), FACES)
    assert torch.equal(ours.errors, before), "only training counts"
    assert "errors" in ours.state_dict()


def test_missing_landmarks_stay_missing_for_every_control() -> None:
    target = FACES.clone()
    target[0, 1] = torch.nan
    for phi in ("own", "average", "online", "random"):
        for scale in ("face", "data"):
            for role in ("exponent", "factor", "both"):
                pred = PREDICTED.clone().requires_grad_()
                loss = control(phi=phi, scale=scale, role=role)(pred, target)
                slope = torch.autograd.grad(loss, pred)[0]
                assert loss.isfinite()
                assert slope.isfinite().all()
                assert not slope[0, 1].any()


@pytest.mark.parametrize("name", ["phi", "scale", "role"])
def test_unknown_controls_are_named(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: expected one of .*, got 'odd'"):
        control(**{name: "odd"})
