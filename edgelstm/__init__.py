"""From a Keras-trained recurrent network to verified int8 firmware for a microcontroller."""

__version__ = "0.1.0"
