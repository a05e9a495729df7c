"""How far `edgelstm estimate` is from what `edgelstm build` measures, for every example on every target.

    python benchmarks/estimate.py                          # all; an hour on two cores, as examples are trained first
    python benchmarks/estimate.py --example spoken_digits --target cortex-m4
    python benchmarks/estimate.py --example spoken_digits --optimize size --optimize speed
    python benchmarks/estimate.py --example spoken_digits --compiler zig --runner unicorn     # pip packages alone

Each example is estimated three times: as trained, counted on its own data; as trained, on data that are made up; and
before training. Flash and RAM must be within 5 % of what build measured, instructions of a step and of a run
within 10 %. Exits with 1 if any is not.
"""

import csv
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields, replace
from fractions import Fraction
from itertools import product
from pathlib import Path

import click

from edgelstm import pipeline
from edgelstm.codegen.emit import OPTIMIZE
from edgelstm.pipeline.estimated import chips, estimate_model
from edgelstm.pipeline.request import BuildRequest
from edgelstm.project import load_project
from edgelstm.report.estimate import Estimate
from edgelstm.report.result import Result

EXAMPLES = Path(__file__).resolve().parent.parent / "firmware_examples"
RESULTS = Path(__file__).resolve().parent / "estimate.csv"
HOW = ("data", "assumed", "untrained")
LIMITS = {
    "flash": Fraction(5, 100),
    "firmware": Fraction(5, 100),
    "ram": Fraction(5, 100),
    "step": Fraction(10, 100),
    "run": Fraction(10, 100),
}


@dataclass(frozen=True)
class Row:
    """A figure of an example on a target, estimated as `how` says; `compiler` is the option, "" for the first found."""

    example: str
    optimize: str
    compiler: str
    target: str
    how: str
    figure: str
    measured: int
    estimated: int

    @property
    def deviation(self) -> float:
        """Of the estimate, relative to what was measured."""
        return self.estimated / self.measured - 1 if self.measured else float(self.estimated != 0)

    @property
    def is_within(self) -> bool:
        """Whether that is within the limit, to the last byte."""
        return abs(self.estimated - self.measured) <= LIMITS[self.figure] * self.measured


@click.command()
@click.option("--example", "examples", multiple=True, help="An example [all].")
@click.option("--target", "targets", multiple=True, type=click.Choice(chips()), help="A target [all].")
@click.option("--how", "hows", multiple=True, type=click.Choice(HOW), default=HOW, help="How to estimate [all].")
@click.option("--optimize", "optimizes", multiple=True, type=click.Choice(OPTIMIZE), default=("balanced",))
@click.option("--compiler", help="As of build.")
@click.option("--runner", help="As of build.")
@click.option("--folder", type=click.Path(path_type=Path), default=EXAMPLES, help="Where the examples lie.")
@click.option("--write", is_flag=True, help="Replace these examples' rows in estimate.csv, the worst of each figure.")
def main(
    examples: Sequence[str],
    targets: Sequence[str],
    hows: Sequence[str],
    optimizes: Sequence[str],
    compiler: str | None,
    runner: str | None,
    folder: Path,
    *,
    write: bool,
) -> None:
    """Compare, and print the worst of each figure."""
    names = tuple(examples) or tuple(sorted(path.parent.name for path in folder.glob("*/edgelstm.toml")))
    rows: list[Row] = []
    for name, optimize in product(names, optimizes):
        found = list(compare(_Case(folder / name, optimize, compiler, runner), tuple(targets) or chips(), hows))
        print(f"{name}, {optimize}: " + ", ".join(f"{how} {_worst(found, how)}" for how in hows), flush=True)
        rows += found
        if write:
            _write(found)
    for row in rows:
        if not row.is_within:
            print(f"  {row.example} {row.target} {row.how}: {row.figure} {row.measured}, estimated {row.estimated}")
    for how in hows:
        print(f"worst, {how}: {_worst(rows, how)}")
    sys.exit(0 if all(row.is_within for row in rows) else 1)


@dataclass(frozen=True)
class _Case:
    """A project and how to build it; None takes what is found first."""

    folder: Path
    optimize: str
    compiler: str | None
    runner: str | None


def compare(case: _Case, targets: Sequence[str], hows: Sequence[str]) -> Iterator[Row]:
    """Build a project, training it if it is not, and estimate it in each way, on all targets that it was built for."""
    with tempfile.TemporaryDirectory(prefix="edgelstm-") as work:
        request = _request(case, Path(work), targets)
        outcomes = pipeline.build_each(request)
        for outcome in outcomes:
            if outcome.error is not None:
                print(f"  {case.folder.name} {outcome.target}: {outcome.error.message.splitlines()[0]}", flush=True)
        results = [outcome.result for outcome in outcomes if outcome.result is not None]
        request = replace(request, targets=tuple(result.target.name for result in results))
        requests = {
            "data": replace(request, may_train=False),
            "assumed": replace(request, data=None, project=None, timesteps=_window(request)),
            "untrained": replace(request, model=Path(work) / "untrained.keras", name=request.name),
        }
        for how in hows:
            for result, estimate in zip(results, estimate_model(requests[how]), strict=True):
                yield from _rows(case, how, result, estimate)


def _request(case: _Case, output: Path, targets: Sequence[str]) -> BuildRequest:
    project = load_project(case.folder)
    return BuildRequest(
        model=project.model_path,
        output=output / "out",
        targets=tuple(targets),
        data=project.data.source,
        base=case.folder,
        name=project.name,
        optimize=case.optimize,
        compiler=case.compiler,
        runner=case.runner,
        project=project,
        main=None if project.build.main is None else case.folder / project.build.main,
        calibration_samples=project.quantize.calibration_samples,
        margin=project.quantize.margin,
        clip=project.quantize.clip,
    )


def _window(request: BuildRequest) -> int | None:
    """That of the data, which made-up data cannot tell."""
    dataset = pipeline.read_data(request.data, request.base).dataset
    return None if dataset is None or dataset.inputs else int(dataset.calibration.x.shape[1])


def _rows(case: _Case, how: str, result: Result, estimate: Estimate) -> Iterator[Row]:
    assert estimate.load is not None, estimate.missing
    chosen = (case.folder.name, case.optimize, case.compiler or "")
    cost, load = result.cost, estimate.load
    # Where build counts cycles, the emulator is exact to them.
    per_instruction = load.cycles_per_instruction[0] if cost.cycles_per_step and load.cycles_per_instruction else 1.0
    pairs = {
        "flash": (result.flash.total, estimate.flash.total),
        "firmware": (result.firmware_flash_bytes, estimate.firmware_flash_bytes or 0),
        "ram": (result.ram.total, estimate.ram_bytes),
        "step": (cost.instructions_per_step or cost.cycles_per_step or 0, round(load.step * per_instruction)),
        "run": (
            cost.instructions_per_run or cost.cycles_per_run or 0,
            round((estimate.per_run or 0) * per_instruction),
        ),
    }
    for figure, (measured, estimated) in pairs.items():
        yield Row(*chosen, result.target.name, how, figure, measured, estimated)


def _worst(rows: Sequence[Row], how: str) -> str:
    """The largest deviation of each figure, in words."""
    found = []
    for figure in LIMITS:
        each = [abs(row.deviation) for row in rows if row.how == how and row.figure == figure]
        found.append(f"{figure} {100 * max(each, default=0.0):.1f} %")
    return ", ".join(found)


def _write(rows: Sequence[Row]) -> None:
    """Replace the rows of what was compared: of each figure that of the target where the estimate is farthest off."""
    groups: dict[tuple[str, str], Row] = {}
    for row in sorted(rows, key=lambda row: abs(row.deviation)):
        groups[row.how, row.figure] = row
    measured = {(row.example, row.optimize, row.compiler) for row in rows}
    kept: list[Sequence[object]] = []
    if RESULTS.is_file():
        with RESULTS.open(newline="") as lines:
            kept = [row for row in list(csv.reader(lines))[1:] if tuple(row[:3]) not in measured]
    with RESULTS.open("w", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(field.name for field in fields(Row))
        written = [*kept, *map(astuple, groups.values())]
        writer.writerows(sorted(written, key=lambda row: [str(value) for value in row]))


if __name__ == "__main__":
    main()
