"""Training a landmark network, from annotations to a run folder."""
