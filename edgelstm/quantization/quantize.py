"""FloatModel -> Model: each layer chooses its scales, in order, from the ranges that calibration saw."""

from collections.abc import Sequence

from edgelstm.errors import DataError, UnsupportedModelError
from edgelstm.ir import IDS, FloatModel, Model, Op, QuantizedTensor, Ranges, Tensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.scales import output_range
from edgelstm.quantization.mask_codes import with_mask_codes
from edgelstm.quantization.masks import mask_behind_reversal


def quantize(model: FloatModel, ranges: Ranges, timesteps: int, contract: Contract) -> Model:
    """Quantize every layer.

    Args:
        model: the trained model.
        ranges: from `calibrate`.
        timesteps: the window of the generated `run`; must equal the model's own where that is fixed.
        contract: the rounding rules that simulator and C will follow; a model with layers that have none there is
            `native`.

    Raises:
        DataError: another window, or masks whose values int8 cannot tell apart.
        UnsupportedModelError: the contract is `tflm`, and a layer has no kernel in it.
    """
    if model.timesteps is not None and model.timesteps != timesteps:
        raise DataError(
            f"the model takes sequences of {model.timesteps} steps, but {timesteps} were asked for",
            f"leave --timesteps out, or give data of {model.timesteps} steps",
        )
    ranges = with_mask_codes(model, ranges)
    source, *further = (_input(tensor, ranges) for tensor in model.inputs)
    tensors = {tensor.name: tensor for tensor in (source, *further)}
    ops: list[Op] = []
    read = {one.name for layer in model.layers for one in layer.inputs}
    for layer in model.layers:
        op = layer.to_op(ranges, tuple(tensors[one.name] for one in layer.inputs))
        for part in layer.observed_parts:
            if f"{layer.name}/{part}" in read:
                op = op.exposing(part)
                tensors[f"{layer.name}/{part}"] = op.exposed[part]
        ops.append(op)
        tensors[layer.output.name] = op.output
    contract = contract_of(ops, contract)
    return Model(
        model.name,
        source,
        mask_behind_reversal(ops, model.output_names),
        timesteps,
        contract,
        further_inputs=tuple(further),
        output_names=model.output_names,
    )


def _input(source: Tensor, ranges: Ranges) -> QuantizedTensor:
    quantization = IDS if source.vocabulary else output_range(source.name, ranges)
    return QuantizedTensor(
        source.name,
        source.size,
        source.is_sequence,
        quantization,
        vocabulary=source.vocabulary,
        timesteps=None if source.is_sequence else source.timesteps,
        scaling=source.scaling,
    )


def contract_of(ops: Sequence[Op], wanted: Contract) -> Contract:
    """The contract of a model of these ops: the wanted one, or `native` where a layer's arithmetic is our own."""
    own = [op for op in ops if op.is_native]
    if own and wanted is Contract.TFLM:
        raise UnsupportedModelError(
            [
                f'layer "{op.name}": TensorFlow Lite Micro has no integer kernel for such a layer ({op.kind})'
                for op in own
            ],
            "leave --contract tflm out: the layer then follows our own arithmetic, described in docs/numerics.md",
        )
    if own:
        return Contract.NATIVE
    return Contract.LITERT if wanted is Contract.NATIVE else wanted
