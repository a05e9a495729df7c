"""`python -m edgelstm.verification.step_graph_process NAME`: runs a graph of one step on files of its folder."""

import sys
from pathlib import Path

import numpy as np

from edgelstm.errors import EdgelstmError
from edgelstm.verification import isolation
from edgelstm.verification.oracles import ORACLES
from edgelstm.verification.step_graph import run_here


def main(name: str) -> None:
    """Run the graph in the interpreter called `name` and save what it answers after each step."""
    oracle = next(oracle for oracle in ORACLES if oracle.name == name)
    (inputs,) = isolation.load_arrays(Path(isolation.INPUTS_FILE))
    np.savez(isolation.RESULTS_FILE, outputs=run_here(oracle, Path(isolation.STEP_FILE).read_bytes(), inputs))


try:
    main(sys.argv[1])
except EdgelstmError as error:
    sys.stderr.write(error.message)
    sys.exit(isolation.REFUSED_EXIT_CODE)
