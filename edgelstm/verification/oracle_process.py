"""`python -m edgelstm.verification.oracle_process NAME`: the other side of `isolation.py`, on files of its folder."""

import sys
from pathlib import Path

import numpy as np

from edgelstm.errors import EdgelstmError
from edgelstm.verification import isolation
from edgelstm.verification.oracles import ORACLES


def main(name: str) -> None:
    """Run the oracle called `name` and save what it yields."""
    oracle = next(oracle for oracle in ORACLES if oracle.name == name)
    inputs = isolation.load_arrays(Path(isolation.INPUTS_FILE))
    windows = isolation.load_arrays(Path(isolation.WINDOWS_FILE))
    steps = oracle.run_exposed(Path(isolation.STEP_FILE).read_bytes(), inputs)
    window = oracle.run_window(Path(isolation.SHIPPED_FILE).read_bytes(), windows)
    arrays = {f"step{index}": values for index, values in enumerate(steps)}
    np.savez(isolation.RESULTS_FILE, window=window, **arrays)


try:
    main(sys.argv[1])
except EdgelstmError as error:
    sys.stderr.write(error.message)
    sys.exit(isolation.REFUSED_EXIT_CODE)
