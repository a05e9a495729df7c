"""How far `edgelstm estimate` is from what `edgelstm build` measures, for every example on every target.

    python benchmarks/estimate.py                          # all; an hour on two cores, as examples are trained first
    python benchmarks/estimate.py --example spoken_digits --target cortex-m4

Each example is estimated three times: as trained, counted on its own data; as trained, on data that are made up; and as
training would begin. Flash and RAM must be within 5 % of what build measured, instructions of a step and of a run
within 10 %. Exits with 1 if any is not.
"""

import csv
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import click

from edgelstm import pipeline
from edgelstm.pipeline.estimated import chips, estimate_model
from edgelstm.pipeline.request import BuildRequest
from edgelstm.project import load_project
from edgelstm.report.estimate import Estimate
from edgelstm.report.result import Result

EXAMPLES = Path(__file__).resolve().parent.parent / "firmware_examples"
RESULTS = Path(__file__).resolve().parent / "estimate.csv"
HOW = ("data", "assumed", "untrained")
LIMITS = {"flash": 0.05, "firmware": 0.05, "ram": 0.05, "step": 0.10, "run": 0.10}


@dataclass(frozen=True)
class Row:
    """A figure of an example on a target, estimated as `how` says."""

    example: str
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
        """Whether that is within the limit."""
        return abs(self.deviation) <= LIMITS[self.figure]


@click.command()
@click.option("--example", "examples", multiple=True, help="An example [all].")
@click.option("--target", "targets", multiple=True, type=click.Choice(chips()), help="A target [all].")
@click.option("--how", "hows", multiple=True, type=click.Choice(HOW), default=HOW, help="How to estimate [all].")
@click.option("--optimize", default="balanced", show_default=True)
@click.option("--folder", type=click.Path(path_type=Path), default=EXAMPLES, help="Where the examples lie.")
@click.option("--write", is_flag=True, help="Replace these examples' rows in estimate.csv, the worst of each figure.")
def main(
    examples: Sequence[str], targets: Sequence[str], hows: Sequence[str], optimize: str, folder: Path, *, write: bool
) -> None:
    """Compare, and print the worst of each figure."""
    names = tuple(examples) or tuple(sorted(path.parent.name for path in folder.glob("*/edgelstm.toml")))
    rows: list[Row] = []
    for name in names:
        found = list(compare(folder / name, tuple(targets) or chips(), hows, optimize))
        print(f"{name}: " + ", ".join(f"{how} {_worst(found, how)}" for how in hows), flush=True)
        rows += found
        if write:
            _write(found, [name])
    for row in rows:
        if not row.is_within:
            print(f"  {row.example} {row.target} {row.how}: {row.figure} {row.measured}, estimated {row.estimated}")
    for how in hows:
        print(f"worst, {how}: {_worst(rows, how)}")
    sys.exit(0 if all(row.is_within for row in rows) else 1)


def compare(folder: Path, targets: Sequence[str], hows: Sequence[str], optimize: str) -> Iterator[Row]:
    """Build a project, training it if it is not, and estimate it in each way."""
    with tempfile.TemporaryDirectory(prefix="edgelstm-") as work:
        request = _request(folder, Path(work), targets, optimize)
        results = pipeline.build(request)
        requests = {
            "data": replace(request, may_train=False),
            "assumed": replace(request, data=None, project=None, timesteps=_window(request)),
            "untrained": replace(request, model=Path(work) / "untrained.keras", name=request.name),
        }
        for how in hows:
            for result, estimate in zip(results, estimate_model(requests[how]), strict=True):
                yield from _rows(folder.name, how, result, estimate)


def _request(folder: Path, output: Path, targets: Sequence[str], optimize: str) -> BuildRequest:
    project = load_project(folder)
    return BuildRequest(
        model=project.model_path,
        output=output / "out",
        targets=tuple(targets),
        data=project.data.source,
        base=folder,
        name=project.name,
        optimize=optimize,
        project=project,
        main=None if project.build.main is None else folder / project.build.main,
        calibration_samples=project.quantize.calibration_samples,
        margin=project.quantize.margin,
        clip=project.quantize.clip,
    )


def _window(request: BuildRequest) -> int | None:
    """That of the data, which made-up data cannot tell."""
    dataset = pipeline.read_data(request.data, request.base).dataset
    return None if dataset is None or dataset.inputs else int(dataset.calibration.x.shape[1])


def _rows(example: str, how: str, result: Result, estimate: Estimate) -> Iterator[Row]:
    assert estimate.load is not None, estimate.missing
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
        yield Row(example, result.target.name, how, figure, measured, estimated)


def _worst(rows: Sequence[Row], how: str) -> str:
    """The largest deviation of each figure, in words."""
    found = []
    for figure in LIMITS:
        each = [abs(row.deviation) for row in rows if row.how == how and row.figure == figure]
        found.append(f"{figure} {100 * max(each, default=0.0):.1f} %")
    return ", ".join(found)


def _write(rows: Sequence[Row], names: Sequence[str]) -> None:
    """Replace the rows of these examples: of each figure that of the target where the estimate is farthest off."""
    groups: dict[tuple[str, str, str], Row] = {}
    for row in sorted(rows, key=lambda row: abs(row.deviation)):
        groups[row.example, row.how, row.figure] = row
    columns = [field.name for field in fields(Row)]
    kept: list[Sequence[object]] = []
    if RESULTS.is_file():
        with RESULTS.open(newline="") as lines:
            kept = [row for row in list(csv.reader(lines))[1:] if row[0] not in names]
    with RESULTS.open("w", newline="") as lines:
        writer = csv.writer(lines, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(sorted([*kept, *map(astuple, groups.values())], key=lambda row: [str(value) for value in row]))


if __name__ == "__main__":
    main()
