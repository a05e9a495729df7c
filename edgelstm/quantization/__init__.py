"""Post-training quantization: observe ranges on calibration data, then let each layer choose its scales."""

from edgelstm.quantization.calibration import calibrate
from edgelstm.quantization.quantize import quantize

__all__ = ["calibrate", "quantize"]
