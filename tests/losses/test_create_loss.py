import numpy as np
import pytest

from acrloss import ACRLoss, ShapeModel, WingLoss, create_loss, loss_names

MODEL = ShapeModel.fit(np.random.default_rng(0).normal(0.5, 0.1, (60, 7, 2)))


def test_names() -> None:
    baselines = ["l1", "l2", "smooth_l1", "wing", "soft_wing", "rectified_wing", "gaussian_nll", "rle"]
    first = ["acr", "acr-1", "acr-2", "acr-3", "acr-paper", "acr-control", *baselines]
    assert [name for name in loss_names() if name in first] == first
    assert len(set(loss_names())) == len(loss_names())
    for name in loss_names():
        assert create_loss(name, MODEL) is not create_loss(name, MODEL)


def acr(name: str) -> ACRLoss:
    loss = create_loss(f"acr-{name}", MODEL)
    assert isinstance(loss, ACRLoss)
    return loss


def test_presets_mean_what_they_meant() -> None:
    first, second, third, paper = acr("1"), acr("2"), acr("3"), acr("paper")
    assert repr(create_loss("acr")) == repr(third), "acr is the newest"
    assert repr(ACRLoss()) == repr(second)
    assert repr(ACRLoss(MODEL)) == repr(first)
    assert (first.curve, first.lam, first.omega, first.epsilon) == ("smooth", 10.0, 10.0, 2.0)
    assert (first.rule, first.per, first.unit, first.num_landmarks) == ("variance", "landmark", 224.0, 7)
    assert (second.phi, second.num_landmarks) == (0.0, None)
    assert (third.curve, third.lam, third.unit, third.phi) == ("likelihood", 1.0, 20.0, 1.0)
    assert (paper.curve, paper.lam, paper.rule, paper.per, paper.unit) == ("paper", 1.0, "count", "coordinate", "crop")


def test_presets_can_be_overridden() -> None:
    other = create_loss("acr-1", MODEL, lam=3.0, rule="count", schedule=0.5)
    assert isinstance(other, ACRLoss)
    assert (other.lam, other.rule, other.curve, other.modes) == (3.0, "count", "smooth", 7)
    wing = create_loss("wing", omega=4.0)
    assert isinstance(wing, WingLoss)
    assert wing.omega == 4.0


def test_messages() -> None:
    with pytest.raises(ValueError, match=r"unknown loss 'wings'; did you mean wing\?; known: acr, "):
        create_loss("wings")
    with pytest.raises(ValueError, match=r"did you mean acr-paper\?"):
        create_loss("acr_paper", MODEL)
    with pytest.raises(ValueError, match='loss "acr-1" needs a shape_model'):
        create_loss("acr-1")
    with pytest.raises(ValueError, match='loss "wing" has no option "beta"; it has omega, epsilon, unit'):
        create_loss("wing", beta=1.0)
