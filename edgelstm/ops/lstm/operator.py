"""The LSTM as a TFLite operator: the inputs, intermediates and options that all three runtimes accept."""

from collections.abc import Sequence
from dataclasses import replace

from edgelstm.ir import AnyArray, Quantization, QuantizedTensor, StateArray, TfliteOperator, TfliteTensor
from edgelstm.numerics.gate_functions import GateFunction
from edgelstm.ops import scales
from edgelstm.ops.lstm.arithmetic import GATES, Gate


def lstm_operator(
    source: QuantizedTensor,
    output: QuantizedTensor,
    written: Quantization,
    gates: tuple[Gate, ...],
    states: tuple[StateArray, ...],
    cell_clip: float,
    batch: int,
    timesteps: int,
) -> TfliteOperator:
    """Describe one UNIDIRECTIONAL_SEQUENCE_LSTM; its weights and states are named after `output`.

    `written` is the scale with which LiteRT writes the hidden state, that of `output` in all but foreign files.
    """
    name = output.name

    def weights(role: str, values: AnyArray, scale: float) -> TfliteTensor:
        return TfliteTensor(f"{name}/{role}", values.shape, str(values.dtype), (scale,), (0,), data=values)

    named = list(zip(GATES, gates, strict=True))
    kernels = [weights(f"{key}_kernel", gate.kernel, gate.kernel_scale) for key, gate in named]
    recurrents = [
        weights(f"{key}_recurrent_kernel", gate.recurrent_kernel, gate.recurrent_scale) for key, gate in named
    ]
    bias_scales = [scales.float32(source.quantization.scale * gate.kernel_scale) for gate in gates]
    biases = [weights(f"{key}_bias", gate.bias, scale) for (key, gate), scale in zip(named, bias_scales, strict=True)]
    variables = [state.to_tflite(f"{name}/{state.name}", batch) for state in states]
    absent: list[TfliteTensor | None] = [None] * 3
    # Four float intermediates belong to layer normalization; LiteRT takes the hidden scale from the fifth.
    intermediates = [TfliteTensor(f"{name}/intermediate_{index}", (0,), "float32") for index in range(4)]
    intermediates.append(
        TfliteTensor(f"{name}/effective_hidden", (0,), written.dtype, (written.scale,), (written.zero_point,))
    )
    return TfliteOperator(
        builtin="UNIDIRECTIONAL_SEQUENCE_LSTM",
        inputs=(
            source.to_tflite(batch, timesteps), *kernels, *recurrents, *absent,
            *biases, None, None, *variables, *absent, None,
        ),
        outputs=(output.to_tflite(batch, timesteps),),
        options={"fused_activation_function": "TANH", "cell_clip": cell_clip, "time_major": False},
        intermediates=tuple(intermediates),
    )  # fmt: skip


def as_custom(
    operator: TfliteOperator, gate: GateFunction, vectors: Sequence[TfliteTensor], exposed: Sequence[TfliteTensor]
) -> TfliteOperator:
    """The same tensors as a custom operator, with what the builtin cannot say.

    Args:
        operator: the builtin.
        gate: the function of the gates.
        vectors: what the states start from.
        exposed: the cell state of every step, if others read it.
    """
    return replace(
        operator,
        builtin="CUSTOM:edgelstm.lstm",
        inputs=(*operator.inputs, *vectors),
        outputs=(*operator.outputs, *exposed),
        options={"cell_clip": operator.options["cell_clip"], "gate": gate.value},
    )
