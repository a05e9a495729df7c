"""Model -> the records of a .tflite file."""

from edgelstm.ir import Model, TfliteModel, TfliteOperator, TfliteTensor


def to_tflite_model(
    model: Model, *, batch: int = 1, timesteps: int | None = None, expose_states: bool = False
) -> TfliteModel:
    """Describe a model as one subgraph.

    Args:
        model: what to export.
        batch: how many independent sequences an invocation takes.
        timesteps: steps an invocation takes; the model's window by default.
        expose_states: list every state array as a further output, so that an oracle can read it after each step.
    """
    steps = model.timesteps if timesteps is None else timesteps
    operators: list[TfliteOperator] = []
    states: list[TfliteTensor] = []
    for op in model.ops:
        written = op.to_tflite(batch, steps)
        operators.extend(written)
        named = {tensor.name: tensor for operator in written for tensor in operator.inputs if tensor is not None}
        states.extend(named[f"{op.name}/{state.name}"] for state in op.state)
    outputs = (model.output.to_tflite(batch, steps), *(states if expose_states else ()))
    return TfliteModel(
        operators=tuple(operators),
        inputs=(model.input.to_tflite(batch, steps),),
        outputs=outputs,
        description=f"edgelstm: {model.name}",
    )
