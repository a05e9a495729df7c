"""Recurrent layers in float of which single parts are rounded as their integer ops do it, a file for each layer."""

from edgelstm.verification.cells.making import mixed_cell
from edgelstm.verification.cells.parts import FUNCTION, STATE, SUM, WEIGHTS, GateRows, MixedCell, Part, Rounding

__all__ = ["FUNCTION", "STATE", "SUM", "WEIGHTS", "GateRows", "MixedCell", "Part", "Rounding", "mixed_cell"]
