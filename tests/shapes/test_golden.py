"""Shape model, Φ, losses and gradients against golden values of real faces, made without acrloss (tests/oracle.py).

Always on the repository's slice, 30 faces of 14 landmarks; on all 250 of COFW-68's 68 where ../shared has them.
"""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from acrloss import ACRLoss, ShapeModel, acr_loss
from oracle import SHARES, SLICE, differences, vectors
from real_data import GOLDEN, needs_golden

RULES = (("modes", "count"), ("variance", "variance"))  # the file's name of a rule, ours
TOLERANCE = 1e-9
Golden = dict[str, NDArray[np.float64]]


@pytest.fixture(
    scope="module",
    params=[pytest.param(SLICE, id="30 faces"), pytest.param(GOLDEN, id="250 faces", marks=needs_golden)],
)
def golden(request: pytest.FixtureRequest) -> Golden:
    with np.load(request.param) as file:
        return dict(file)


@pytest.fixture(scope="module")
def target(golden: Golden) -> NDArray[np.float64]:
    return golden["target"].reshape(len(golden["target"]), -1, 2)


@pytest.fixture(scope="module")
def model(target: NDArray[np.float64]) -> ShapeModel:
    return ShapeModel.fit(target)


def assert_close(actual: NDArray[np.float64], expected: NDArray[np.float64]) -> None:
    np.testing.assert_allclose(actual.reshape(expected.shape), expected, rtol=0, atol=TOLERANCE)


def test_the_oracle_says_the_same(golden: Golden) -> None:
    found = differences(golden, vectors(golden["target"], golden["pred"]))
    assert len(found) >= 133
    assert max(found.values()) < TOLERANCE


def test_shape_model(golden: Golden, model: ShapeModel) -> None:
    assert len(model.eigenvalues) == golden["target"].shape[1] in (28, 136)
    assert_close(model.mean.numpy(), golden["mean"])
    assert_close(model.eigenvalues.numpy(), golden["eigenvalues"])


@pytest.mark.parametrize(("key", "rule"), RULES)
@pytest.mark.parametrize("share", SHARES)
def test_mode_counts_and_smooth_faces(
    golden: Golden, model: ShapeModel, target: NDArray[np.float64], key: str, rule: str, share: int
) -> None:
    modes = model.modes(share / 100, rule)  # type: ignore[arg-type]
    assert modes == golden[f"k_{key}{share}"]
    assert_close(model.smooth(target[:30], modes), golden[f"smooth_{key}{share}"])


def test_clamped_smooth_faces(golden: Golden, model: ShapeModel, target: NDArray[np.float64]) -> None:
    modes = model.modes(0.90, "variance")
    assert_close(model.smooth(target[:30], modes, clamp=3.0), golden["smooth_clamped_variance90"])


@pytest.mark.parametrize("per", ["coordinate", "landmark"])
@pytest.mark.parametrize(("key", "rule"), RULES)
@pytest.mark.parametrize("share", SHARES)
def test_difficulty_losses_and_gradients(
    golden: Golden, model: ShapeModel, target: NDArray[np.float64], key: str, rule: str, share: int, per: str
) -> None:
    modes = model.modes(share / 100, rule)  # type: ignore[arg-type]
    phi = model.difficulty(target, modes, per)  # type: ignore[arg-type]
    assert_close(phi[:30], golden[f"phi_{key}{share}_{per}"])
    gradients = 0
    for lam in (1, 2.5):
        for offset in ("paper", "continuous"):
            name = f"{key}{share}_{per}_lam{lam}_{offset}"
            pred = torch.tensor(golden["pred"].reshape(target.shape), requires_grad=True)
            loss = acr_loss(pred, target, phi, lam, offset)
            assert_close(loss.detach().numpy(), golden[f"loss_{name}"])
            if f"grad_{name}" in golden:
                assert_close(torch.autograd.grad(loss, pred)[0][:30].numpy(), golden[f"grad_{name}"])
                gradients += 1
    assert gradients == (4 if (key, share) == ("variance", 90) else 0)


def test_module_computes_the_same(golden: Golden, model: ShapeModel, target: NDArray[np.float64]) -> None:
    criterion = ACRLoss(model, rule="variance", per="landmark", curve="continuous", lam=2.5, unit="crop")
    for epoch, share in ((0, 80), (16, 85), (31, 90), (71, 95), (101, 97), (500, 97)):
        criterion.set_epoch(epoch)
        loss = criterion(golden["pred"].reshape(target.shape), target)
        assert_close(loss.numpy(), golden[f"loss_variance{share}_landmark_lam2.5_continuous"])
