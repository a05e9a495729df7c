"""Show that no shape is special: a linear cost model from some shapes, tested on twenty random ones.

The model is that of kernel_fit.py. Its coefficients minimise the relative error at the published shapes and the four
corners of what is tested; the twenty random shapes take no part in that.
"""

import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor

import click
import kernel_tables as tables
import numpy as np
from kernel_costs import PLAIN, Choice, measure
from kernel_fit import Shape, fit, terms
from kernel_limits import COST_MODEL_LIMIT, MEASURED_TARGETS, RANDOM_SHAPES
from kernel_models import PUBLISHED_SHAPES, benchmark
from kernel_page import write_page
from kernel_results import COST_MODEL, Prediction, read_predictions, write_rows

from edgelstm.codegen.emit import OPTIMIZE

INPUTS, UNITS = (1, 64), (4, 128)
CORNERS = tuple((inputs, units) for inputs in INPUTS for units in UNITS)
SEED = 3


@click.command()
@click.option("--target", default="cortex-m4", show_default=True, type=click.Choice(MEASURED_TARGETS))
@click.option("--mode", "modes", multiple=True, type=click.Choice(OPTIMIZE), default=("balanced", "speed"))
@click.option("--compiler", default="gcc", show_default=True, type=click.Choice(("gcc", "zig")))
@click.option("--jobs", default=2, show_default=True, help="Processes that measure.")
@click.option("--write", is_flag=True, help="Replace these rows in cost_model.csv, and the tables of README.md.")
def main(target: str, modes: Sequence[str], compiler: str, jobs: int, write: bool) -> None:
    """Fit and test a cost model for each mode."""
    worst = 0.0
    for mode in modes:
        choice = Choice(target, mode, PLAIN, compiler)
        rows = _predict(choice, jobs)
        print(tables.cost_models(rows))
        worst = max(worst, *(abs(row.deviation) for row in rows if row.role == "test"))
        if write:
            labels = (target, mode, compiler)
            known = [p for p in read_predictions() if (p.target, p.optimize, p.compiler) != labels]
            write_rows(
                COST_MODEL, Prediction, sorted([*known, *rows], key=lambda p: (p.target, p.optimize, p.compiler))
            )
    if write:
        write_page()
    print(f"largest deviation: {100 * worst:.1f} %")
    sys.exit(0 if worst <= COST_MODEL_LIMIT else 1)


def random_shapes(seed: int = SEED) -> tuple[Shape, ...]:
    """Shapes within INPUTS and UNITS, none of them twice."""
    rng = np.random.default_rng(seed)
    shapes: dict[Shape, None] = {}
    while len(shapes) < RANDOM_SHAPES:
        shapes[int(rng.integers(INPUTS[0], INPUTS[1] + 1)), int(rng.integers(UNITS[0], UNITS[1] + 1))] = None
    return tuple(shapes)


def _predict(choice: Choice, jobs: int) -> list[Prediction]:
    known = (*PUBLISHED_SHAPES, *CORNERS)
    shapes = (*known, *random_shapes())
    with ProcessPoolExecutor(jobs) as pool:
        measured = list(pool.map(_instructions, shapes, [choice] * len(shapes)))
    coefficients = fit(known, measured[: len(known)])
    return [
        Prediction(
            choice.target, choice.optimize, choice.family, "fit" if index < len(known) else "test", *shape, count,
            round(float(np.dot(terms(shape), coefficients))),
        )
        for index, (shape, count) in enumerate(zip(shapes, measured, strict=True))
    ]  # fmt: skip


def _instructions(shape: Shape, choice: Choice) -> int:
    name = "lstm_{}_{}".format(*shape)
    fed = benchmark(name)
    return measure(name, fed.model, fed.realistic, None, choice).instructions_per_step


if __name__ == "__main__":
    main()
