import copy
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor, nn
from torch._dynamo.testing import CompileCounterWithBackend
from torch.nn.parallel import DistributedDataParallel

from acrloss import (
    ACRLoss,
    ModeSchedule,
    ShapeModel,
    acr_likelihood_loss,
    acr_loss,
    create_loss,
    smooth_acr_loss,
    wing_loss,
)
from two_processes import in_two_processes

Array = NDArray[np.float64]
PAPER: dict[str, Any] = {"curve": "paper", "lam": 1.0, "rule": "count", "per": "coordinate", "unit": "crop"}
PHIS = np.array([0.0, 1e-6, 0.1, 0.5, 0.9, 1 - 1e-6, 1.0])
LN2 = float(np.log(2))


def shape_model(landmarks: int = 7, faces: int = 60) -> ShapeModel:
    return ShapeModel.fit(np.random.default_rng(0).normal(0.5, 0.1, (faces, landmarks, 2)))


def targets(count: int = 5, landmarks: int = 7, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    target = 0.5 + 0.1 * torch.randn(count, landmarks, 2, generator=generator, dtype=dtype)
    return target + 0.05 * torch.randn(target.shape, generator=generator, dtype=dtype), target


def grid(deltas: Array, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor, Tensor]:
    """pred (requires grad), target and Φ for every error beside every Φ, as (1, deltas, phis)."""
    pred = torch.tensor(deltas, dtype=dtype)[None, :, None].repeat(1, 1, len(PHIS)).requires_grad_()
    phi = torch.tensor(PHIS, dtype=dtype)[None, None].expand(pred.shape)
    return pred, torch.zeros(pred.shape, dtype=dtype), phi


def paper(delta: Array, phi: Array, lam: float, offset: str) -> Array:
    small = lam * np.log1p(np.minimum(delta, 1) ** (2 - phi))
    return np.where(delta <= 1, small, delta**2 + (phi if offset == "paper" else lam) * LN2 - 1)


def adaptive_wing(d: Array, y: Array, alpha: float, omega: float, epsilon: float, theta: float) -> Array:
    """Adaptive Wing as published (Wang et al. 2019, eqs. 3-4)."""
    p, w = alpha - y, theta / epsilon
    a = omega * (1 / (1 + w**p)) * p * w ** (p - 1) / epsilon
    return np.where(d < theta, omega * np.log(1 + (d / epsilon) ** p), a * d - (theta * a - omega * np.log(1 + w**p)))


@pytest.mark.parametrize("offset", ["paper", "continuous"])
@pytest.mark.parametrize("lam", [1.0, 2.5])
def test_paper_formula(offset: Any, lam: float) -> None:
    deltas = np.concatenate((np.linspace(0, 3, 301), [1e6]))
    pred, target, phi = grid(deltas)
    expected = paper(deltas[:, None], PHIS, lam, offset)
    for sign in (1, -1):
        each = acr_loss(sign * pred, target, phi, lam, offset, "none")[0].detach()
        np.testing.assert_allclose(each, expected, rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(acr_loss(pred, target, phi, lam, offset).item(), expected.mean(), rtol=1e-12)
    np.testing.assert_allclose(acr_loss(pred, target, phi, lam, offset, "sum").item(), expected.sum(), rtol=1e-12)


def test_the_jump_is_in_the_paper_only() -> None:
    pred, target, phi = grid(np.array([1.0, 1 + 1e-12]))
    for lam in (1.0, 2.5):
        jump = acr_loss(pred, target, phi, lam, reduction="none").detach()[0].diff(dim=0)[0]
        np.testing.assert_allclose(jump, (PHIS - lam) * LN2, atol=1e-9)
        jump = acr_loss(pred, target, phi, lam, "continuous", "none").detach()[0].diff(dim=0)[0]
        np.testing.assert_allclose(jump, 0, atol=1e-9)


@pytest.mark.parametrize("tail", ["linear", "quadratic"])
@pytest.mark.parametrize(("lam", "epsilon", "omega"), [(1.0, 1.0, 1.0), (10.0, 2.0, 10.0), (0.3, 0.02, 0.5)])
def test_smooth_curve_joins_without_jump_or_kink(tail: Any, lam: float, epsilon: float, omega: float) -> None:
    step = 1e-7 * omega
    pred, target, phi = grid(omega + step * np.array([-1.0, 0.0, 1.0]))
    each = smooth_acr_loss(pred, target, phi, lam, epsilon, omega, tail, "none")
    slope = torch.autograd.grad(each.sum(), pred)[0][0].numpy()
    value, w, p = each.detach().numpy()[0], omega / epsilon, 2 - PHIS
    np.testing.assert_allclose(slope, np.tile(lam * p * w ** (p - 1) / (1 + w**p) / epsilon, (3, 1)), rtol=1e-6)
    np.testing.assert_allclose(np.diff(value, axis=0), slope[:2] * step, rtol=1e-5)


def test_smooth_curve_with_unit_widths_is_the_papers_below_one() -> None:
    deltas = np.linspace(0, 1, 101)
    pred, target, phi = grid(deltas)
    for tail in ("linear", "quadratic"):
        each = smooth_acr_loss(pred, target, phi, 2.5, tail=tail, reduction="none")
        np.testing.assert_allclose(each.detach()[0], paper(deltas[:, None], PHIS, 2.5, "paper"), rtol=1e-12)


def test_quadratic_tail_is_a_scaled_square() -> None:
    deltas = np.linspace(1, 50, 99)
    pred, target, phi = grid(deltas)
    each = smooth_acr_loss(pred, target, phi, 2.5, tail="quadratic", reduction="none").detach()[0].numpy()
    expected = 2.5 * ((2 - PHIS) / 4 * (deltas[:, None] ** 2 - 1) + LN2)
    np.testing.assert_allclose(each, expected, rtol=1e-12)


@given(lam=st.floats(0.1, 30), epsilon=st.floats(0.1, 5), omega=st.floats(0.1, 20), scale=st.floats(1e-3, 100))
def test_linear_tail_is_adaptive_wing(lam: float, epsilon: float, omega: float, scale: float) -> None:
    deltas = scale * np.linspace(0.01, 1, 40)
    pred, target, phi = grid(deltas)
    each = smooth_acr_loss(pred, target, phi, lam, epsilon, omega, reduction="none").detach()[0]
    expected = adaptive_wing(deltas[:, None], PHIS, 2.0, lam, epsilon, omega)
    np.testing.assert_allclose(each, expected, rtol=1e-8, atol=1e-9)


def test_difficulty_one_is_wing_up_to_omega() -> None:
    pred = torch.linspace(-30, 30, 601, dtype=torch.float64)[None, :, None]
    target, ones = torch.zeros_like(pred), torch.ones_like(pred)
    ours = smooth_acr_loss(pred, target, ones, 10.0, 2.0, 10.0, reduction="none")
    wing = wing_loss(pred, target, 10.0, 2.0, reduction="none")
    inside = pred.abs() <= 10
    torch.testing.assert_close(ours[inside], wing[inside])
    rest = (wing - ours)[~inside]
    torch.testing.assert_close(rest, (pred.abs() - 10)[~inside] * (1 - 10 / 12))


@given(data=st.data(), tail=st.sampled_from(["linear", "quadratic"]))
def test_distances_of_landmarks_and_faces(data: st.DataObject, tail: Any) -> None:
    seed = data.draw(st.integers(0, 999))
    rng = np.random.default_rng(seed)
    pred, target = rng.normal(0, 6, (2, 4, 5, 2))
    phi = rng.uniform(0, 1, (4, 5, 2))
    missing = rng.random((4, 5)) < 0.3
    missing[0] = False
    target[missing] = np.nan
    distance = np.where(missing, np.nan, np.linalg.norm(pred - target, axis=-1))
    known = phi.mean(axis=-1)
    for name in ("landmark", "face"):
        expected = np.zeros((4, 5, 2))
        for i, m in zip(*np.nonzero(~missing), strict=True):
            if name == "landmark":
                x, p = distance[i, m] / 2, 2 - known[i, m]
            else:
                x, p = np.sqrt(np.nanmean(distance[i] ** 2)) / 2, 2 - known[i][~missing[i]].mean()
            slope = 10 * p * 5 ** (p - 1) / (1 + 5**p)
            beyond = max(x - 5, 0)
            beyond += beyond**2 / 10 if tail == "quadratic" else 0
            expected[i, m] = 10 * np.log1p(min(x, 5) ** p) + slope * beyond
        each = smooth_acr_loss(pred, target, phi, 10.0, 2.0, 10.0, tail, "none", name)
        np.testing.assert_allclose(each, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("distance", ["landmark", "face"])
def test_gradients_of_distances(distance: Any) -> None:
    rng = torch.Generator().manual_seed(0)
    pred = torch.randn(3, 4, 2, generator=rng, dtype=torch.float64).requires_grad_()
    target = torch.randn(3, 4, 2, generator=rng, dtype=torch.float64)
    phi = torch.rand(3, 4, 2, generator=rng, dtype=torch.float64)
    target[1, 2] = torch.nan
    assert torch.autograd.gradcheck(lambda p: smooth_acr_loss(p, target, phi, 2.0, 0.5, 1.5, distance=distance), pred)
    # At the target itself the slope is 0, whatever the exponent.
    exact = target.nan_to_num(0).requires_grad_()
    for flat in (torch.zeros_like(phi), phi, torch.ones_like(phi)):
        loss = smooth_acr_loss(exact, target, flat, distance=distance)
        assert loss == 0
        assert not torch.autograd.grad(loss, exact)[0].any()


@pytest.mark.parametrize("distance", ["landmark", "face"])
def test_distances_do_not_depend_on_the_axes(distance: Any) -> None:
    rng = torch.Generator().manual_seed(0)
    pred, target = torch.randn(2, 3, 6, 2, generator=rng, dtype=torch.float64)
    phi = torch.rand(3, 6, 1, generator=rng, dtype=torch.float64).expand(-1, -1, 2)
    turn = torch.tensor([[0.8, 0.6], [-0.6, 0.8]], dtype=torch.float64)
    turned = smooth_acr_loss(pred @ turn, target @ turn, phi, distance=distance)
    torch.testing.assert_close(turned, smooth_acr_loss(pred, target, phi, distance=distance))
    assert smooth_acr_loss(pred @ turn, target @ turn, phi) != smooth_acr_loss(pred, target, phi)


CURVES: dict[str, Any] = {
    "paper": lambda p, t, f: acr_loss(p, t, f),
    "continuous": lambda p, t, f: acr_loss(p, t, f, 2.5, "continuous"),
    "linear": lambda p, t, f: smooth_acr_loss(p, t, f, 10.0, 2.0, 10.0),
    "quadratic": lambda p, t, f: smooth_acr_loss(p, t, f, tail="quadratic"),
    "narrow": lambda p, t, f: smooth_acr_loss(p, t, f, 1.0, 1e-3, 1e3),
    "landmark": lambda p, t, f: smooth_acr_loss(p, t, f, 10.0, 2.0, 10.0, distance="landmark"),
    "face": lambda p, t, f: smooth_acr_loss(p, t, f, 10.0, 2.0, 10.0, distance="face"),
}


@pytest.mark.parametrize("curve", CURVES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_finite_for_any_error_and_difficulty(curve: str, dtype: torch.dtype) -> None:
    deltas = np.concatenate(([0.0, 5e-324, 1e-45, 1e-38], np.logspace(-12, 6, 181), [1.0, 10.0]))
    deltas = deltas[deltas <= torch.finfo(dtype).max]
    for autocast in (False, True):
        pred, target, phi = grid(deltas, dtype)
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            loss = CURVES[curve](pred, target, phi)
        slope = torch.autograd.grad(loss, pred)[0]
        assert loss.isfinite()
        assert loss.dtype == torch.promote_types(dtype, torch.float32)
        assert slope.isfinite().all()
        assert (slope >= 0).all()
        assert not slope[0, 0].any(), "no slope at an error of 0"


@pytest.mark.parametrize("curve", CURVES)
def test_gradcheck_of_the_functions(curve: str) -> None:
    deltas = np.array([0.03, 0.3, 0.9, 1.1, 1.9, 2.1, 9.0, 11.0, 60.0])  # away from the kinks at 0 and 1
    pred, target, phi = grid(deltas)
    assert torch.autograd.gradcheck(lambda p: CURVES[curve](p, target, phi), (pred,), rtol=1e-5)


def likelihood(pred: Array, log_width: Array, target: Array, phi: Array, lam: float) -> Array:
    """ACR with a width of its own for each coordinate, by the formula."""
    x = abs(pred - target) / np.exp(log_width)
    a = np.where(x <= 1, np.log1p(np.minimum(x, 1) ** (2 - phi)), LN2 + (2 - phi) / 4 * (x**2 - 1))
    return np.asarray(lam * a + log_width)


def predicted_widths() -> tuple[Tensor, Tensor, Tensor]:
    """pred (6, 4, 4), target and Φ, with errors from far below to far above the widths."""
    rng = np.random.default_rng(0)
    target, phi = rng.normal(0, 1, (6, 4, 2)), rng.choice(PHIS, (6, 4, 2))
    error = rng.choice([-1.0, 1.0], target.shape) * 10 ** rng.uniform(-2, 1, target.shape)
    pred = np.concatenate((target + error, rng.normal(0, 1, target.shape)), axis=-1)
    return torch.tensor(pred, requires_grad=True), torch.tensor(target), torch.tensor(phi)


def test_likelihood_is_the_curve_at_the_predicted_width() -> None:
    pred, target, phi = predicted_widths()
    mean, log_width = np.split(pred.detach().numpy(), 2, axis=-1)
    expected = likelihood(mean, log_width, target.numpy(), phi.numpy(), 1.5)
    each = acr_likelihood_loss(pred, target, phi, 1.5, "none")
    np.testing.assert_allclose(each.detach(), expected, rtol=1e-12)
    np.testing.assert_allclose(acr_likelihood_loss(pred, target, phi, 1.5).item(), expected.mean(), rtol=1e-12)
    assert torch.autograd.gradcheck(lambda p: acr_likelihood_loss(p, target, phi, 1.5), (pred,))
    # In another unit it differs by a constant: what an error of 1 is does not matter.
    scaled = torch.cat((7 * pred[..., :2], pred[..., 2:] + np.log(7)), dim=-1)
    torch.testing.assert_close(acr_likelihood_loss(scaled, 7 * target, phi, 1.5, "none"), each + np.log(7))


# Not float16: the square of an error over a tiny width does not fit it.
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_likelihood_is_finite_for_any_error_and_width(dtype: torch.dtype) -> None:
    errors = np.array([0.0, 1e-45, 1e-12, 1e-3, 1.0, 1e4])
    logs = np.array([-1e4, -15.0, 0.0, 15.0, 1e4])
    mean, log_width = (torch.tensor(part, dtype=dtype).flatten() for part in np.meshgrid(errors, logs))
    pred = torch.stack((mean, mean, log_width, log_width), dim=-1)[None].requires_grad_()
    for phi in PHIS:
        target = torch.zeros_like(pred[..., :2]).detach()
        target[0, 0] = torch.nan
        loss = acr_likelihood_loss(pred, target, torch.full_like(target, phi))
        (slope,) = torch.autograd.grad(loss, pred)
        assert loss.isfinite()
        assert slope.isfinite().all()
        assert not slope[0, 0].any()


def test_module_takes_predicted_widths() -> None:
    model = shape_model()
    mean, target = targets()
    pred = torch.cat((mean, 0.1 * mean), dim=-1)
    criterion = ACRLoss(model, 0.3, **{**PAPER, "curve": "likelihood", "lam": 1.5, "unit": 20.0})
    assert (criterion.channels, ACRLoss(model).channels) == (4, 2)
    phi = model.difficulty(target, model.modes(0.3))
    expected = acr_likelihood_loss(torch.cat((20 * mean, 0.1 * mean), dim=-1), 20 * target, phi, 1.5)
    torch.testing.assert_close(criterion(pred, target), expected)
    with pytest.raises(ValueError, match=r"pred: expected shape \(5, 7, 4\)"):
        criterion(mean, target)


def test_no_gradient_reaches_the_difficulty() -> None:
    pred, target, phi = grid(np.array([0.2, 3.0]))
    phi = phi.clone().requires_grad_()
    torch.autograd.backward(acr_loss(pred, target, phi))
    assert phi.grad is None


def test_bad_arguments_are_named() -> None:
    pred, target = targets()
    phi = torch.full_like(target, 0.5)
    for function in (acr_loss, smooth_acr_loss):
        for bad, message in (
            (phi[:3], r"difficulty: expected the target's shape \(5, 7, 2\), got \(3, 7, 2\)"),
            (phi[..., :1], "difficulty: expected the target's shape"),
            (phi + 0.6, r"difficulty: expected values in \[0, 1\]"),
            (phi - 0.6, r"difficulty: expected values in \[0, 1\]"),
            (phi * torch.nan, r"difficulty: expected values in \[0, 1\]"),
        ):
            with pytest.raises(ValueError, match=message):
                function(pred, target, bad)
        with pytest.raises(TypeError, match="difficulty: expected floating-point"):
            function(pred, target, phi.long())
        with pytest.raises(ValueError, match="lam: expected a positive number"):
            function(pred, target, phi, lam=0.0)
    with pytest.raises(ValueError, match="lam: expected a positive number"):
        acr_likelihood_loss(torch.cat((pred, pred), dim=-1), target, phi, lam=0.0)
    with pytest.raises(ValueError, match=r"pred: expected shape \(5, 7, 4\)"):
        acr_likelihood_loss(pred, target, phi)
    with pytest.raises(ValueError, match="offset: expected"):
        acr_loss(pred, target, phi, offset="none")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="tail: expected"):
        smooth_acr_loss(pred, target, phi, tail="cubic")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="distance: expected"):
        smooth_acr_loss(pred, target, phi, distance="eye")  # type: ignore[arg-type]
    for name in ("epsilon", "omega"):
        bad_width: dict[str, Any] = {name: 0.0}
        with pytest.raises(ValueError, match=f"{name}: expected a positive number"):
            smooth_acr_loss(pred, target, phi, **bad_width)
    target[0, 0] = torch.nan
    phi[0, 0] = torch.nan
    assert acr_loss(pred, target, phi).isfinite(), "the Φ of a missing landmark is nobody's business"


def test_module_uses_the_schedules_modes() -> None:
    model = shape_model()
    pred, target = targets()
    for per, rule in (("coordinate", "count"), ("landmark", "variance")):
        criterion = ACRLoss(model, rule=rule, per=per, lam=2.0, curve="continuous", unit="crop")  # type: ignore[arg-type]
        for epoch in (0, 16, 40, 80, 101, 999):
            criterion.set_epoch(epoch)
            modes = model.modes(ModeSchedule().share(epoch), rule)  # type: ignore[arg-type]
            phi = model.difficulty(target, modes, per)  # type: ignore[arg-type]
            assert criterion.modes == modes
            assert int(criterion.epoch) == epoch
            torch.testing.assert_close(criterion.difficulty(target), phi)
            torch.testing.assert_close(criterion(pred, target), acr_loss(pred, target, phi, 2.0, "continuous"))
            assert (criterion(pred, target, phi) == criterion(pred, target)).all()
        np.testing.assert_allclose(criterion.difficulty(target.numpy()), phi)


def test_module_measures_difficulty_before_the_unit_applies() -> None:
    model = shape_model()
    pred, target = targets()
    for unit, options in ((224.0, {}), ("pixel", {"input_size": 224})):
        criterion = ACRLoss(model, 0.3, **{**PAPER, "curve": "smooth", "lam": 10.0, "unit": unit}, **options)  # type: ignore[arg-type]
        phi = model.difficulty(target, model.modes(0.3))
        expected = smooth_acr_loss(224 * pred, 224 * target, phi, 10.0, 2.0, 10.0)
        torch.testing.assert_close(criterion(pred, target), expected)


def test_module_with_all_modes_and_missing_landmarks() -> None:
    model = shape_model()
    pred, target = targets(dtype=torch.float32)
    target[0, 2] = torch.nan
    target[1] = torch.nan
    for curve in ("paper", "smooth"):
        criterion = ACRLoss(model, 1.0, **{**PAPER, "curve": curve, "epsilon": 1.0, "omega": 1.0})
        assert criterion.modes == 14
        assert not criterion.difficulty(target).any()
        moved = pred.clone().requires_grad_()
        loss = criterion(moved, target)
        torch.testing.assert_close(loss, acr_loss(pred, target, torch.zeros_like(target)))
        assert torch.autograd.grad(loss, moved)[0].isfinite().all()
    criterion = ACRLoss(model, 0.5, clamp=1.0, **PAPER)
    torch.testing.assert_close(criterion.difficulty(target), model.difficulty(target, 7, clamp=1.0))


def test_a_wider_prediction_does_not_sharpen_the_targets_rounding() -> None:
    flat = torch.tensor(np.random.default_rng(0).normal(0.5, 0.1, (60, 1, 1)) * np.linspace(0.5, 1, 14).reshape(7, 2))
    model = ShapeModel.fit(flat)
    target = flat[:5].float()
    criterion = ACRLoss(model, 1.0, **PAPER)
    assert not criterion.difficulty(target).any()
    pred = torch.full((5, 7, 2), 0.4, dtype=torch.float64)
    torch.testing.assert_close(criterion(pred, target), acr_loss(pred, target, torch.zeros(5, 7, 2)))


def test_state_dict_brings_back_shape_model_and_epoch() -> None:
    pred, target = targets()
    criterion = ACRLoss(shape_model())
    criterion.set_epoch(80)
    other = ACRLoss(ShapeModel.fit(np.random.default_rng(9).normal(0, 1, (60, 7, 2))))
    assert other(pred, target) != criterion(pred, target)
    other.load_state_dict(criterion.state_dict())
    assert int(other.epoch) == 80
    assert other.modes == criterion.modes
    assert other(pred, target) == criterion(pred, target)
    for instance in (other, criterion):
        instance.set_epoch(0)
    assert other(pred, target) == criterion(pred, target)
    assert copy.deepcopy(criterion)(pred, target) == criterion(pred, target)
    assert not list(criterion.parameters())


def test_conversions_move_the_shape_model_but_do_not_round_it() -> None:
    pred, target = targets(dtype=torch.float32)
    criterion = ACRLoss(shape_model(), 0.8)
    expected = criterion.difficulty(target)
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        converted = copy.deepcopy(criterion).to(dtype)
        assert {b.dtype for b in converted.buffers()} == {torch.float64, torch.int64}
        assert (converted.difficulty(target) == expected).all()
        torch.testing.assert_close(converted(pred.half(), target), criterion(pred.half(), target))
    with torch.autocast("cpu", torch.bfloat16):
        assert (criterion.difficulty(target) == expected).all()
    assert {b.device.type for b in copy.deepcopy(criterion).to("meta").buffers()} == {"meta"}


def test_one_graph_serves_all_epochs() -> None:
    criterion = ACRLoss(shape_model(), rule="count", curve="smooth")
    counter = CompileCounterWithBackend("aot_eager")
    torch._dynamo.reset()
    compiled = torch.compile(criterion, fullgraph=True, backend=counter)
    pred, target = targets()
    target[1, 3] = torch.nan
    losses = set()
    for epoch in (0, 16, 31, 71, 101):
        criterion.set_epoch(epoch)
        loss = compiled(pred, target)
        torch.testing.assert_close(loss, criterion(pred, target))
        losses.add(float(loss))
    assert len(losses) > 1
    assert counter.frame_count == 1


@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile's default backend needs a C++ compiler")
def test_default_compiler() -> None:
    criterion = ACRLoss(shape_model(), rule="count", clamp=3.0)
    torch._dynamo.reset()
    compiled = torch.compile(criterion, fullgraph=True)
    pred, target = targets(dtype=torch.float32)
    pred.requires_grad_()
    for missing in (False, True):
        target[1, 3] = torch.nan if missing else 0.5
        torch.testing.assert_close(compiled(pred, target), criterion(pred, target))
        ours, theirs = (torch.autograd.grad(c(pred, target), pred)[0] for c in (compiled, criterion))
        torch.testing.assert_close(ours, theirs)


class Network(nn.Module):
    """A regressor with its loss inside, as a training module holds it."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Linear(4, 14, dtype=torch.float64)
        self.criterion = ACRLoss(shape_model())

    def forward(self, features: Tensor, target: Tensor) -> Tensor:
        loss: Tensor = self.criterion(self.body(features).unflatten(1, (7, 2)), target)
        return loss


def train_step(model: nn.Module, features: Tensor, target: Tensor) -> Tensor:
    torch.autograd.backward(model(features, target))
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def gradient_of_share(rank: int) -> Tensor:
    """The gradient of all faces, as the process gets it that sees every second of them."""
    torch.manual_seed(0)
    model = DistributedDataParallel(Network())
    model.module.criterion.set_epoch(40)
    _, target = targets(8)
    features = torch.linspace(-1, 1, 32, dtype=torch.float64).view(8, 4)
    return train_step(model, features[rank::2], target[rank::2])


def test_two_processes_have_the_gradient_of_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Network()
    model.criterion.set_epoch(40)
    _, target = targets(8)
    expected = train_step(model, torch.linspace(-1, 1, 32, dtype=torch.float64).view(8, 4), target)
    for gradient in in_two_processes(gradient_of_share, tmp_path):
        torch.testing.assert_close(gradient, expected)


def test_module_says_what_is_wrong() -> None:
    model = shape_model()
    pred, target = targets(landmarks=6)
    with pytest.raises(ValueError, match=r"expected faces of shape \(7, 2\) as in the shape model, got \(6, 2\)"):
        ACRLoss(model)(pred, target)
    with pytest.raises(TypeError, match="expected a ShapeModel, got str"):
        ACRLoss("model")  # type: ignore[arg-type]
    cases: list[tuple[dict[str, Any], str]] = [
        ({"curve": "cubic"}, "curve: expected"),
        ({"tail": "cubic"}, "tail: expected"),
        ({"per": "face"}, "per: expected"),
        ({"rule": "modes"}, "rule: expected"),
        ({"clamp": -1.0}, "clamp: expected"),
        ({"lam": 0.0}, "lam: expected"),
        ({"epsilon": 0.0}, "epsilon: expected"),
        ({"omega": 0.0}, "omega: expected"),
        ({"schedule": 1.5}, r"shares in \(0, 1\]"),
    ]
    for options, message in cases:
        with pytest.raises(ValueError, match=message):
            ACRLoss(model, **options)
    with pytest.raises(ValueError, match="0 or more, got -1"):
        ACRLoss(model).set_epoch(-1)


def test_the_defaults_by_hand() -> None:
    """Without a shape model Φ is 0: ten times the logarithm of 1 plus the square of half the error in pixels of 224."""
    target = torch.full((1, 1, 2), 0.5, dtype=torch.float64)
    for pixels, expected in (
        (1.0, 10 * np.log(1.25)),
        (10.0, 10 * np.log(26)),
        (16.0, 10 * np.log(26) + 10 * 10 / 26 * 3),
    ):
        np.testing.assert_allclose(ACRLoss()(target + pixels / 224, target), expected, rtol=1e-9)
    assert not ACRLoss().difficulty(target).any()
    # acr-3 has Φ = 1: the logarithm of 1 plus the error over the width, and that of the width.
    pred = torch.cat((target + 0.5 / 20, torch.full_like(target, np.log(2))), dim=-1)
    np.testing.assert_allclose(create_loss("acr-3")(pred, target), np.log(1.25) + np.log(2), rtol=1e-9)
