"""The ends of a .tflite: a model with float32, uint8 or int16 inputs and outputs has an int8 model between them."""

from dataclasses import replace

from edgelstm.errors import UnsupportedModelError
from edgelstm.ir import TfliteModel, TfliteOperator, TfliteTensor
from edgelstm.tflite.records import quoted

_OUTSIDE = ("float32", "uint8", "int16")


def integer_part(model: TfliteModel) -> TfliteModel:
    """Leave out what brings inputs to int8 and outputs from it; the same object where there is nothing of the kind.

    The caller of the C quantizes instead, by the scale and zero point that the QUANTIZE had.
    """
    leading = [operator for operator in model.operators if _enters(operator, model)]
    trailing = [operator for operator in model.operators if _leaves(operator, model)]
    if not leading and not trailing:
        return model
    within = {operator.inputs[0].name: operator.outputs[0] for operator in leading if operator.inputs[0] is not None}
    behind = {operator.outputs[0].name: operator.inputs[0] for operator in trailing}
    _refuse_several(leading)
    ends = {id(operator) for operator in (*leading, *trailing)}
    return replace(
        model,
        operators=tuple(operator for operator in model.operators if id(operator) not in ends),
        inputs=tuple(within.get(tensor.name, tensor) for tensor in model.inputs),
        outputs=tuple(behind.get(tensor.name) or tensor for tensor in model.outputs),
    )


def _enters(operator: TfliteOperator, model: TfliteModel) -> bool:
    """Whether the operator brings an input of the model to int8."""
    if operator.builtin != "QUANTIZE" or len(operator.inputs) != 1 or len(operator.outputs) != 1:
        return False
    source = operator.inputs[0]
    if source is None or source not in model.inputs or not _is_end(source, operator.outputs[0]):
        return False
    readers = [one for one in model.operators if any(tensor == source for tensor in one.inputs)]
    return all(_is_end(source, one.outputs[0]) and one.builtin == "QUANTIZE" for one in readers if one.outputs)


def _leaves(operator: TfliteOperator, model: TfliteModel) -> bool:
    """Whether the operator makes an output of the model from int8."""
    if operator.builtin not in ("DEQUANTIZE", "QUANTIZE") or len(operator.inputs) != 1 or len(operator.outputs) != 1:
        return False
    inner, outer = operator.inputs[0], operator.outputs[0]
    return inner is not None and inner.data is None and _is_end(outer, inner) and outer in model.outputs


def _is_end(outer: TfliteTensor | None, inner: TfliteTensor) -> bool:
    return outer is not None and outer.dtype in _OUTSIDE and inner.dtype == "int8" and outer.shape == inner.shape


def _refuse_several(leading: list[TfliteOperator]) -> None:
    """Each QUANTIZE of one input would need an argument of its own."""
    names = [operator.inputs[0].name for operator in leading if operator.inputs[0] is not None]
    problems = [
        f"input {quoted(name)} is quantized {names.count(name)} times, with different scales"
        for name in dict.fromkeys(names)
        if names.count(name) > 1
    ]
    if problems:
        raise UnsupportedModelError(
            problems, "convert it with inference_input_type = tf.int8, or give the Keras model itself"
        )
