"""ACR loss with another Φ in the same place: the controls that show whether Φ itself helps."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

import torch
from torch import Tensor

from acrloss.losses.acr import FIRST, ACRLoss, oracle
from acrloss.losses.base import paired
from acrloss.losses.registration import Preset, Registration
from acrloss.shapes.difficulty import check_faces, smooth_faces
from acrloss.shapes.landmarks import Kind, Landmarks, as_landmarks, like, visible
from acrloss.shapes.shape_model import ShapeModel

Phi: TypeAlias = Literal[
    "own", "inverted", "shuffled", "random", "average", "inverted average", "online", "zero", "half", "one"
]
Scale: TypeAlias = Literal["face", "data"]
Role: TypeAlias = Literal["exponent", "factor", "both"]

_CONSTANT = {"zero": 0.0, "half": 0.5, "one": 1.0}
# Weight of a new batch in the running mean of the network's errors.
_NEWEST = 0.02


class ACRControlLoss(ACRLoss):
    """ACR loss whose Φ is replaced, scaled or used otherwise.

    Args:
        shape_model, schedule: as for `ACRLoss`.
        phi: what takes the place of Φ. "own": the face's residuals, as in `ACRLoss`; "inverted": 1 - Φ; "shuffled":
            another face's of the batch; "random": uniform; "average": each landmark's expected residual under the shape
            model, the same for all faces, or 1 less that ("inverted average"); "online": the running mean of the
            network's own error at each landmark; "zero", "half", "one": constants.
        scale: "face": residuals over the largest of the face, as in the paper; "data": r/(r + σ), with σ the root mean
            square residual that the shape model expects, so that hard faces have a larger Φ than easy ones.
        role: "exponent": 2 - Φ, as in the paper; "factor": errors times 1 + Φ, at the exponent 1; "both".
        options: of `ACRLoss`.

    Raises:
        ValueError: an unknown phi, scale or role, and as `ACRLoss`.
    """

    errors: Tensor

    def __init__(
        self,
        shape_model: ShapeModel,
        schedule: Any = None,
        *,
        phi: Phi = "own",
        scale: Scale = "face",
        role: Role = "exponent",
        **options: Any,
    ) -> None:
        for name, value, known in (("phi", phi, Phi), ("scale", scale, Scale), ("role", role, Role)):
            if value not in get_args(known):
                raise ValueError(f"{name}: expected one of {', '.join(get_args(known))}, got {value!r}")
        super().__init__(shape_model, schedule, **options)
        self.control: Phi = phi
        self.scale: Scale = scale
        self.role: Role = role
        self.register_buffer("errors", torch.zeros(shape_model.num_landmarks))

    @torch.no_grad()
    def difficulty(self, landmarks: Kind) -> Kind:
        """What takes Φ's place: (N, M, 2) in [0, 1] for landmarks (N, M, 2), which are NaN where missing."""
        faces = as_landmarks(landmarks)
        assert self.num_landmarks is not None
        check_faces(faces, self.num_landmarks, len(self.mean))
        if self.control in _CONSTANT:
            phi = torch.full_like(faces, _CONSTANT[self.control])
        elif self.control == "random":
            phi = torch.rand_like(faces)
        elif self.control == "online":
            phi = self._scaled(self.errors.to(faces)[None, :, None].expand(faces.shape), self.errors.mean())
        else:
            exact = faces.to(self.mean)
            # Variances of the modes in use and of those that are not; the latter make up the residual.
            unused = (self.components.square() * (self.eigenvalues * (1 - self.active_modes))).sum(dim=1)
            expected = self._per_landmark(unused.reshape(1, self.num_landmarks, -1).sqrt())
            if self.control.endswith("average"):
                residual = expected.expand(exact.shape)
            else:
                used = self.components * self.active_modes
                smooth = smooth_faces(exact, self.mean, used, self.eigenvalues, self.clamp)
                residual = self._per_landmark((smooth - exact).abs())
            phi = self._scaled(torch.where(visible(exact), residual, 0.0), expected.square().mean().sqrt())
            if self.control.startswith("inverted"):
                phi = 1 - phi
            elif self.control == "shuffled":
                phi = phi[torch.randperm(len(phi), device=phi.device)]
        return like(landmarks, phi)

    def forward(self, pred: Landmarks, target: Landmarks, difficulty: Landmarks | None = None) -> Tensor:
        """As `ACRLoss.forward`."""
        pred, target = paired(pred, target, self.channels // 2)
        phi = self.difficulty(target) if difficulty is None else as_landmarks(difficulty, "difficulty")
        mean, log_width = pred[..., : target.shape[-1]], pred[..., target.shape[-1] :]
        if self.control == "online" and self.training:
            self._remember(mean, target)
        if self.role == "exponent":
            return super().forward(pred, target, phi)
        stretched = target + (1 + phi.detach().to(mean)) * (mean - target)
        # Where the target is missing all is: the loss leaves it out, and no NaN may reach the gradient.
        stretched = torch.cat((torch.where(visible(target), stretched, 0.0), log_width), dim=-1)
        return super().forward(stretched, target, phi if self.role == "both" else torch.ones_like(phi))

    def _per_landmark(self, residual: Tensor) -> Tensor:
        """Residuals (N, M, d) as `per` says."""
        if self.per == "coordinate":
            return residual
        length: Tensor = torch.linalg.vector_norm(residual, dim=-1, keepdim=True)
        return length.expand(residual.shape)

    def _scaled(self, residual: Tensor, typical: Tensor) -> Tensor:
        """Residuals (N, M, d) as values from 0 to 1; 0 where there is none anywhere."""
        scale = residual + typical if self.scale == "data" else residual.amax((1, 2), keepdim=True)
        return torch.where(scale > 0, residual / torch.where(scale > 0, scale, 1.0), 0.0)

    @torch.no_grad()
    def _remember(self, pred: Tensor, target: Tensor) -> None:
        distance = torch.linalg.vector_norm(pred - target, dim=-1)
        seen = ~distance.isnan()
        mean = torch.where(seen, distance, 0.0).sum(dim=0) / seen.sum(dim=0).clamp(min=1)
        newest = torch.where(self.errors > 0, _NEWEST, 1.0) * seen.any(dim=0)
        self.errors.lerp_(mean.to(self.errors), newest.to(self.errors))

    def extra_repr(self) -> str:
        return f"phi={self.control!r}, scale={self.scale!r}, role={self.role!r}, {super().extra_repr()}"


LOSS = Registration(
    ACRControlLoss,
    presets={"acr-control": Preset("acr-1 with something else in the place of Φ, for studies", FIRST, True)},
    oracle=oracle,
    examples=({"phi": "inverted"}, {"phi": "average", "scale": "data"}),
)
