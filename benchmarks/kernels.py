"""Measure the kernels: instructions, flash and RAM of every model, core, mode and compiler, beside other tools'.

python benchmarks/kernels.py --target cortex-m4 --mode speed prints what it measures; --write replaces the rows measured
in results.csv and the tables of README.md. The exit code is 1 unless every required limit is kept by what is measured,
and, for the rest, by results.csv and cost_model.csv.
"""

import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import product

import click
import kernel_tables as tables
from kernel_costs import PLAIN, VARIANTS, Choice, Cost, is_available, measure
from kernel_limits import MEASURED_TARGETS, all_checks, unkept
from kernel_models import INT16, LSTMS, MODELS, NATIVES, benchmark
from kernel_natives import natives
from kernel_page import write_page
from kernel_results import RESULTS, merge_costs, read_costs, read_predictions, write_rows

from edgelstm.codegen.emit import OPTIMIZE

TARGETS = MEASURED_TARGETS
COMPILERS = ("gcc", "zig")


@click.command()
@click.option("--target", "targets", multiple=True, type=click.Choice(TARGETS), default=TARGETS)
@click.option("--mode", "modes", multiple=True, type=click.Choice(OPTIMIZE), default=OPTIMIZE)
@click.option("--compiler", "compilers", multiple=True, type=click.Choice(COMPILERS), default=COMPILERS)
@click.option("--shape", "models", multiple=True, metavar="MODEL", default=MODELS, help="As in lstm_16_32.")
@click.option(
    "--variant",
    "variants",
    multiple=True,
    type=click.Choice(("plain", *VARIANTS[1:])),
    default=("plain", *VARIANTS[1:]),
)
@click.option("--jobs", default=2, show_default=True, help="Processes that measure.")
@click.option("--write", is_flag=True, help="Replace these rows in results.csv, and the tables of README.md.")
@click.option("--show", is_flag=True, help="Measure nothing; show results.csv.")
def main(
    targets: Sequence[str],
    modes: Sequence[str],
    compilers: Sequence[str],
    models: Sequence[str],
    variants: Sequence[str],
    jobs: int,
    write: bool,
    show: bool,
) -> None:
    """Measure the kernels of the generated C. Options may be repeated; without any, everything is measured."""
    names = tuple(PLAIN if variant == "plain" else variant for variant in variants)
    cases = [] if show else list(_cases(targets, modes, compilers, models, names))
    costs, failures = _measure_all(cases, jobs)
    known = merge_costs(read_costs(), costs)
    if write:
        write_rows(RESULTS, Cost, known)
        write_page()
    _print_tables(known if show or write else merge_costs((), costs))
    for failure in failures:
        print(f"ERROR {failure}", file=sys.stderr)
    sys.exit(0 if _keeps_limits(known) and not failures else 1)


def _cases(
    targets: Sequence[str],
    modes: Sequence[str],
    compilers: Sequence[str],
    models: Sequence[str],
    variants: Sequence[str],
) -> Iterator[tuple[str, Choice]]:
    """Variants are measured with gcc and single LSTMs only, `native` layers and int16 with gcc and plain only."""
    for model, target, mode, variant, family in product(models, targets, modes, variants, compilers):
        choice = Choice(target, mode, variant, family)
        if not is_available(choice) or (family != "gcc" and model in (*NATIVES, *INT16)):
            continue
        if variant == PLAIN or (family == "gcc" and model in LSTMS):
            yield model, choice


def _measure_all(cases: Sequence[tuple[str, Choice]], jobs: int) -> tuple[list[Cost], list[str]]:
    costs, failures = list[Cost](), list[str]()
    with ProcessPoolExecutor(jobs) as pool:
        running = {pool.submit(_measure, *case): case for case in cases}
        for done, future in enumerate(as_completed(running), 1):
            model, choice = running[future]
            print(f"\r{done}/{len(cases)} {model} {' '.join(vars(choice).values())}\x1b[K", end="", file=sys.stderr)
            try:
                costs.append(future.result())
            except Exception as error:  # the other rows of a long run are worth keeping, whatever happened to this one
                failures.append(f"{model} {choice}: {error!r}")
    print(file=sys.stderr)
    return costs, failures


def _measure(model: str, choice: Choice) -> Cost:
    fed = benchmark(model)
    return measure(model, fed.model, fed.realistic, fed.stress, choice)


def _print_tables(costs: Sequence[Cost]) -> None:
    print("Instructions of a mean step (ratio to the better of gcc's and clang's CMSIS-NN -O3)\n")
    print(tables.instructions(costs), "\n\nLayers of the contract native (ratio to the LSTM named)\n")
    print(natives(costs), "\n\nSlowest step above the mean: usual / stress sequences\n")
    print(tables.worst_steps(costs), "\n\nLoads of a mean step / words loaded\n")
    print(tables.loads(costs), "\n\nBytes\n")
    print(tables.memory(costs), "\n\nPublished by others (our speed, gcc, as a ratio to it)\n")
    print(tables.others(costs), "\n\nWhat the choices give\n")
    print(tables.techniques(costs), "\n\nLimits\n")
    print(tables.limits([check for check in all_checks(costs, read_predictions()) if check.measured is not None]))


def _keeps_limits(costs: Sequence[Cost]) -> bool:
    """Name what keeps no limit: a required one, or one that is only remarked upon."""
    checks = all_checks(costs, read_predictions())
    required = unkept(checks)
    for check in required:
        print(f"LIMIT {tables.verdict(check)}", file=sys.stderr)
    for check in checks:
        if not check.is_required and check.verdict != "pass":
            print(f"remark: {tables.verdict(check)}", file=sys.stderr)
    return not required


if __name__ == "__main__":
    main()
