"""Post-training quantization: observe ranges on calibration data, then let each layer choose its scales."""

from edgelstm.quantization.calibration import calibrate
from edgelstm.quantization.quantize import quantize
from edgelstm.quantization.ranges import clip_at_least_error, widen, with_cell_bits

__all__ = ["calibrate", "clip_at_least_error", "quantize", "widen", "with_cell_bits"]
