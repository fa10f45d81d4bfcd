"""Landmarks of the faces in photographs and videos: find the faces, cut them out, run the network, go back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from acrloss.arrays import Float, Image
from acrloss.crops.crop import crop_matrix, to_image, warp
from acrloss.detection.detector import Detections, Detector
from acrloss.detection.installed import create_detector
from acrloss.errors import DataError
from acrloss.networks.localizer import Localizer, load_model
from acrloss.prediction.faces import Faces
from acrloss.prediction.inputs import as_rgb, check_boxes, image_files, read_pixels

if TYPE_CHECKING:
    import PIL.Image


# Faces a network sees at once: enough to be efficient, few enough for any memory.
_BATCH = 32
# A face is lost where the mean confidence of both looks is below this, and what they find lies further apart than such
# a share of the crop's side: a network that finds the same twice has found something, however sure it says it is.
_LOST, _APART = 0.5, 0.02
# Where lost faces are looked for: x and y, as shares of the side, how much larger, and degrees of turning. Faces turned
# far up or down lie otherwise in the detector's box than most; others lie on their side or upside down.
_ELSEWHERE = ((0.0, 1.25, 0), (-0.15, 1.25, 0), (0.15, 1.25, 0), (0.0, 1.0, 90), (0.0, 1.0, 180), (0.0, 1.0, 270))
# What is found there counts where it is so sure, by so much surer than both looks, where a further look at it finds the
# same up to such a share of the side, and its middle lies within such a share of the box's. benchmarks/turned.py
# measured these: networks trained for a minute and on other objects are sure of themselves in crops without a face.
_FOUND, _SURER, _SAME, _NEAR = 0.6, 0.4, 0.15, 0.5
# Pictures that wait for others to fill a batch: a few photographs, whatever their size.
_WAITING_BYTES = 300_000_000

# An image as people have it.
Picture: TypeAlias = "str | Path | Image | PIL.Image.Image"
# The boxes of an image, from its path and (width, height).
BoxesOf: TypeAlias = Callable[[str, tuple[int, int]], ArrayLike]


@dataclass(frozen=True, eq=False)
class _Seen:
    """An image whose faces are known, but not yet their landmarks; pixels as it was decoded, `reduced` by that much."""

    name: str
    pixels: Image
    reduced: int
    found: Detections
    boxes: Float


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
        retry: bool = True,
    ) -> None:
        """
        Args:
            model: a packaged model's name, a run folder, a .safetensors or .onnx file, or a network.
            detector: "auto", a name (see `acrloss.detection.installed`), or your own. It is created when first needed.
            threads: CPU threads of a network that is loaded here; 0 leaves the library's choice.
            refine: look at each face a second time.
            retry: look for a face that both looks have lost elsewhere around its box, and turned by 90°, 180° and 270°;
                without `refine` there is none.

        Raises:
            DataError: the model cannot be loaded.
            ValueError: threads are given for a network that is loaded already.
        """
        if threads and not isinstance(model, str | Path):
            raise ValueError("the threads of a network are its own matter: give them to load_model(…, threads=…)")
        self.model = load_model(model, threads) if isinstance(model, str | Path) else model
        self.scheme = self.model.scheme
        self._detector: str | Detector = detector
        self._created = False
        self._refine = refine and (self.model.crop.box == "landmarks" or "landmarks" in self.model.box_maps)
        self._retry = retry

    @property
    def detector(self) -> Detector:
        """The face detector.

        Raises:
            DataError: it is not installed.
        """
        if isinstance(self._detector, str):
            self._detector, self._created = create_detector(self._detector, known=self.model.box_maps), True
        return self._detector

    @overload
    def __call__(self, image: Picture, boxes: ArrayLike | None = None, name: str = "") -> Faces: ...
    @overload
    def __call__(self, image: list[Picture], boxes: Sequence[ArrayLike | None] | None = None) -> list[Faces]: ...
    def __call__(self, image: Picture | list[Picture], boxes: Any = None, name: str = "") -> Faces | list[Faces]:
        """The faces of one image; of a list of images, as `batch` gives them.

        Args:
            image: a file; a (H, W), (H, W, 3) RGB or (H, W, 4) RGBA array of uint8, uint16 or floats in [0, 1]; or a
                PIL image. EXIF orientation is applied.
            boxes: x0, y0, x1, y1 of a face or (N, 4) of several, in pixels: the kind of box that the network was
                trained on (`model.crop.box`); [] gives no face. Without, the detector looks for faces.
            name: `Faces.image` of an array; a file has its path.

        Raises:
            DataError: the image cannot be read, or no detector is installed.
            ValueError: a box has no extent or is not finite; the array is no image.
        """
        if isinstance(image, list):
            return self.batch(image, boxes)
        return self._faces([self._see(image, boxes, name)])[0]

    def batch(
        self,
        images: Iterable[Picture],
        boxes: Sequence[ArrayLike | None] | None = None,
        names: Sequence[str] | None = None,
    ) -> list[Faces]:
        """The faces of each of several images; the network sees those of several images at once.

        Args:
            images: files, arrays or PIL images, as a single one.
            boxes: for each image what a single one takes.
            names: `Faces.image` of each.

        Raises:
            DataError: an image cannot be read.
            ValueError: an image or a box is none, or there is another number of boxes or names than of images.
        """
        pictures = list(images)
        for what, given in (("boxes", boxes), ("names", names)):
            if given is not None and len(given) != len(pictures):
                raise ValueError(f"{len(pictures)} images need as many entries of {what}, not {len(given)}")
        seen = (
            self._see(picture, None if boxes is None else boxes[i], "" if names is None else names[i])
            for i, picture in enumerate(pictures)
        )
        return [faces for _, faces in self._in_batches(seen)]

    def stream(
        self,
        sources: str | Path | Iterable[str | Path],
        failed: list[str] | None = None,
        boxes: ArrayLike | BoxesOf | None = None,
    ) -> Iterator[tuple[Image, Faces]]:
        """The pixels and faces of many image files, in order; the network sees the faces of several images at once.

        Args:
            sources: files, folders (all images in them) and glob patterns; "**" stands for any depth.
            failed: takes one line for each image that cannot be read, and the others go on; without it the first
                such image raises.
            boxes: as for a single image, the same in every image; or a function that gives those of an image, from its
                path and its (width, height).

        Raises:
            DataError: a source names no image, or an image cannot be read and `failed` is None.
        """
        return self._in_batches(self._see_files(image_files(sources), failed, boxes))

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

    def locate_boxes(
        self, image: Image | Sequence[Image], boxes: Float, turns: Float | None = None
    ) -> tuple[Float, Float]:
        """Landmarks and confidence of the faces in (N, 4) boxes of the kind that the network was trained on.

        Where a detector tells by which (N,) degrees the faces are turned, clockwise on the screen, they are upright in
        the first look already.

        Faces are looked at twice. Where both looks have lost a face, it is looked for in larger crops up and down from
        its box, and lying on its side and upside down; what is found there counts only where the network is sure of it,
        and still is after a further look.
        """
        squares = self.model.crop.squares(boxes)
        first, sure = self.locate(image, squares, turns)
        if not self._refine or not len(boxes):
            return first, sure
        landmarks, confidence = self.relocate(image, first)
        best = np.maximum(sure.mean(axis=1), confidence.mean(axis=1))
        lost = np.flatnonzero((best < _LOST) & (_distance(first, landmarks) > _APART * squares[:, 2]))
        if self._retry and len(lost):
            known = np.zeros(len(boxes)) if turns is None else turns
            self._find_lost(image, squares, known, lost, best, landmarks, confidence)
        return landmarks, confidence

    def _find_lost(
        self,
        image: Image | Sequence[Image],
        squares: Float,
        known: Float,
        lost: NDArray[np.intp],
        best: Float,
        landmarks: Float,
        confidence: Float,
    ) -> None:
        """Look for the `lost` of the faces elsewhere; those that are found change in `landmarks` and `confidence`."""
        which = np.repeat(lost, len(_ELSEWHERE))
        down, larger, turns = np.tile(np.array(_ELSEWHERE).T, len(lost))
        tried = squares[which] * np.stack([np.ones_like(larger), np.ones_like(larger), larger], axis=1)
        tried[:, 1] += down * squares[which, 2]
        images = image if isinstance(image, np.ndarray) else [image[i] for i in which.tolist()]
        found, _ = self.relocate(images, self.locate(images, tried, known[which] + turns)[0])
        again, sure = self.relocate(images, found)
        sides, surest = squares[which, 2], sure.mean(axis=1)
        counts = (surest >= np.maximum(_FOUND, best[which] + _SURER)) & (_distance(found, again) < _SAME * sides)
        counts &= np.linalg.norm(again.mean(axis=1) - squares[which, :2], axis=1) < _NEAR * sides
        # The surest last, so that it stays.
        for i in np.flatnonzero(counts)[np.argsort(surest[counts], kind="stable")]:
            landmarks[which[i]], confidence[which[i]] = again[i], sure[i]

    def map_boxes(self, found: Detections) -> Float:
        """(N, 4) the detector's boxes as the network expects them."""
        known = self.model.box_maps.get(self.detector.name)
        # A model that never met this detector takes its boxes as they are; the second look mends most of that.
        return found.boxes if known is None else known(found.boxes, found.turns)

    def __getstate__(self) -> dict[str, Any]:
        """A detector of ours is created again where the predictor is unpickled, a model is loaded from its file."""
        state = dict(self.__dict__)
        if self._created:
            state["_detector"], state["_created"] = self.detector.name, False
        return state

    def _see_files(
        self, files: Iterable[Path], failed: list[str] | None, boxes: ArrayLike | BoxesOf | None
    ) -> Iterator[_Seen]:
        for path in files:
            try:
                yield self._see(path, boxes)
            except DataError as error:
                if failed is None:
                    raise
                failed.append(str(error))

    def _see(self, image: Picture, boxes: ArrayLike | BoxesOf | None, name: str = "") -> _Seen:
        """An image, the faces in it, and their boxes as the network expects them, all in pixels as decoded."""
        reduced = 1
        if isinstance(image, str | Path):
            name = str(image)
            pixels, reduced = read_pixels(image)
        else:
            pixels = as_rgb(image)
        if callable(boxes):
            boxes = boxes(name, (pixels.shape[1] * reduced, pixels.shape[0] * reduced))
        if boxes is None:
            found = self.detector(pixels)
            return _Seen(name, pixels, reduced, found, self.map_boxes(found))
        given = _scaled(check_boxes(boxes), 1 / reduced)
        return _Seen(name, pixels, reduced, Detections(given, np.ones(len(given))), given)

    def _in_batches(self, seen: Iterable[_Seen]) -> Iterator[tuple[Image, Faces]]:
        """The pixels and faces of images in order, looked at when there are enough for the network."""
        waiting: list[_Seen] = []
        for one in seen:
            waiting.append(one)
            faces, size = sum(len(w.boxes) for w in waiting), sum(w.pixels.size for w in waiting)
            if faces >= _BATCH or len(waiting) >= _BATCH or size >= _WAITING_BYTES:
                yield from zip([w.pixels for w in waiting], self._faces(waiting), strict=True)
                waiting = []
        yield from zip([w.pixels for w in waiting], self._faces(waiting), strict=True)

    def _faces(self, seen: Sequence[_Seen]) -> list[Faces]:
        """The faces of several images."""
        if not seen:
            return []
        images = [one.pixels for one in seen for _ in one.boxes]
        boxes = np.concatenate([one.boxes for one in seen])
        turns = np.concatenate([one.found.turns for one in seen])
        landmarks, confidence = self.locate_boxes(images, boxes, turns)
        results, start = [], 0
        for one in seen:
            here = slice(start, start + len(one.boxes))
            points, found = _scaled(landmarks[here], one.reduced), _scaled(one.found.boxes, one.reduced)
            ids = np.arange(len(found), dtype=np.int64)
            scores = one.found.scores
            results.append(
                Faces(one.name, self.scheme, points, confidence[here], found, scores, ids, reduced=one.reduced)
            )
            start = here.stop
        return results


def _scaled(points: Float, factor: float) -> Float:
    """Pixel coordinates in the image whose sides are `factor` times as long."""
    return points if factor == 1 else (points + 0.5) * factor - 0.5


def _distance(some: Float, others: Float) -> Float:
    """(N,) mean distances between the landmarks of (N, M, 2) faces."""
    return np.asarray(np.linalg.norm(some - others, axis=-1).mean(axis=1))


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
