"""FloatModel -> Model: each layer chooses its scales, in order, from the ranges that calibration saw."""

from collections.abc import Collection, Sequence

from edgelstm.errors import DataError, UnsupportedModelError
from edgelstm.ir import IDS, FloatModel, Model, Op, QuantizedTensor, Ranges, Tensor
from edgelstm.numerics.contracts import Contract
from edgelstm.ops.scales import output_range, output_range16
from edgelstm.quantization.masks import mask_behind_reversal
from edgelstm.quantization.widths import Widths


def quantize(
    model: FloatModel, ranges: Ranges, timesteps: int, contract: Contract | None, wide: Collection[str] = ()
) -> Model:
    """Quantize every layer.

    Args:
        model: the trained model.
        ranges: from `calibrate`.
        timesteps: the window of the generated `run`; must equal the model's own where that is fixed.
        contract: the rounding rules that simulator and C will follow; a model with layers that have none there is
            `native`. None for those that the layers need, `litert` where they do not say.
        wide: names of layers that compute on int16 values, where they can; the inputs that these read are int16, too.

    Raises:
        DataError: another window.
        UnsupportedModelError: a layer has no kernel in the contract.
    """
    if model.timesteps is not None and model.timesteps != timesteps:
        raise DataError(
            f"the model takes sequences of {model.timesteps} steps, but {timesteps} were asked for",
            f"leave --timesteps out, or give data of {model.timesteps} steps",
        )
    widths = Widths(model, ranges, wide)
    source, *further = (_input(tensor, ranges, widths.is_wide_input(tensor.name)) for tensor in model.inputs)
    tensors = {tensor.name: tensor for tensor in (source, *further)}
    ops: list[Op] = []
    read = {one.name for layer in model.layers for one in layer.inputs}
    for layer in model.layers:
        *before, op = widths.ops_of(layer, tuple(tensors[one.name] for one in layer.inputs))
        for part in layer.observed_parts:
            if f"{layer.name}/{part}" in read:
                op = op.exposing(part)
                tensors[f"{layer.name}/{part}"] = op.exposed[part]
                widths.add_cell(op.exposed[part].name)
        ops += [*before, op]
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


def _input(source: Tensor, ranges: Ranges, is_wide: bool) -> QuantizedTensor:
    choose = output_range16 if is_wide else output_range
    quantization = IDS if source.vocabulary else choose(source.name, ranges)
    return QuantizedTensor(
        source.name,
        source.size,
        source.is_sequence,
        quantization,
        vocabulary=source.vocabulary,
        timesteps=None if source.is_sequence else source.timesteps,
        scaling=source.scaling,
    )


def contract_of(ops: Sequence[Op], wanted: Contract | None) -> Contract:
    """The contract of a model of these ops: the wanted one, or `native` where a layer's arithmetic is our own.

    Where none is wanted, it is `tflm` for int16 activations, else `litert`.
    """
    own = [op for op in ops if op.is_native]
    is_wide = any(op.needs_tflm for op in ops)
    if own and (is_wide or wanted is Contract.TFLM):
        raise UnsupportedModelError(
            [
                f'layer "{op.name}": TensorFlow Lite Micro has no integer kernel for such a layer ({op.kind})'
                for op in own
            ],
            "leave int16 activations out: only TensorFlow Lite Micro has kernels for them"
            if is_wide
            else "leave --contract tflm out: the layer then follows our own arithmetic, described in docs/numerics.md",
        )
    if is_wide and wanted in (Contract.LITERT, Contract.NATIVE):
        raise UnsupportedModelError(
            ["LiteRT has no kernel for an LSTM with int16 activations, and rounds otherwise in other layers"],
            "leave --contract litert out, or write --contract tflm: TensorFlow Lite Micro has all of them",
        )
    if own:
        return Contract.NATIVE
    if wanted is None:
        return Contract.TFLM if is_wide else Contract.LITERT
    return Contract.LITERT if wanted is Contract.NATIVE else wanted
