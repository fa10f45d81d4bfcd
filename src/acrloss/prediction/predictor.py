"""Landmarks of the faces in photographs and videos: find the faces, cut them out, run the network, go back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from acrloss.arrays import Float, Image
from acrloss.crops.crop import crop_matrix, to_image, warp
from acrloss.detection.detector import Detections, Detector
from acrloss.detection.installed import create_detector
from acrloss.errors import DataError
from acrloss.networks.localizer import Localizer, load_model
from acrloss.prediction.faces import Faces
from acrloss.prediction.inputs import as_rgb, check_boxes, image_files

if TYPE_CHECKING:
    import PIL.Image


# Faces a network sees at once: enough to be efficient, few enough for any memory.
_BATCH = 32
# Mean confidence below which a face is looked at again, in crops so much larger and shifted by such shares of the side.
# Faces turned far up or down lie otherwise in the detector's box than most.
_SURE, _ENLARGED, _SHIFTS = 0.8, 1.25, (0.0, -0.15, 0.15)
# Pictures that wait for others to fill a batch: a few photographs, whatever their size.
_WAITING_BYTES = 300_000_000


class Predictor:
    """Finds faces and their landmarks.

    >>> predictor = Predictor()  # the packaged model
    >>> faces = predictor("photo.jpg")
    >>> faces.landmarks.shape  # faces, landmarks, 2
    (1, 68, 2)

    Faces are looked at twice: in the crop that the detector's box gives and then, upright and tight, in the crop around
    the landmarks found there. So boxes need not be exact, and a tilted head costs no accuracy.
    """

    def __init__(
        self,
        model: str | Path | Localizer = "default",
        *,
        detector: str | Detector = "auto",
        threads: int = 0,
        refine: bool = True,
    ) -> None:
        """
        Args:
            model: a packaged model's name, a run folder, a .safetensors or .onnx file, or a network.
            detector: "auto", a name (see `acrloss.detection.installed`), or your own. It is created when first needed.
            threads: CPU threads of the network; 0 leaves the library's choice.
            refine: look at each face a second time.

        Raises:
            DataError: the model cannot be loaded.
        """
        self.model = load_model(model, threads) if isinstance(model, str | Path) else model
        self.scheme = self.model.scheme
        self._detector: str | Detector = detector
        self._refine = refine and (self.model.crop.box == "landmarks" or "landmarks" in self.model.box_maps)

    @property
    def detector(self) -> Detector:
        """The face detector.

        Raises:
            DataError: it is not installed.
        """
        if isinstance(self._detector, str):
            self._detector = create_detector(self._detector)
        return self._detector

    def __call__(
        self, image: str | Path | Image | PIL.Image.Image, boxes: ArrayLike | None = None, name: str = ""
    ) -> Faces:
        """The faces of one image.

        Args:
            image: a file; a (H, W), (H, W, 3) RGB or (H, W, 4) RGBA array of uint8, uint16 or floats in [0, 1]; or a
                PIL image. EXIF orientation is applied.
            boxes: x0, y0, x1, y1 of a face or (N, 4) of several, in pixels: the kind of box that the network was
                trained on (`model.crop.box`). Without, the detector looks for faces.
            name: `Faces.image` of an array; a file has its path.

        Raises:
            DataError: the image cannot be read, or no detector is installed.
            ValueError: a box has no extent or is not finite; the array is no image.
        """
        name = str(image) if isinstance(image, str | Path) else name
        pixels = as_rgb(image)
        return self._faces([(name, pixels, *self._find(pixels, boxes))])[0]

    def stream(
        self,
        sources: str | Path | Iterable[str | Path],
        failed: list[str] | None = None,
        boxes: ArrayLike | None = None,
    ) -> Iterator[tuple[Image, Faces]]:
        """The pixels and faces of many image files, in order; the network sees the faces of several images at once.

        Args:
            sources: files, folders (all images in them) and glob patterns; "**" stands for any depth.
            failed: takes one line for each image that cannot be read, and the others go on; without it the first
                such image raises.
            boxes: as for a single image, the same in every image.

        Raises:
            DataError: a source names no image, or an image cannot be read and `failed` is None.
        """
        waiting: list[tuple[str, Image, Detections, Float]] = []
        for path in image_files(sources):
            try:
                pixels = as_rgb(path)
            except DataError as error:
                if failed is None:
                    raise
                failed.append(str(error))
                continue
            waiting.append((str(path), pixels, *self._find(pixels, boxes)))
            faces, size = sum(len(w[3]) for w in waiting), sum(w[1].size for w in waiting)
            if faces >= _BATCH or len(waiting) >= _BATCH or size >= _WAITING_BYTES:
                yield from zip([w[1] for w in waiting], self._faces(waiting), strict=True)
                waiting = []
        yield from zip([w[1] for w in waiting], self._faces(waiting), strict=True)

    def locate(
        self, image: Image | Sequence[Image], squares: Float, rotations: Float | None = None
    ) -> tuple[Float, Float]:
        """Landmarks in given crops: one look, without a detector.

        Args:
            image: (H, W, 3) uint8 RGB, or one for each crop.
            squares: (N, 3) centre x, centre y and side of each crop, in pixels.
            rotations: (N,) degrees by which the faces are turned back, counter-clockwise on the screen.

        Returns:
            (N, M, 2) landmarks in pixels of the image and (N, M) confidence.
        """
        images = [image] * len(squares) if isinstance(image, np.ndarray) else image
        size = self.model.crop.size
        turns = np.zeros(len(squares)) if rotations is None else rotations
        matrices = [crop_matrix(s, size, rotation=-float(turn)) for s, turn in zip(squares, turns, strict=True)]
        landmarks = np.empty((len(squares), self.scheme.num_landmarks, 2))
        confidence = np.empty(landmarks.shape[:2])
        for start in range(0, len(matrices), _BATCH):
            part = range(start, min(start + _BATCH, len(matrices)))
            crops = np.stack([warp(images[i], matrices[i], size) for i in part])
            points, confidence[start : part.stop] = self.model.locate_crops(crops)
            for i, found in zip(part, points, strict=True):
                landmarks[i] = to_image(found, matrices[i], size)
        return landmarks, confidence

    def relocate(self, image: Image | Sequence[Image], landmarks: Float) -> tuple[Float, Float]:
        """Landmarks in the upright, tight crops around (N, M, 2) `landmarks` known roughly: the second look."""
        squares, turns = self.crops_around(landmarks)
        return self.locate(image, squares, turns)

    def crops_around(self, landmarks: Float) -> tuple[Float, Float]:
        """(N, 3) squares and (N,) rotations in degrees of the upright crops around (N, M, 2) landmarks."""
        turns = roll(landmarks, self.model.mean_shape)
        squares = np.empty((len(landmarks), 3))
        for i, (points, turn) in enumerate(zip(landmarks, turns, strict=True)):
            angle = np.deg2rad(-turn)
            upright = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
            turned = points @ upright.T
            box = np.concatenate([turned.min(axis=0), turned.max(axis=0)])[None]
            if self.model.crop.box != "landmarks":
                box = self.model.box_maps["landmarks"](box)
            square = self.model.crop.squares(box)[0]
            squares[i] = [*(square[:2] @ upright), square[2]]
        return squares, turns

    def locate_boxes(self, image: Image | Sequence[Image], boxes: Float) -> tuple[Float, Float]:
        """Landmarks and confidence of the faces in (N, 4) boxes of the kind that the network was trained on.

        A face of which the network stays unsure after two looks is looked at anew in larger crops up and down from its
        box, and keeps what the network is surest of.
        """
        squares = self.model.crop.squares(boxes)
        landmarks, confidence = self.locate(image, squares)
        if not self._refine or not len(boxes):
            return landmarks, confidence
        landmarks, confidence = self.relocate(image, landmarks)
        unsure = np.flatnonzero(confidence.mean(axis=1) < _SURE)
        if len(unsure):
            images: Image | list[Image] = (
                image if isinstance(image, np.ndarray) else [image[i] for i in unsure.tolist()]
            )
            for shift in _SHIFTS:
                tried = squares[unsure] * (1, 1, _ENLARGED)
                tried[:, 1] += shift * squares[unsure, 2]
                points, sure = self.relocate(images, self.locate(images, tried)[0])
                better = sure.mean(axis=1) > confidence[unsure].mean(axis=1)
                landmarks[unsure[better]], confidence[unsure[better]] = points[better], sure[better]
        return landmarks, confidence

    def map_boxes(self, boxes: Float) -> Float:
        """The detector's (N, 4) boxes as the network expects them."""
        known = self.model.box_maps.get(self.detector.name)
        # A model that never met this detector takes its boxes as they are; the second look mends most of that.
        return boxes if known is None else known(boxes)

    def _find(self, image: Image, boxes: ArrayLike | None) -> tuple[Detections, Float]:
        """The faces of an image, and their boxes as the network expects them."""
        if boxes is None:
            found = self.detector(image)
            return found, self.map_boxes(found.boxes)
        given = check_boxes(boxes)
        return Detections(given, np.ones(len(given))), given

    def _faces(self, found: Sequence[tuple[str, Image, Detections, Float]]) -> list[Faces]:
        """The faces of several images, each with its name, pixels, detections and boxes for the network."""
        if not found:
            return []
        images = [pixels for _, pixels, _, boxes in found for _ in boxes]
        landmarks, confidence = self.locate_boxes(images, np.concatenate([boxes for *_, boxes in found]))
        results, start = [], 0
        for name, _, detections, boxes in found:
            here = slice(start, start + len(boxes))
            ids = np.arange(len(boxes), dtype=np.int64)
            results.append(
                Faces(name, self.scheme, landmarks[here], confidence[here], detections.boxes, detections.scores, ids)
            )
            start = here.stop
        return results


def roll(landmarks: Float, mean_shape: Float | None) -> Float:
    """(N,) degrees by which each face of (N, M, 2) landmarks is turned against the mean shape, clockwise on the screen.

    The rotation that brings the (M, 2) mean shape closest (Procrustes); 0 where no mean shape is known.
    """
    if mean_shape is None:
        return np.zeros(len(landmarks))
    model = mean_shape - mean_shape.mean(axis=0)
    face = landmarks - landmarks.mean(axis=1, keepdims=True)
    along = (face * model).sum(axis=(1, 2))
    across = (model[:, 0] * face[..., 1] - model[:, 1] * face[..., 0]).sum(axis=1)
    return np.asarray(np.rad2deg(np.arctan2(across, along)), dtype=np.float64)
