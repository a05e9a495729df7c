"""The arithmetic contracts: which runtime's roundings the integers follow."""

from enum import StrEnum


class Contract(StrEnum):
    """A named set of rounding rules, each with an official runtime as its exact oracle.

    LITERT: TensorFlow Lite / LiteRT reference kernels (`ai_edge_litert`, BUILTIN_REF resolver).
    TFLM: TensorFlow Lite for Microcontrollers reference kernels (`tflite_micro` wheel).
    """

    LITERT = "litert"
    TFLM = "tflm"
