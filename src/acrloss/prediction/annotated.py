"""What a network, a predictor or the mean face finds on annotated faces, to be scored."""

import numpy as np
from torch.utils.data import DataLoader

from acrloss.annotations import Annotations
from acrloss.arrays import Float
from acrloss.boxes import best_match
from acrloss.crops.crop import CropSpec, crop_matrix, to_image
from acrloss.crops.dataset import LandmarkDataset
from acrloss.errors import DataError
from acrloss.images import read_image
from acrloss.networks.localizer import Localizer
from acrloss.prediction.predictor import Predictor
from acrloss.progress_hook import Progress, no_progress


def predict_annotated(
    network: Localizer,
    annotations: Annotations,
    *,
    batch_size: int = 64,
    progress: Progress = no_progress,
) -> Float:
    """(N, M, 2) landmarks that `network` finds, in pixels of the images; NaN where an image cannot be read.

    Faces are cut out as the network's own crop says.

    Raises:
        DataError: faces cannot be cut out, or the network's landmarks are not finite.
    """
    dataset = LandmarkDataset(annotations, network.crop, keep=False)
    found = np.full(annotations.landmarks.shape, np.nan)
    loader = DataLoader(dataset, batch_size=batch_size)
    for batch in progress(loader, "scoring", len(loader)):
        landmarks, _ = network.locate_crops(batch["image"].permute(0, 2, 3, 1).numpy())
        for index, readable, matrix, points in zip(
            batch["index"].tolist(), batch["readable"].tolist(), batch["matrix"].numpy(), landmarks, strict=True
        ):
            if not np.isfinite(points).all():
                raise DataError(f"the network's landmarks for {annotations.images[index]} are not finite; retrain it")
            if readable:
                found[index] = to_image(points, matrix, network.crop.size)
    return found


def predict_detected(
    predictor: Predictor,
    annotations: Annotations,
    *,
    progress: Progress = no_progress,
) -> Float:
    """(N, M, 2) landmarks found without the annotated boxes: by the face detector, as on any photograph.

    Each annotated face takes what was found in the detector's box that fits it best. NaN where there is none, or the
    image cannot be read.
    """
    boxes = predictor.model.crop.boxes(annotations)
    found = np.full(annotations.landmarks.shape, np.nan)
    for i in progress(range(len(annotations)), "scoring", len(annotations)):
        try:
            image = read_image(annotations.images[i])
        except DataError:
            continue
        detected = predictor.detector(image)
        mapped = predictor.map_boxes(detected)
        match = best_match(boxes[i], mapped)
        if match is not None:
            one = slice(match, match + 1)
            found[i] = predictor.locate_boxes(image, mapped[one], detected.turns[one])[0][0]
    return found


def predict_mean_face(mean_shape: Float, annotations: Annotations, crop: CropSpec) -> Float:
    """(N, M, 2) the mean shape (M, 2), in crop units, laid into every face's crop: what any network must beat."""
    squares = crop.squares(crop.boxes(annotations))
    return np.stack([to_image(mean_shape, crop_matrix(square, crop.size), crop.size) for square in squares])
