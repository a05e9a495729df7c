"""What a Keras file says a model was trained with."""

from collections.abc import Mapping
from typing import Any

_LONGEST_NAME = 60


def named_loss(model: Mapping[str, Any]) -> str:
    """The loss in the serialized model, by its name or the name of its class; "" where there is no single one.

    It is a name and nothing else: whoever reads it looks it up among those that he knows.
    """
    compiled = model.get("compile_config")
    loss = compiled.get("loss") if isinstance(compiled, dict) else None
    if isinstance(loss, dict):
        loss = loss.get("class_name")
    return loss if isinstance(loss, str) and len(loss) <= _LONGEST_NAME else ""
