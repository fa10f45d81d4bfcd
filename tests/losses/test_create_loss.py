import numpy as np
import pytest

from acrloss import ACRLoss, ShapeModel, WingLoss, create_loss, loss_names

MODEL = ShapeModel.fit(np.random.default_rng(0).normal(0.5, 0.1, (60, 7, 2)))


def test_names() -> None:
    baselines = ["l1", "l2", "smooth_l1", "wing", "soft_wing", "rectified_wing", "gaussian_nll", "rle"]
    assert loss_names() == ["acr", "acr-paper", "acr-control", *baselines]
    for name in loss_names():
        assert create_loss(name, MODEL) is not create_loss(name, MODEL)


def test_presets_can_be_overridden() -> None:
    best, paper = create_loss("acr", MODEL), create_loss("acr-paper", MODEL)
    assert isinstance(best, ACRLoss)
    assert isinstance(paper, ACRLoss)
    assert (best.curve, best.lam, best.omega, best.epsilon) == ("smooth", 10.0, 10.0, 2.0)
    assert (best.rule, best.per, best.unit) == ("variance", "landmark", 224.0)
    assert (paper.curve, paper.lam, paper.rule, paper.per, paper.unit) == ("paper", 1.0, "count", "coordinate", "crop")
    other = create_loss("acr", MODEL, lam=3.0, rule="count", schedule=0.5)
    assert isinstance(other, ACRLoss)
    assert (other.lam, other.rule, other.curve, other.modes) == (3.0, "count", "smooth", 7)
    wing = create_loss("wing", omega=4.0)
    assert isinstance(wing, WingLoss)
    assert wing.omega == 4.0


def test_messages() -> None:
    with pytest.raises(ValueError, match='unknown loss "wings"; did you mean "wing"'):
        create_loss("wings")
    with pytest.raises(ValueError, match='did you mean "acr-paper"'):
        create_loss("acr_paper", MODEL)
    with pytest.raises(ValueError, match='loss "acr" needs a shape_model'):
        create_loss("acr")
    with pytest.raises(ValueError, match='loss "wing" has no option "beta"; it has omega, epsilon, unit'):
        create_loss("wing", beta=1.0)
