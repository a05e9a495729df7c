"""Hundreds of mutated files and configs: each is read, or refused with one of our errors."""

import functools
import json
import random
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from keras_writer import (
    dense_layer,
    functional,
    input_layer,
    keras_members,
    lstm_layer,
    lstm_model,
    sequential,
    time_distributed,
    weights_h5,
    write_keras,
    zipped,
)

from edgelstm.errors import EdgelstmError
from edgelstm.frontends import hdf5, keras_archive
from edgelstm.frontends.keras import build_float_model, load_keras
from edgelstm.frontends.keras_source import describe
from edgelstm.ops import registry

VALUES: tuple[object, ...] = (
    None,
    0,
    -1,
    1 << 40,
    1.5,
    float("nan"),
    True,
    "x",
    "",
    [],
    {},
    [1],
    [[]],
    ["x", 0, 0],
    {"class_name": "X"},
)


def mutated(model: Any, rng: random.Random) -> Any:
    """A copy in which one value is deleted or of another kind."""
    copy = json.loads(json.dumps(model))
    parent, key = rng.choice(list(places(copy)))
    if rng.random() < 0.25:
        del parent[key]
    else:
        parent[key] = rng.choice(VALUES)
    return copy


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    for key in keys:
        yield value, key
        yield from places(value[key])


DISTRIBUTED = sequential(input_layer(), time_distributed(sequential(dense_layer(), name="inner")), lstm_layer())


def _masked() -> dict[str, Any]:
    """`functional`, behind a Masking."""

    def called(layer: dict[str, Any], source: str, *others: Any, **options: Any) -> dict[str, Any]:
        tensor = {"class_name": "__keras_tensor__", "config": {"keras_history": [source, 0, 0]}}
        return {
            **layer,
            "name": layer["config"]["name"],
            "inbound_nodes": [{"args": [tensor, *others], "kwargs": options}],
        }

    def operation(kind: str, name: str, **config: Any) -> dict[str, Any]:
        return {"module": "keras.src.ops.numpy", "class_name": kind, "config": {"name": name, **config}}

    mask = {"class_name": "__keras_tensor__", "config": {"keras_history": ["any", 0, 0]}}
    masking = {"module": "keras.layers", "class_name": "Masking", "config": {"name": "mask", "mask_value": 0.5}}
    layers = [
        {**input_layer(), "name": "samples", "inbound_nodes": []},
        called(masking, "samples"),
        called(operation("NotEqual", "differs"), "samples", 0.5),
        called(operation("Any", "any", axis=-1, keepdims=False), "differs"),
        called(lstm_layer(), "mask", mask=mask),
    ]
    return functional(layers=layers, output_layers=[["lstm", 0, 0]])


@pytest.mark.parametrize(
    "model",
    [lstm_model(), functional(), DISTRIBUTED, _masked()],
    ids=["sequential", "functional", "distributed", "masked"],
)
def test_any_mutated_config_is_read_or_refused(tmp_path: Path, model: Any) -> None:
    archive = keras_archive.read_archive(write_keras(tmp_path / "m.keras"))
    rng = random.Random(1)
    refused = 0
    for _ in range(400):
        changed = replace(archive, model=mutated(mutated(model, rng), rng))
        try:
            build_float_model(describe(changed), registry)
        except EdgelstmError:
            refused += 1
    assert refused > 100


def test_any_mutated_archive_is_read_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keras_archive, "read_hdf5", functools.cache(hdf5.read_hdf5))
    original = zipped(keras_members())
    path = tmp_path / "m.keras"
    rng = random.Random(2)
    refused = 0
    for _ in range(150):
        data = bytearray(original)
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data[: rng.randrange(len(data))] if rng.random() < 0.2 else data)
        try:
            load_keras(path)
        except EdgelstmError:
            refused += 1
    assert refused > 75


FLIP_AND_DESCRIBE = """
import random, sys
sys.path.append(sys.argv[1])
import hdf5_reader
original = sys.stdin.buffer.read()
rng = random.Random(int(sys.argv[2]))
refused = 0
for _ in range(40):
    data = bytearray(original)
    for _ in range(rng.choice((1, 2, 8))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    try:
        description, arrays = hdf5_reader.describe(bytes(data))
    except Exception:
        refused += 1
    else:
        assert sum(map(len, arrays)) <= len(data)
print(refused)
"""


@pytest.mark.parametrize("seed", range(3))
def test_mutated_hdf5_is_read_or_refused(seed: int) -> None:
    """Many files in one process, for speed: a crash or hang of the library costs that process alone."""
    folder = Path(hdf5.__file__).parent
    try:
        result = subprocess.run(
            [sys.executable, "-c", FLIP_AND_DESCRIBE, str(folder), str(seed)],
            input=weights_h5(),
            capture_output=True,
            timeout=8,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return
    assert result.returncode < 0 or int(result.stdout) > 0, result.stderr
