"""Adaptive coordinate-based regression loss (ACR, arXiv 2203.15835): the paper's curve and corrected ones."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, TypeAlias, get_args

import torch
from torch import Tensor

from acrloss.losses.base import LandmarkLoss, Reduction, Unit, capped, check_positive, difference, paired, reduce
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
from acrloss.shapes.landmarks import Kind, Landmarks, as_landmarks, like, values_can_be_checked, visible
from acrloss.shapes.schedule import ModeSchedule
from acrloss.shapes.shape_model import ShapeModel

Curve: TypeAlias = Literal["paper", "continuous", "smooth", "likelihood"]
Offset: TypeAlias = Literal["paper", "continuous"]
Tail: TypeAlias = Literal["linear", "quadratic"]
Distance: TypeAlias = Literal["coordinate", "landmark", "face"]

LOG_WIDTH_RANGE = (-15.0, 15.0)
_SHAPE_BUFFERS = ("mean", "components", "eigenvalues", "active_modes")


def _inputs(pred: Landmarks, target: Landmarks, difficulty: Landmarks) -> tuple[Tensor, Tensor, Tensor]:
    """Checked (|pred - target|, Φ, present), each (N, M, d); the first two are 0 where missing."""
    pred, target = paired(pred, target)
    phi = as_landmarks(difficulty, "difficulty").detach()
    if phi.shape != target.shape:
        raise ValueError(f"difficulty: expected the target's shape {tuple(target.shape)}, got {tuple(phi.shape)}")
    present = visible(target)
    phi = torch.where(present, phi.to(pred.device, pred.dtype), 0.0)
    if values_can_be_checked(phi) and not bool(((phi >= 0) & (phi <= 1)).all()):
        raise ValueError("difficulty: expected values in [0, 1]")
    return difference(pred, target, present).abs(), phi, present


def _mean_square_root(squares: Tensor, present: Tensor, dims: int | tuple[int, int]) -> Tensor:
    """Root of the mean over `dims` where present, with gradient 0 where it is 0 or nothing is present."""
    mean = squares.sum(dims, keepdim=True) / present.sum(dims, keepdim=True).clamp(min=1)
    return torch.where(mean > 0, torch.where(mean > 0, mean, 1.0).sqrt(), 0.0)


def _grouped(delta: Tensor, phi: Tensor, present: Tensor, distance: Distance) -> tuple[Tensor, Tensor]:
    """Δ and Φ of `distance`, in shapes that broadcast to (N, M, d)."""
    if distance == "coordinate":
        return delta, phi
    if distance == "landmark":
        return math.sqrt(delta.shape[-1]) * _mean_square_root(delta.square(), present, -1), phi.mean(-1, keepdim=True)
    length = math.sqrt(delta.shape[-1]) * _mean_square_root(delta.square(), present, (1, 2))
    return length, phi.sum((1, 2), keepdim=True) / present.sum((1, 2), keepdim=True).clamp(min=1)


def acr_loss(
    pred: Landmarks,
    target: Landmarks,
    difficulty: Landmarks,
    lam: float = 1.0,
    offset: Offset = "paper",
    reduction: Reduction = "mean",
) -> Tensor:
    """ACR loss (eqs. 5-7): λ·ln(1 + Δ^(2-Φ)) where Δ <= 1, else Δ² + C; Δ = |pred - target| per coordinate.

    The paper's C = Φ·ln 2 - 1 makes the loss jump at Δ = 1 unless Φ = λ, and its slope jumps there from
    λ(2-Φ)/2 to 2. What an error of 1 is, is up to the caller: in crop units the square branch is never
    reached, in pixels almost always.

    Args:
        pred, target: (N, M, 2) in the same unit; NaN in `target` marks a missing landmark, which is left out.
        difficulty: Φ in [0, 1], (N, M, 2); no gradient flows into it. Its range is checked on the CPU only,
            outside torch.compile, where that costs no synchronisation.
        lam: λ > 0.
        offset: "paper" for its C, "continuous" for C = λ·ln 2 - 1, which removes the jump (not the kink).
        reduction: "mean" over present coordinates, "sum", or "none" for (N, M, 2).

    Raises:
        TypeError, ValueError: inputs that are not batches of faces or do not fit each other, Φ outside [0,
            1], λ <= 0, or an unknown offset or reduction.
    """
    check_positive(lam=lam)
    if offset not in ("paper", "continuous"):
        raise ValueError(f'offset: expected "paper" or "continuous", got {offset!r}')
    delta, phi, present = _inputs(pred, target, difficulty)
    small = lam * capped(delta, 1.0).pow(2 - phi).log1p()
    constant = phi * math.log(2) - 1 if offset == "paper" else lam * math.log(2) - 1
    return reduce(torch.where(delta <= 1, small, delta.square() + constant), present, reduction)


def smooth_acr_loss(
    pred: Landmarks,
    target: Landmarks,
    difficulty: Landmarks,
    lam: float = 1.0,
    epsilon: float = 1.0,
    omega: float = 1.0,
    tail: Tail = "linear",
    reduction: Reduction = "mean",
    distance: Distance = "coordinate",
) -> Tensor:
    """The ACR family without jump or kink: λ·ln(1 + x^p) where Δ <= ω, then a tail of equal value and slope.

    x = Δ/ε, p = 2 - Φ, and Δ is what `distance` says: |pred - target| of each coordinate, as in the paper; the
    Euclidean distance of each landmark; or the root mean square of a face's distances. The coarser it is, the less the
    curve's steepness at small errors answers to noise in single coordinates, while it still tells easy from hard
    landmarks or faces. Φ is averaged over what a distance covers. With w = ω/ε and
    s = λ·p·w^(p-1)/(1 + w^p), the slope in x, the tail adds s·(x - w) ("linear") or s·(x² - w²)/(2w)
    ("quadratic": the paper's square, scaled to fit).

    - ε = ω = 1 is the corrected, C¹ form of the paper's loss.
    - Φ ≡ 1, λ = ω is Wing(ω, ε) up to ω. There Wing jumps to slope 1; this keeps the slope ω/(ω + ε).
    - The linear tail makes it Adaptive Wing (Wang et al., ICCV 2019) with Φ in the place of the heatmap's
      value, its alpha = 2, θ = ω and weight λ.

    At Δ = 0 the slope is 0 for Φ < 1; for Φ = 1 it jumps from -λ/ε to λ/ε, as Wing's and L1's do.

    Args:
        pred, target: (N, M, 2) in the same unit; NaN in `target` marks a missing landmark, which is left out.
        difficulty: Φ in [0, 1], (N, M, 2), checked as in `acr_loss`; no gradient flows into it.
        lam: λ > 0.
        epsilon: ε > 0, curvature, in the unit of the landmarks.
        omega: ω > 0, where the tail begins, in the unit of the landmarks.
        tail: "linear" or "quadratic".
        reduction: "mean" over present coordinates, "sum", or "none" for (N, M, 2), in which the coordinates that share
            a distance share its loss.
        distance: "coordinate", "landmark" or "face".

    Raises:
        TypeError, ValueError: as `acr_loss`; ε or ω <= 0, or an unknown tail or distance.
    """
    check_positive(lam=lam, epsilon=epsilon, omega=omega)
    if tail not in ("linear", "quadratic"):
        raise ValueError(f'tail: expected "linear" or "quadratic", got {tail!r}')
    check_distance(distance)
    delta, phi, present = _inputs(pred, target, difficulty)
    delta, phi = _grouped(delta, phi, present, distance)
    loss = lam * _curve(delta / epsilon, 2 - phi, omega / epsilon, tail)
    return reduce(loss.expand(present.shape), present, reduction)


def acr_likelihood_loss(
    pred: Landmarks,
    target: Landmarks,
    difficulty: Landmarks,
    lam: float = 1.0,
    reduction: Reduction = "mean",
) -> Tensor:
    """ACR whose width the network predicts for each coordinate: λ·a(Δ/ε) + ln ε, Δ = |pred - target|, ε = e^s.

    a is the curve of `smooth_acr_loss` with ω = ε = 1 and the quadratic tail: ln(1 + x^p) up to x = 1 with p = 2 - Φ,
    then ln 2 + p/4·(x² - 1): the paper's two branches, without its jump. What is an error of 1 is thereby no choice of
    the user's any more: it is what the network expects of this coordinate of this face, and ln ε keeps it from
    expecting too much. Up to a constant this is the negative logarithm of a density (ours; with |x| + x²/2 in the place
    of a it would be RLE's, Li et al., ICCV 2021, before its flow has learned anything).

    Args:
        pred: (N, M, 4): x, y, ln ε_x, ln ε_y. ln ε is clamped to [-15, 15], beyond which its gradient is 0.
        target: (N, M, 2) in the same unit; NaN marks a missing landmark, which is left out.
        difficulty: Φ in [0, 1], (N, M, 2), checked as in `acr_loss`; no gradient flows into it.
        lam: λ > 0.
        reduction: "mean" over present coordinates, "sum", or "none" for (N, M, 2).

    Raises:
        TypeError, ValueError: as `acr_loss`.
    """
    check_positive(lam=lam)
    pred, target = paired(pred, target, channels_per_coordinate=2)
    mean, log_width = pred.chunk(2, dim=-1)
    delta, phi, present = _inputs(mean, target, difficulty)
    log_width = torch.where(present, log_width, 0.0).clamp(*LOG_WIDTH_RANGE)
    return reduce(lam * _curve(delta * (-log_width).exp(), 2 - phi, 1.0, "quadratic") + log_width, present, reduction)


def _curve(x: Tensor, p: Tensor, width: float, tail: Tail) -> Tensor:
    """ln(1 + x^p) up to x = width, then the tail of equal value and slope."""
    raised = torch.pow(width, p)
    slope = p * raised / (width * (1 + raised))
    excess = (x - width).relu()
    if tail == "quadratic":
        excess = excess + excess.square() / (2 * width)
    return capped(x, width).pow(p).log1p() + slope * excess


def check_distance(distance: str) -> None:
    """Raise ValueError unless `distance` is one of "coordinate", "landmark", "face"."""
    if distance not in ("coordinate", "landmark", "face"):
        raise ValueError(f'distance: expected "coordinate", "landmark" or "face", got {distance!r}')


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
        unit, input_size, eyes, reduction: see `LandmarkLoss`.

    Raises:
        TypeError, ValueError: something else for a shape model, or an option out of range.
    """

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
        unit: Unit = 224.0,
        input_size: int | None = None,
        eyes: tuple[int, int] | None = None,
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(unit=unit, input_size=input_size, eyes=eyes, reduction=reduction)
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
