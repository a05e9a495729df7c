"""Ways to plant faults in the example model, and to see which rules of `check_tflite` a model breaks."""

import numpy as np
import pytest
import tflite_records as records

from edgelstm.errors import ModelFormatError
from edgelstm.ir import TfliteModel
from edgelstm.tflite import check_tflite, write_tflite

MODEL = records.lstm_model()
LSTM, SLICE, DENSE, SOFTMAX = range(4)


def faults(model: TfliteModel) -> list[str]:
    with pytest.raises(ModelFormatError) as raised:
        check_tflite(write_tflite(model))
    first, *listed = raised.value.message.splitlines()
    assert first == f"the .tflite file breaks {len(listed)} rules:"
    assert raised.value.hint
    return listed


def tensor(name: str, **fields: object) -> TfliteModel:
    return records.with_tensor(MODEL, name, **fields)


def option(index: int, **options: object) -> TfliteModel:
    return records.with_operator(MODEL, index, options=options)


def kernel_with(name: str, value: int) -> TfliteModel:
    data = np.array(records.tensor_named(MODEL, name).data)
    data.flat[0] = value
    return tensor(name, data=data)
