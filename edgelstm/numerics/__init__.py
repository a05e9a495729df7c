"""Integer arithmetic: fixed-point primitives and exact activations, each with a C twin of the same name."""
