"""The mathematics of the paper: shape model, difficulty, schedule, and the alignment and judgement of shapes."""
