"""Training Keras models: the only place that imports keras, and only inside functions."""

from edgelstm.training.train import TrainedModel, train

__all__ = ["TrainedModel", "train"]
