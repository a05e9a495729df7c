"""What in a layer's config no reader of ours can follow: other precisions, and Python code, which is never run."""

from collections.abc import Iterator, Mapping
from typing import Any

from edgelstm.frontends import keras_config as read

_FLOATS = frozenset({"float32", "float64"})
_UNUSED_AT_INFERENCE = ("initializer", "regularizer", "constraint", "dtype", "quantization_config")


def precision_problems(config: Mapping[str, Any]) -> Iterator[str]:
    """Why the numbers of a layer are not ordinary floats."""
    policy = config.get("dtype")
    if isinstance(policy, Mapping):
        inner = read.mapping(policy.get("config"), "the config of a dtype policy")
        policy = inner.get("name") or inner.get("mode") or read.class_name(policy)
    if policy is not None and not (isinstance(policy, str) and policy in _FLOATS):
        name = ascii(policy)[:60]
        yield f"has the dtype policy {name}; give the float32 model, quantizing is done here"


def code_in(value: Any, key: str = "") -> Iterator[tuple[str, str]]:
    """(option, name) of each function or custom object in a config that would matter at inference."""
    if isinstance(value, Mapping):
        if "class_name" in value:
            name = read.class_name(value)
            if read.is_custom(name) or name in ("function", "__lambda__"):
                yield key, ascii(value.get("config"))[:60] if name.endswith("function") else name
                return
        for inner_key, item in value.items():
            if not inner_key.endswith(_UNUSED_AT_INFERENCE):
                yield from code_in(item, key or inner_key)
    elif isinstance(value, list):
        for item in value:
            yield from code_in(item, key)
