"""GlobalMaxPooling2D and GlobalAveragePooling2D: a pool of each row, and one over all time of what that yields."""

from typing import ClassVar

from edgelstm.ir import Layer, SourceLayer, Tensor
from edgelstm.ops.global_pooling import GlobalAverageLayer, GlobalMaxLayer, GlobalPoolLayer
from edgelstm.ops.patch_layer import NEEDS_IMAGE, PatchOptions
from edgelstm.ops.pooling2d import AveragePool2DLayer, MaxPool2DLayer, PatchPoolLayer
from edgelstm.ops.sources import option_problems


class GlobalMax2DLayer(GlobalMaxLayer):
    """Keras' GlobalMaxPooling2D: the largest of each row, and of those."""

    reads_images: ClassVar[bool] = True

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Say which options we do not compile."""
        return _global_problems(source, input_tensor)

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build both."""
        return _global_layers(MaxPool2DLayer, GlobalMaxLayer, source, input_tensor)


class GlobalAverage2DLayer(GlobalAverageLayer):
    """Keras' GlobalAveragePooling2D: the mean of each row, and of those."""

    reads_images: ClassVar[bool] = True

    @classmethod
    def keras_problems(cls, source: SourceLayer, input_tensor: Tensor) -> list[str]:
        """Say which options we do not compile."""
        return _global_problems(source, input_tensor)

    @classmethod
    def from_keras(cls, source: SourceLayer, input_tensor: Tensor) -> tuple[Layer, ...]:
        """Build both."""
        return _global_layers(AveragePool2DLayer, GlobalAverageLayer, source, input_tensor)


def _global_problems(source: SourceLayer, input_tensor: Tensor) -> list[str]:
    problems = option_problems(source, {"data_format": "channels_last", "keepdims": False})
    return problems if input_tensor.channels else [*problems, NEEDS_IMAGE]


def _global_layers(
    rows: type[PatchPoolLayer], whole: type[GlobalPoolLayer], source: SourceLayer, input_tensor: Tensor
) -> tuple[Layer, ...]:
    features = input_tensor.size // input_tensor.channels
    row = rows.over(f"{source.name}/rows", input_tensor, PatchOptions.of_row(features))
    output = Tensor(source.name, input_tensor.channels, is_sequence=False)
    return row, whole(source.name, row.output, output)
