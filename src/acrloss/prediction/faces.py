"""The faces found in one image, and the forms that other programs take them in."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from acrloss.annotations import Annotations
from acrloss.arrays import Float, Image
from acrloss.files import write_atomic
from acrloss.formats.pts import write_pts
from acrloss.images import NO_IMAGE
from acrloss.schemes import Scheme

if TYPE_CHECKING:
    import pandas
    import supervision

# Mean confidence below which the network is unsure whether it sees a face at all.
UNSURE = 0.5


@dataclass(frozen=True, eq=False)
class Faces:
    """N faces of one image; coordinates are pixels of the image, the centre of its top-left pixel is (0, 0).

    Attributes:
        image: where the image came from: a file's path, or "frame 12" of a video, or "" for an array.
        scheme: the landmark scheme, of M landmarks.
        landmarks: (N, M, 2) float64; points may lie outside the image.
        confidence: (N, M) float64 in [0, 1], the probability that a landmark is within 5 % of the crop's side of the
            truth; NaN where the model does not tell.
        boxes: (N, 4) float64 x0, y0, x1, y1 of the faces: the detector's, or those that were given.
        scores: (N,) float64 in [0, 1] of the detector; 1 for boxes that were given.
        ids: (N,) which face of a video this is, the same from frame to frame; 0 to N-1 for a single image.
        reduced: by what the sides of the image were divided when it was decoded, more than 1 for a JPEG of more than
            100 megapixels. Coordinates are those of the whole image; `draw` takes the pixels that it was decoded to.
    """

    image: str
    scheme: Scheme
    landmarks: Float
    confidence: Float
    boxes: Float
    scores: Float
    ids: NDArray[np.int64]
    reduced: int = 1

    def __len__(self) -> int:
        return len(self.landmarks)

    @property
    def certainty(self) -> Float:
        """(N,) the mean confidence of each face; NaN where the model does not tell."""
        return np.asarray(self.confidence.mean(axis=1))

    @property
    def unsure(self) -> NDArray[np.bool_]:
        """(N,) whether the network is unsure of a face: its `certainty` is below a half. It may be none."""
        return np.asarray(self.certainty < UNSURE)

    def select(self, which: NDArray[np.bool_]) -> Faces:
        """The faces of a (N,) mask; they keep their ids."""
        return replace(
            self,
            landmarks=self.landmarks[which],
            confidence=self.confidence[which],
            boxes=self.boxes[which],
            scores=self.scores[which],
            ids=self.ids[which],
        )

    def draw(self, image: Image) -> Image:
        """The (H, W, 3) uint8 RGB image with landmarks and boxes on it, those of `unsure` faces dashed and hollow; tiny
        images are enlarged."""
        from acrloss.figures.draw import draw_faces, scale_points

        landmarks, boxes = (scale_points(points, 1 / self.reduced) for points in (self.landmarks, self.boxes))
        return draw_faces(image, landmarks, self.scheme, boxes, self.unsure)

    def to_dict(self) -> dict[str, Any]:
        """Plain types, for JSON."""
        unknown = bool(np.isnan(self.confidence).any())
        return {
            "image": self.image,
            "scheme": self.scheme.name,
            "faces": [
                {
                    "id": int(self.ids[i]),
                    "box": self.boxes[i].round(2).tolist(),
                    "score": round(float(self.scores[i]), 4),
                    "landmarks": self.landmarks[i].round(3).tolist(),
                    "confidence": None if unknown else self.confidence[i].round(4).tolist(),
                }
                for i in range(len(self))
            ],
        }

    def to_pandas(self) -> pandas.DataFrame:
        """A row a face: image, face, score, x0, y0, x1, y1 of the box, then px0, py0, c0, px1, … (needs pandas)."""
        import pandas

        header, rows = self.table()
        return pandas.DataFrame(rows, columns=header)

    def to_supervision(self) -> supervision.KeyPoints:
        """For Roboflow's supervision (needs supervision 0.31 or newer)."""
        import supervision

        return supervision.KeyPoints(
            xy=self.landmarks.astype(np.float32),
            keypoint_confidence=self.confidence.astype(np.float32),
            detection_confidence=self.scores.astype(np.float32),
            class_id=np.zeros(len(self), dtype=int),
        )

    def to_annotations(self) -> Annotations:
        """As if the faces had been annotated, for `acrloss.formats.write_annotations`: COCO, CVAT, LabelMe, imglab …"""
        image = self.image or f"{NO_IMAGE}array"
        return Annotations.create([image] * len(self), self.landmarks, self.scheme, boxes=self.boxes, source=self.image)

    def write_json(self, path: str | Path) -> Path:
        """`to_dict` as a file."""
        return write_atomic(path, json.dumps(self.to_dict(), indent=1) + "\n")

    def write_pts(self, path: str | Path) -> list[Path]:
        """A .pts file for each face: PATH for the first, then PATH with _2, _3, … before its suffix."""
        path = Path(path)
        return [
            write_pts(path if i == 0 else path.with_stem(f"{path.stem}_{i + 1}"), points)
            for i, points in enumerate(self.landmarks)
        ]

    def write_csv(self, path: str | Path) -> Path:
        """The columns of `to_pandas` as a file."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        header, rows = self.table()
        writer.writerow(header)
        writer.writerows(rows)
        return write_atomic(path, text.getvalue())

    def table(self) -> tuple[list[str], list[list[Any]]]:
        """Header and rows of `to_pandas`."""
        marks = self.scheme.num_landmarks
        values = np.concatenate([self.landmarks, self.confidence[..., None]], axis=-1).reshape(len(self), 3 * marks)
        return table_header(self.scheme), [
            [self.image, int(self.ids[i]), float(self.scores[i]), *self.boxes[i].round(3).tolist(), *row]
            for i, row in enumerate(values.round(4).tolist())
        ]


def table_header(scheme: Scheme) -> list[str]:
    """The columns of `Faces.table`."""
    points = [f"{column}{m}" for m in range(scheme.num_landmarks) for column in ("px", "py", "c")]
    return ["image", "face", "score", "x0", "y0", "x1", "y1", *points]
