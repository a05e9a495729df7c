"""Post-training quantization: observe ranges on calibration data, then let each layer choose its scales."""

from edgelstm.quantization.calibration import calibrate
from edgelstm.quantization.narrow import narrow_layers, with_narrow_weights
from edgelstm.quantization.quantize import quantize
from edgelstm.quantization.ranges import clip_at_least_error, widen, with_cell_bits
from edgelstm.quantization.rounding import observe_moments, round_to_data
from edgelstm.quantization.tensorflow import as_converted, calibrate_as_converter
from edgelstm.quantization.widths import int8_layers, int16_layers

__all__ = [
    "as_converted",
    "calibrate",
    "calibrate_as_converter",
    "clip_at_least_error",
    "int8_layers",
    "int16_layers",
    "narrow_layers",
    "observe_moments",
    "quantize",
    "round_to_data",
    "widen",
    "with_cell_bits",
    "with_narrow_weights",
]
