"""Integer arithmetic: fixed-point primitives and exact activations, with C twins of the same names."""
