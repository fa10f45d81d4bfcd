"""Trainings side by side: the same training with several losses or settings and several seeds, compared."""
