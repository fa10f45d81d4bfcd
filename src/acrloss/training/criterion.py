"""The loss that a configuration names, with what it needs filled in."""

from acrloss.crops.crop import CropSpec
from acrloss.errors import DataError
from acrloss.losses import LandmarkLoss, create_loss
from acrloss.losses.create import registered
from acrloss.shapes.schedule import ModeSchedule
from acrloss.shapes.shape_model import ShapeModel
from acrloss.training.config import TrainConfig


def create_criterion(
    config: TrainConfig, shape_model: ShapeModel | None, crop: CropSpec, eyes: tuple[int, int] | None
) -> LandmarkLoss:
    """The loss that `config` names; the input size and the eyes that its unit may need are filled in.

    Raises:
        DataError: the loss or an option of it is unknown, or has a value that it does not take.
    """
    options = dict(config.loss_options)
    try:
        loss = registered(config.loss)
    except ValueError as error:
        raise DataError(f"--loss {config.loss}: {error}") from error
    if loss.kind.has_schedule:
        schedule = options.get("schedule", "stretched")
        if schedule == "stretched":
            options["schedule"] = ModeSchedule().stretched(config.epochs)
        elif schedule == "paper":
            options["schedule"] = ModeSchedule()
        elif isinstance(schedule, str):
            raise DataError(f"--loss_options.schedule is 'stretched', 'paper' or a share such as 0.9, not {schedule!r}")
    if options.get("unit") == "pixel":
        options.setdefault("input_size", crop.size)
    if options.get("unit") == "interocular":
        options.setdefault("eyes", eyes)
    try:
        return create_loss(config.loss, shape_model, **options)
    except (TypeError, ValueError) as error:
        raise DataError(f"--loss {config.loss}: {error}") from error
