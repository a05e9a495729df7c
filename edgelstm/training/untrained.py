"""A project's network as it is before training."""

from pathlib import Path

from edgelstm.data import Dataset
from edgelstm.errors import EdgelstmError, ModelError
from edgelstm.project import Project
from edgelstm.training.backend import load_keras
from edgelstm.training.network import build_network


def save_untrained(project: Project, dataset: Dataset, path: Path) -> None:
    """Write the network that training would begin with, a .keras file.

    Raises:
        ToolMissingError: Keras is not installed.
        ProjectError, DataError: as in training.
        ModelError: Keras failed otherwise.
    """
    try:
        keras = load_keras(project.model.seed)
        build_network(keras, project, dataset).save(path)
    except EdgelstmError:
        raise
    except Exception as error:
        raise ModelError(f"the network cannot be made: {type(error).__name__}: {error!s:.500}") from error
