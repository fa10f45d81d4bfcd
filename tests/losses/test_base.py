"""What all losses have in common: units, missing landmarks, reductions, numerics and messages."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from acrloss import LandmarkLoss, RLELoss, ShapeModel, create_loss, loss_names
from acrloss.losses.create import registered
from acrloss.losses.rle import RealNVP
from acrloss.losses.table import versioned

NAMES = loss_names()
SIZE = 7
# The losses of the first version, which must stay as they are.
UNITS = (
    *("acr", "acr-1", "acr-2", "acr-3", "acr-paper", "acr-control", "l1", "l2", "smooth_l1", "wing", "soft_wing"),
    *("rectified_wing", "gaussian_nll", "rle"),
)


def shape_model() -> ShapeModel:
    return ShapeModel.fit(np.random.default_rng(0).normal(0.5, 0.1, (60, SIZE, 2)))


def build(name: str, **options: Any) -> LandmarkLoss:
    # RLE's density starts with random weights.
    torch.manual_seed(0)
    return create_loss(name, shape_model(), **options)


def batch(criterion: LandmarkLoss, count: int = 5, dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """A prediction that requires grad and a target without missing landmarks, about 0.05 apart."""
    generator = torch.Generator().manual_seed(1)
    target = 0.5 + 0.1 * torch.randn(count, SIZE, 2, generator=generator, dtype=dtype)
    pred = target + 0.05 * torch.randn(count, SIZE, 2, generator=generator, dtype=dtype)
    spread = torch.randn(count, SIZE, criterion.channels - 2, generator=generator, dtype=dtype) - 3
    return torch.cat((pred, spread), dim=-1).requires_grad_(), target


def gradient(criterion: Callable[[Tensor, Tensor], Tensor], pred: Tensor, target: Tensor) -> Tensor:
    return torch.autograd.grad(criterion(pred, target).sum(), pred)[0]


@pytest.mark.parametrize("name", NAMES)
def test_gradcheck(name: str) -> None:
    for options in ({}, {"unit": 50.0}, {"unit": "interocular", "eyes": (0, 3)}, {"reduction": "none"}):
        criterion = build(name, **options).double()
        pred, target = batch(criterion, 3)
        target[1, 2] = torch.nan
        assert torch.autograd.gradcheck(lambda p: criterion(p, target), (pred,), eps=1e-8, atol=1e-4, rtol=1e-4)  # noqa: B023


@pytest.mark.parametrize("name", NAMES)
def test_reductions(name: str) -> None:
    values = build(name, reduction="none")
    pred, target = batch(values)
    target[1, 2] = torch.nan
    target[3, :, 1] = torch.nan  # one unknown coordinate makes the landmark missing
    each = values(pred, target)
    missing = target.isnan().any(-1)
    assert each.shape == target.shape
    assert not each[missing].any()
    assert each[~missing].any()
    torch.testing.assert_close(build(name, reduction="sum")(pred, target), each.sum())
    torch.testing.assert_close(build(name)(pred, target), each.sum() / (2 * (~missing).sum()))


@pytest.mark.parametrize("name", NAMES)
def test_missing_landmarks_have_no_part(name: str) -> None:
    criterion = build(name)
    pred, target = batch(criterion)
    target[0, :] = torch.nan
    target[1, 2, 0] = torch.nan
    expected, expected_gradient = criterion(pred, target), gradient(criterion, pred, target)
    wild = pred.detach().clone()
    wild[0], wild[1, 2] = torch.inf, torch.nan
    wild.requires_grad_()
    assert criterion(wild, target) == expected
    assert (gradient(criterion, wild, target) == expected_gradient).all()
    assert not expected_gradient[0].any()
    assert not expected_gradient[1, 2].any()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_nothing_present_is_zero(name: str, reduction: str) -> None:
    for options in ({}, {"unit": "interocular", "eyes": (0, 3)}):
        criterion = build(name, reduction=reduction, **options)
        pred, target = batch(criterion)
        target = target * torch.nan
        assert not criterion(pred, target).any()
        assert not gradient(criterion, pred, target).any()


@pytest.mark.parametrize("name", NAMES)
def test_units_scale_the_error(name: str) -> None:
    factor = build(name, unit=3.0)
    pred, target = batch(factor)
    target[1, 2] = torch.nan
    scaled = pred.detach().clone()
    scaled[..., :2] *= 3
    # Φ is measured on the landmarks as given, so the scaled faces need a model in their own unit.
    whole = ShapeModel.fit(3 * np.random.default_rng(0).normal(0.5, 0.1, (60, SIZE, 2)))
    torch.manual_seed(0)
    torch.testing.assert_close(factor(pred, target), create_loss(name, whole, unit="crop")(scaled, 3 * target))
    torch.testing.assert_close(factor(pred, target), build(name, unit="pixel", input_size=3)(pred, target))


@pytest.mark.parametrize("name", NAMES)
def test_interocular_unit_is_a_factor_for_each_face(name: str) -> None:
    criterion = build(name, unit="interocular", eyes=(0, 3), reduction="none").double()
    pred, target = batch(criterion)
    each = criterion(pred, target)
    for face in range(len(target)):
        distance = float((target[face, 0] - target[face, 3]).norm())
        alone = build(name, unit=1 / distance, reduction="none").double()
        torch.testing.assert_close(each[face], alone(pred[face : face + 1], target[face : face + 1])[0])
    unusable = target.clone()
    unusable[1, 3] = torch.nan
    unusable[2, 3] = unusable[2, 0]
    criterion.reduction = "mean"
    left = [0, 3, 4]
    torch.testing.assert_close(criterion(pred, unusable), criterion(pred[left], target[left]))
    slope = gradient(criterion, pred, unusable)
    assert not slope[1].any()
    assert not slope[2].any()
    torch.testing.assert_close(slope[left], gradient(criterion, pred, target)[left] * 5 / 3)


def test_baselines_have_wings_unit_and_acr_presets_theirs() -> None:
    units = {name: build(name).unit for name in UNITS}
    in_pixels = {"acr-1", "acr-2", "acr-control", "smooth_l1", "wing", "soft_wing", "rectified_wing"}
    assert {name for name, unit in units.items() if unit == 224.0} == in_pixels
    assert {name for name, unit in units.items() if unit == 20.0} == {"acr", "acr-3", "gaussian_nll", "rle"}
    assert {name for name, unit in units.items() if unit == "crop"} == {"acr-paper", "l1", "l2"}


def test_no_unit_is_the_classes_own() -> None:
    for name, unit in (("l1", "crop"), ("wing", 224.0), ("acr-paper", 224.0), ("rle", 20.0)):
        assert build(name, unit=None).unit == unit


DELTAS = [0.0, 1e-38, 1e-20, 1e-8, 1e-3, 0.1, 0.5, 1 - 1e-7, 1.0, 1 + 1e-7, 2.0, 10.0, 224.0, 6e4, 1e6]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_finite_for_any_error(name: str, dtype: torch.dtype) -> None:
    for unit, autocast in itertools.product(("crop", 224.0), (False, True)):
        criterion = build(name, unit=unit)
        # A float16 gradient ends at 65504, so its errors stay where the steepest loss does not exceed that.
        deltas = [delta for delta in DELTAS if delta <= (10 if dtype == torch.float16 else 1e6)]
        error = torch.tensor(deltas, dtype=dtype)[:, None, None].expand(-1, SIZE, 2)
        for sign, log_variance in itertools.product((1, -1), (0.0,) if dtype == torch.float16 else (0.0, 1e6, -1e6)):
            spread = torch.full((len(deltas), SIZE, criterion.channels - 2), log_variance, dtype=dtype)
            pred = torch.cat((sign * error, spread), dim=-1).requires_grad_()
            with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
                loss = criterion(pred, torch.zeros(len(deltas), SIZE, 2))
            assert loss.isfinite()
            assert loss.dtype == torch.promote_types(dtype, torch.float32)
            slope = torch.autograd.grad(loss, pred)[0]
            assert slope.isfinite().all(), (name, unit, autocast)


@pytest.mark.parametrize("name", [name for name in NAMES if registered(name).least_at_target])
def test_zero_error_has_zero_gradient(name: str) -> None:
    criterion = build(name)
    pred, target = batch(criterion)
    pred = torch.cat((target, torch.zeros(5, SIZE, criterion.channels - 2)), dim=-1).requires_grad_()
    assert criterion(pred, target) == 0
    assert not gradient(criterion, pred, target)[..., :2].any()


@pytest.mark.parametrize("name", NAMES)
def test_a_broken_prediction_is_not_hidden(name: str) -> None:
    criterion = build(name)
    pred, target = batch(criterion)
    broken = pred.detach().clone()
    broken[2, 3, 1] = torch.nan
    assert criterion(broken, target).isnan()


@pytest.mark.parametrize("name", NAMES)
def test_half_precision_is_computed_in_single(name: str) -> None:
    criterion = build(name)
    pred, target = batch(criterion, dtype=torch.float32)
    for dtype in (torch.bfloat16, torch.float16):
        half = pred.detach().to(dtype).requires_grad_()
        with torch.autocast("cpu", torch.bfloat16):
            loss = criterion(half, target)
        assert loss.dtype == torch.float32
        torch.testing.assert_close(loss, criterion(half.float(), target))
        assert gradient(criterion, half, target).dtype == dtype


@pytest.mark.parametrize("name", NAMES)
def test_arrays_are_taken_too(name: str) -> None:
    criterion = build(name)
    pred, target = batch(criterion)
    torch.testing.assert_close(criterion(pred.detach().numpy(), target.numpy()), criterion(pred, target).detach())


@pytest.mark.parametrize("name", [name for name in NAMES if versioned(name) == name])
def test_compiles_without_graph_break(name: str) -> None:
    criterion = build(name, unit="interocular", eyes=(0, 3))
    if isinstance(criterion, RLELoss):
        criterion.flow = RealNVP(couplings=2)  # of six alike, which would compile three times as long
    torch._dynamo.reset()
    compiled = torch.compile(criterion, fullgraph=True, backend="aot_eager")
    for count in (5, 3, 2):
        pred, target = batch(criterion, count)
        # One graph for any number of faces, from the first on: a graph for five alone would have less to be wrong.
        for given in (pred, target):
            torch._dynamo.mark_dynamic(given, 0)
        for missing in (False, True):
            if missing:
                target[0, 1] = torch.nan
            torch.testing.assert_close(compiled(pred, target), criterion(pred, target))
            torch.testing.assert_close(gradient(compiled, pred, target), gradient(criterion, pred, target))


@pytest.mark.parametrize("name", NAMES)
def test_bad_input_is_named(name: str) -> None:
    criterion = build(name)
    pred, target = batch(criterion)
    cases: list[tuple[Any, Any, type[Exception], str]] = [
        (pred[:3], target, ValueError, rf"pred: expected shape \(5, 7, {criterion.channels}\).*got \(3, 7"),
        (pred[:, :6], target, ValueError, r"pred: expected shape .*got \(5, 6"),
        (pred[..., :1], target, ValueError, r"pred: expected shape .*got \(5, 7, 1\)"),
        (
            pred.flatten(1),
            target,
            ValueError,
            rf"pred: expected shape \(N, M, {criterion.channels}\), got \(5, {7 * criterion.channels}\); "
            rf"give pred.view\(-1, 7, {criterion.channels}\)",
        ),
        (
            pred,
            target.flatten(1),
            ValueError,
            r"target: expected shape \(N, M, 2\), got \(5, 14\); give target.view\(-1, 7, 2\)",
        ),
        (pred[:0], target[:0], ValueError, "pred: expected at least one face"),
        (pred[:, :0], target[:, :0], ValueError, "at least one face and landmark"),
        (pred, target.long(), TypeError, "target: expected floating-point numbers, got torch.int64"),
        (pred.detach().int(), target, TypeError, "pred: expected floating-point numbers, got torch.int32"),
        (pred, target.tolist(), TypeError, "target: expected a tensor or NumPy array.*got list"),
        (None, target, TypeError, "pred: expected a tensor.*got NoneType"),
        (pred, target / 0, ValueError, "target: expected finite coordinates"),
        (pred.to("meta"), target, ValueError, "expected one device, got meta and cpu"),
    ]
    for bad_pred, bad_target, error, message in cases:
        with pytest.raises(error, match=message):
            criterion(bad_pred, bad_target)


@pytest.mark.parametrize("name", NAMES)
def test_bad_options_are_named(name: str) -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"unit": "metre"}, 'unit: expected "crop", "pixel", "interocular" or a number, got \'metre\''),
        ({"unit": 0.0}, "unit: expected a positive number"),
        ({"unit": float("nan")}, "unit: expected a positive number"),
        ({"unit": "pixel"}, "needs input_size"),
        ({"unit": "pixel", "input_size": 0}, "input_size: expected a positive number"),
        ({"unit": "interocular"}, "needs eyes"),
        ({"unit": "interocular", "eyes": (3, 3)}, "needs eyes"),
        ({"reduction": "median"}, "reduction: expected"),
    ]
    for options, message in cases:
        with pytest.raises(ValueError, match=message):
            build(name, **options)
    criterion = build(name, unit="interocular", eyes=(0, 7))
    with pytest.raises(ValueError, match=r"eyes: expected indices below 7 \(landmarks\), got \(0, 7\)"):
        criterion(*batch(criterion))


@pytest.mark.parametrize("name", NAMES)
def test_every_loss_hears_the_epoch_and_counts_its_channels(name: str) -> None:
    criterion = build(name)
    criterion.set_epoch(3)
    if name in UNITS:
        assert criterion.channels == (4 if name in ("acr", "acr-3", "gaussian_nll", "rle") else 2)
        assert registered(name).least_at_target == (name != "rle")
    assert "unit=" in repr(criterion)


@pytest.mark.parametrize("name", NAMES)
def test_values_are_the_oracles(name: str) -> None:
    """The loss against what its registration computes in NumPy, at its own options and at the examples'."""
    loss = registered(name)
    assert loss.oracle is not None
    for options in ({}, *loss.examples):
        criterion = build(name, **{"reduction": "none", **options}).double()
        pred, target = batch(criterion, 30)
        # Errors from far below to far above the crop, and widths that fit most of them.
        scale = 10 ** torch.linspace(-3, 0.7, 30, dtype=torch.float64)[:, None, None]
        values = torch.cat((target + scale * (pred[..., :2] - target), pred[..., 2:]), dim=-1).detach()
        phi = criterion.difficulty(target) if criterion.takes_difficulty else torch.zeros_like(target)
        in_unit = [part.numpy() for part in criterion.to_unit(values, target)]
        expected = loss.oracle(in_unit[0], in_unit[1], criterion, phi.numpy())
        assert expected.shape == target.shape
        np.testing.assert_allclose(
            criterion(values, target).detach(), expected, rtol=1e-8, atol=1e-10, err_msg=str(options)
        )


@pytest.mark.parametrize("name", [name for name in NAMES if create_loss(name, shape_model()).channels == 4])
def test_coordinates_alone_are_told_of_another_loss(name: str) -> None:
    criterion = build(name)
    pred, target = batch(criterion)
    with pytest.raises(
        ValueError, match=r"expected shape \(5, 7, 4\) .*got \(5, 7, 2\); this loss wants .*such as \"acr-2\""
    ):
        criterion(pred[..., :2], target)
    create_loss("acr-2")(pred[..., :2], target)
