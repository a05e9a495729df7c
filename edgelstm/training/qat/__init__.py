"""Training in the integers that a build makes of a model."""
