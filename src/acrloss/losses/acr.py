"""ACR loss as a module, with the difficulty Φ of a shape model or without, and its presets."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

import numpy as np
import torch
from torch import Tensor

from acrloss.arrays import Float
from acrloss.losses.acr_curves import (
    Distance,
    Tail,
    acr_likelihood_loss,
    acr_loss,
    check_distance,
    smooth_acr_loss,
)
from acrloss.losses.base import CommonOptions, LandmarkLoss, check_positive, paired
from acrloss.losses.registration import Preset, Registration
from acrloss.shapes.difficulty import (
    Per,
    Rule,
    check_faces,
    check_per_and_clamp,
    compute_dtype,
    count_modes,
    difficulty_of,
    input_eps,
    smooth_faces,
)
from acrloss.shapes.landmarks import Kind, Landmarks, as_landmarks, like
from acrloss.shapes.schedule import ModeSchedule
from acrloss.shapes.shape_model import ShapeModel

if TYPE_CHECKING:
    from typing_extensions import Unpack

Curve: TypeAlias = Literal["paper", "continuous", "smooth", "likelihood"]

_SHAPE_BUFFERS = ("mean", "components", "eigenvalues", "active_modes")


class ACRLoss(LandmarkLoss):
    """ACR loss; with a shape model it measures the difficulty Φ of each target and follows the schedule of modes.

    The defaults are the preset "acr-2", or "acr-1" with a shape model; `create_loss` has all presets with evidence.

    Φ is measured on the target as given, before `unit` applies: the shape model must be fitted on landmarks
    in the same frame as the targets (crop units of the training crops). To use the Φ of the annotated instead
    of the augmented face, compute it once and pass it as `difficulty`.

    Call `set_epoch` at the start of each epoch; it changes a buffer, so nothing is compiled anew. The state
    dict holds the shape model, the epoch and the modes in use. The shape model stays in float64 (float32 on
    MPS) whatever `.to()`, `.half()` or autocast ask for: Φ is a ratio of small residuals.

    Args:
        shape_model: modes of variation, from which Φ is measured; its landmarks are the ones the loss accepts. Without
            it Φ is `phi` everywhere, and any landmarks will do.
        phi: Φ of all coordinates where there is no shape model.
        schedule: share of modes over the epochs (default: the paper's `ModeSchedule()`), or one share for
            all.
        rule, per, clamp: reading of the share and of Φ, see `ShapeModel.modes` and `ShapeModel.difficulty`.
        curve: "paper" and "continuous" are `acr_loss` with that offset; "smooth" is `smooth_acr_loss`; "likelihood" is
            `acr_likelihood_loss`, for predictions (N, M, 4) with the logarithms of widths, already in the loss's unit.
        lam: λ of the curve.
        epsilon, omega, tail, distance: of the smooth curve, in the loss's unit; the others ignore them.
        common: unit, input_size, eyes and reduction, see `LandmarkLoss`.

    Raises:
        TypeError, ValueError: something else for a shape model, or an option out of range.
    """

    default_unit = 224.0
    takes_difficulty = True
    has_schedule = True

    mean: Tensor
    components: Tensor
    eigenvalues: Tensor
    active_modes: Tensor
    epoch: Tensor

    def __init__(
        self,
        shape_model: ShapeModel | None = None,
        schedule: ModeSchedule | float | None = None,
        *,
        phi: float = 0.0,
        rule: Rule = "variance",
        per: Per = "landmark",
        clamp: float | None = None,
        curve: Curve = "smooth",
        lam: float = 10.0,
        epsilon: float = 2.0,
        omega: float = 10.0,
        tail: Tail = "linear",
        distance: Distance = "coordinate",
        **common: Unpack[CommonOptions],
    ) -> None:
        super().__init__(**common)
        if not isinstance(shape_model, ShapeModel | None):
            raise TypeError(f"shape_model: expected a ShapeModel, got {type(shape_model).__name__}")
        if not 0 <= phi <= 1:
            raise ValueError(f"phi: expected a number in [0, 1], got {phi!r}")
        check_positive(lam=lam, epsilon=epsilon, omega=omega)
        check_per_and_clamp(per, clamp)
        if curve not in get_args(Curve):
            raise ValueError(f"curve: expected one of {', '.join(get_args(Curve))}, got {curve!r}")
        if tail not in ("linear", "quadratic"):
            raise ValueError(f'tail: expected "linear" or "quadratic", got {tail!r}')
        check_distance(distance)
        if schedule is None:
            schedule = ModeSchedule()
        elif not isinstance(schedule, ModeSchedule):
            schedule = ModeSchedule.constant(schedule)
        self.schedule = schedule
        self.rule: Rule = rule
        self.per: Per = per
        self.clamp = clamp
        self.curve: Curve = curve
        self.channels = 4 if curve == "likelihood" else 2
        self.lam, self.epsilon, self.omega = lam, epsilon, omega
        self.tail: Tail = tail
        self.distance: Distance = distance
        self.phi = phi
        self.num_landmarks = shape_model.num_landmarks if shape_model else None
        for name in ("mean", "components", "eigenvalues"):
            self.register_buffer(name, getattr(shape_model, name).clone() if shape_model else torch.empty(0))
        self.register_buffer("active_modes", torch.ones_like(self.eigenvalues))
        self.register_buffer("epoch", torch.zeros((), dtype=torch.int64))
        self.set_epoch(0)

    @property
    def modes(self) -> int:
        """Number of modes k in use in the current epoch; 0 without a shape model."""
        return int(self.active_modes.sum())

    def set_epoch(self, epoch: int) -> None:
        """Use the schedule's share for `epoch` (from 0); raises ValueError for a negative one."""
        share = self.schedule.share(epoch)
        if self.num_landmarks is not None:
            k = count_modes(self.eigenvalues, len(self.mean), share, self.rule)
            self.active_modes.copy_(torch.arange(len(self.eigenvalues)) < k)
        self.epoch.fill_(epoch)

    @torch.no_grad()
    def difficulty(self, landmarks: Kind) -> Kind:
        """Φ (N, M, 2) of landmarks (N, M, 2) with the current epoch's modes; see `ShapeModel.difficulty`."""
        faces = as_landmarks(landmarks)
        if self.num_landmarks is None:
            return like(landmarks, torch.full_like(faces, self.phi))
        check_faces(faces, self.num_landmarks, len(self.mean))
        with torch.autocast(faces.device.type, enabled=False):
            exact = faces.to(self.mean)
            smooth = smooth_faces(exact, self.mean, self.components * self.active_modes, self.eigenvalues, self.clamp)
            phi = difficulty_of(exact, smooth, self.mean, self.per, input_eps(faces.dtype))
        return like(landmarks, phi)

    def forward(self, pred: Landmarks, target: Landmarks, difficulty: Landmarks | None = None) -> Tensor:
        """The loss of predictions (N, M, 2), or (N, M, 4) with `curve="likelihood"`, against landmarks (N, M, 2), NaN
        where missing.

        Args:
            difficulty: Φ (N, M, 2) in [0, 1] to use instead of the target's own.

        Returns:
            A scalar, or (N, M, 2) for reduction "none"; float32 at least.

        Raises:
            TypeError, ValueError: as `acr_loss`; landmarks that are not the shape model's.
        """
        pair = paired(pred, target, self.channels // 2)
        # Φ of the target as given: how far its residuals can be trusted depends on its precision.
        phi = self.difficulty(as_landmarks(target)) if difficulty is None else difficulty
        pred, target = self.to_unit(*pair)
        if self.curve == "likelihood":
            return acr_likelihood_loss(pred, target, phi, self.lam, self.reduction)
        if self.curve == "smooth":
            curve = (self.lam, self.epsilon, self.omega, self.tail, self.reduction, self.distance)
            return smooth_acr_loss(pred, target, phi, *curve)
        return acr_loss(pred, target, phi, self.lam, self.curve, self.reduction)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> ACRLoss:
        # Conversions move the shape model but never round it; an integer buffer tells where to.
        device = fn(self.epoch).device
        exact = {name: self._buffers[name] for name in _SHAPE_BUFFERS}
        self._buffers.update(dict.fromkeys(_SHAPE_BUFFERS))
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call, unused-ignore]
        for name, buffer in exact.items():
            assert buffer is not None
            self._buffers[name] = buffer.to(device, compute_dtype(device))
        return self

    def extra_repr(self) -> str:
        phi = f"phi={self.phi}"
        if self.num_landmarks is not None:
            phi = f"modes={self.modes}, rule={self.rule!r}, per={self.per!r}"
        return (
            f"{phi}, curve={self.curve!r}, distance={self.distance!r}, lam={self.lam}, epsilon={self.epsilon}, "
            f"omega={self.omega}, {super().extra_repr()}"
        )


def oracle(pred: Float, target: Float, loss: Any, phi: Float) -> Float:
    """ACR by its formulas, for tests: the paper's eqs. 5 to 7, and what `smooth_acr_loss` and its kin say."""
    p, lam = 2 - phi, loss.lam
    delta = np.abs(pred[..., :2] - target)
    if loss.curve in ("paper", "continuous"):
        constant = (phi if loss.curve == "paper" else lam) * np.log(2) - 1
        return np.asarray(np.where(delta <= 1, lam * np.log(1 + np.minimum(delta, 1) ** p), delta**2 + constant))
    if loss.curve == "likelihood":
        x = delta / np.exp(pred[..., 2:])
        inner, outer = np.log(1 + np.minimum(x, 1) ** p), np.log(2) + p / 4 * (x**2 - 1)
        return np.asarray(lam * np.where(x <= 1, inner, outer) + pred[..., 2:])
    if loss.distance == "landmark":
        delta, p = np.linalg.norm(delta, axis=-1, keepdims=True), p.mean(axis=-1, keepdims=True)
    elif loss.distance == "face":
        delta = np.sqrt((delta**2).sum(axis=-1, keepdims=True).mean(axis=1, keepdims=True))
        p = p.mean(axis=(1, 2), keepdims=True)
    x, w = delta / loss.epsilon, loss.omega / loss.epsilon
    slope = p * w ** (p - 1) / (1 + w**p)
    tail = slope * (x - w) if loss.tail == "linear" else slope * (x**2 - w**2) / (2 * w)
    values = lam * np.where(x <= w, np.log(1 + np.minimum(x, w) ** p), np.log(1 + w**p) + tail)
    return np.broadcast_to(values, target.shape)


# Wing's scale and unit on a C¹ curve, with the reading of Φ that agrees best with a network's errors.
FIRST: dict[str, Any] = {
    "curve": "smooth",
    "lam": 10.0,
    "epsilon": 2.0,
    "omega": 10.0,
    "unit": 224.0,
    "rule": "variance",
    "per": "landmark",
}
# Presets never change: a better one gets the next number, and studies and saved configurations mean what they meant.
LOSS = Registration(
    ACRLoss,
    presets={
        "acr-1": Preset("acr-2 with the difficulty Φ of a shape model, per landmark by the variance rule", FIRST, True),
        "acr-2": Preset(
            "the C¹ curve at Wing's scale, one width for all: a drop-in for L2, L1 or Wing; what `ACRLoss()` is",
            {**FIRST, "phi": 0.0},
        ),
        "acr-3": Preset(
            "the paper's curve at a width that the network predicts for each coordinate; Φ = 1",
            {"curve": "likelihood", "lam": 1.0, "unit": 20.0, "phi": 1.0},
        ),
        "acr-paper": Preset(
            "as printed, jump and kink included, with Φ per coordinate by the count rule",
            {"curve": "paper", "lam": 1.0, "unit": "crop", "rule": "count", "per": "coordinate"},
            True,
        ),
    },
    oracle=oracle,
    examples=(
        {"lam": 2.5},
        {"curve": "continuous", "lam": 2.5, "unit": 30.0},
        {"curve": "smooth", "tail": "quadratic", "unit": 100.0, "epsilon": 0.7, "omega": 3.0},
        {"curve": "smooth", "distance": "landmark", "unit": 224.0},
        {"curve": "smooth", "distance": "face", "unit": 224.0},
        {"curve": "likelihood", "lam": 1.5},
    ),
)
