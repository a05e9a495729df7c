"""Model files -> models in memory. `load_keras` gives a FloatModel, `load_tflite` a quantized Model."""
