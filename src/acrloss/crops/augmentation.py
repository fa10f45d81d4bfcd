"""How strongly training faces are changed; apart from the changes themselves, so that `--help` does not load torch."""

from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Augmentation:
    """Strength of each random change; 0 switches it off.

    Attributes:
        box_jitter: standard deviation of each edge of the box, as a share of its longer side. Teaches the network the
            boxes that a detector gives.
        rotation: largest turn, in degrees; uniform to both sides.
        scale: largest zoom in or out, as a share; log-uniform.
        translation: largest shift, as a share of the crop's side; uniform in x and y.
        mirror: probability of a mirrored face (its landmarks are permuted by the scheme's flip pairs).
        colour: largest change of brightness, contrast and saturation, as a share.
        grey: probability of a grey picture.
        blur: probability of Gaussian blur.
        noise: probability of Gaussian noise.
        jpeg: probability of JPEG artefacts.
        occlusion: probability of a rectangle of one colour over part of the face.
    """

    box_jitter: float = 0.03
    rotation: float = 15.0
    scale: float = 0.15
    translation: float = 0.05
    mirror: float = 0.5
    colour: float = 0.4
    grey: float = 0.1
    blur: float = 0.1
    noise: float = 0.1
    jpeg: float = 0.1
    occlusion: float = 0.3

    def __post_init__(self) -> None:
        limits = {"box_jitter": 0.2, "rotation": 180.0, "scale": 0.9, "translation": 1.0}
        for field in fields(self):
            value, limit = getattr(self, field.name), limits.get(field.name, 1.0)
            if not 0 <= value <= limit:
                raise ValueError(f"augmentation {field.name} must be 0 to {limit:g}, not {value}")
