"""A .tflite of builtin operators alone for GRU and SimpleRNN: one time step an invocation, states in and out.

Activations are int16 and weights int8, the integers of the C. It approximates what the C computes: where the C sees the
hidden state in 8 bits the graph sees 16, and it rounds elsewhere.
"""

from edgelstm.step_graph.graph import to_step_graph

__all__ = ["to_step_graph"]
