"""Which faces are trained on, and which are held out to choose the epoch."""

import numpy as np

from acrloss.annotations import Annotations
from acrloss.errors import DataError


def training_split(annotations: Annotations, validation_share: float, seed: int) -> tuple[Annotations, Annotations]:
    """Training and validation faces.

    Splits "train" and "val" are taken as they are. Without "val", a random `validation_share` of the training faces
    is held out, whole persons where persons are known. Data without any split is all for training.

    Raises:
        DataError: there are no faces to train on, or too few to hold any out.
    """
    known = set(annotations.split_names)
    train = annotations.split("train") if known else annotations
    if len(train) == 0:
        raise DataError(
            f"{annotations.source} has no faces of split 'train' (it has: {', '.join(sorted(known))}); "
            "name the training faces' split 'train'"
        )
    if "val" in known:
        return train, annotations.split("val")
    if validation_share == 0:
        return train, train.select(np.zeros(len(train), dtype=bool))
    # Faces without a person are each their own.
    persons = np.array([person or f"face {i}" for i, person in enumerate(train.persons)])
    names = np.unique(persons)
    held = np.random.default_rng(seed).permutation(names)[: max(1, round(len(names) * validation_share))]
    out = np.isin(persons, held)
    if out.all():
        raise DataError(
            f"{annotations.source} has faces of one person only, none can be held out for validation; "
            "add people, or train without validation: --validation_share 0"
        )
    return train.select(~out), train.select(out)
