"""A face as network input: the crop, its surroundings, augmentation, batches, and packed faces."""
