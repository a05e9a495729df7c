"""FloatModel -> Model: each layer chooses its scales, in order, from the ranges that calibration saw."""

from edgelstm.errors import DataError
from edgelstm.ir import FloatModel, Model, Op, QuantizedTensor, Ranges
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.scales import output_range


def quantize(model: FloatModel, ranges: Ranges, timesteps: int, contract: Contract) -> Model:
    """Quantize every layer.

    Args:
        model: the trained model.
        ranges: from `calibrate`.
        timesteps: the window of the generated `run`; must equal the model's own where that is fixed.
        contract: the rounding rules that simulator and C will follow.
    """
    if model.timesteps is not None and model.timesteps != timesteps:
        raise DataError(
            f"the model takes sequences of {model.timesteps} steps, but {timesteps} were asked for",
            f"leave --timesteps out, or give data of shape (N, {model.timesteps}, {model.input.size})",
        )
    tensor = QuantizedTensor(
        model.input.name, model.input.size, model.input.is_sequence, output_range(model.input.name, ranges)
    )
    model_input = tensor
    ops: list[Op] = []
    for layer in model.layers:
        op = layer.quantize(ranges, tensor)
        ops.append(op)
        tensor = op.output
    return Model(model.name, model_input, tuple(ops), timesteps, contract)
