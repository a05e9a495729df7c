"""When each op of a model runs: loops over time, what follows each, and which sequences are stored on the way.

Ops that take samples as they come share the first loop. What needs a sequence from its end, or all of it, starts a loop
of the next level over what was stored. The simulator and the generated C both follow this one schedule.
"""

from edgelstm.schedule.making import make_schedule
from edgelstm.schedule.parts import BEFORE, Begin, Clock, Copy, Line, Loop, Part, Schedule, is_virtual, slices_of
from edgelstm.schedule.waiting import Waiting, waiting_layers

__all__ = [
    "BEFORE",
    "Begin",
    "Clock",
    "Copy",
    "Line",
    "Loop",
    "Part",
    "Schedule",
    "Waiting",
    "is_virtual",
    "make_schedule",
    "slices_of",
    "waiting_layers",
]
