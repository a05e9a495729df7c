"""A project's settings, edgelstm.toml: what they are, how they are read, how a new project begins."""

from edgelstm.identifiers import as_model_name, is_model_name
from edgelstm.project.load import PROJECT_FILE, find_project, load_project
from edgelstm.project.new import new_project
from edgelstm.project.settings import (
    BuildSection,
    DataSection,
    FlashSection,
    ModelSection,
    Project,
    QuantizeSection,
    VerifySection,
)

__all__ = [
    "PROJECT_FILE",
    "BuildSection",
    "DataSection",
    "FlashSection",
    "ModelSection",
    "Project",
    "QuantizeSection",
    "VerifySection",
    "as_model_name",
    "find_project",
    "is_model_name",
    "load_project",
    "new_project",
]
