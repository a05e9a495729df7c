"""Model -> the records of a .tflite file."""

from edgelstm.ir import Model, TfliteModel, TfliteOperator, TfliteTensor
from edgelstm.schedule import make_schedule
from edgelstm.tflite.scaling import scaling_metadata


def to_tflite_model(
    model: Model,
    *,
    batch: int = 1,
    timesteps: int | None = None,
    expose_states: bool = False,
    expose_values: bool = False,
) -> TfliteModel:
    """Describe a model as one subgraph.

    Args:
        model: what to export.
        batch: how many independent sequences an invocation takes.
        timesteps: steps an invocation takes; the model's window by default.
        expose_states: list every state array that the file has as a further output, so that an oracle can read it.
        expose_values: list the output of every op behind those, without ids.
    """
    steps = model.timesteps if timesteps is None else timesteps
    schedule = make_schedule(model, steps)
    operators: list[TfliteOperator] = []
    states: list[TfliteTensor] = []
    values: list[TfliteTensor] = []
    for op in model.ops:
        written = op.to_tflite(batch, schedule.steps_of(op))
        operators.extend(written)
        named = {tensor.name: tensor for operator in written for tensor in operator.inputs if tensor is not None}
        states.extend(named[f"{op.name}/{state.name}"] for state in op.state if f"{op.name}/{state.name}" in named)
        values.extend([] if op.output.vocabulary else [written[-1].outputs[0]])
    count = schedule.output_count
    outputs = [*(tensor.to_tflite(batch, count) for tensor in model.outputs), *(states if expose_states else ())]
    return TfliteModel(
        operators=tuple(operators),
        inputs=tuple(tensor.to_tflite(batch, steps) for tensor in model.inputs),
        outputs=(*outputs, *(values if expose_values else ())),
        description=f"edgelstm: {model.name}",
        metadata=scaling_metadata(model.inputs),
    )
