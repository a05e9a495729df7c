"""Put generated tables between the markers of README.md, here and of the project."""

from pathlib import Path

import kernel_tables as tables
from kernel_limits import all_checks
from kernel_natives import natives
from kernel_results import read_costs, read_predictions

from edgelstm.output import write_atomically

README = Path(__file__).parent / "README.md"
PROJECT_README = README.parent.parent / "README.md"


def write_page(page: Path = README, project_page: Path = PROJECT_README) -> None:
    """Write every generated section anew from the committed results, also the table of the project's README.md.

    Raises:
        ValueError: a page lacks a section's markers.
    """
    _fill(page, _sections())
    _fill(project_page, {"optimize": tables.optimize(read_costs())})


def _fill(path: Path, sections: dict[str, str]) -> None:
    text = path.read_text()
    for name, content in sections.items():
        begin, end = f"<!-- {name}: generated -->\n", f"<!-- end of {name} -->"
        if not text.count(begin) == text.count(end) == 1:
            raise ValueError(f"{path} needs the markers {begin}{end} once each")
        text = text[: text.index(begin) + len(begin)] + content + "\n" + text[text.index(end) :]
    write_atomically(path, text)


def _sections() -> dict[str, str]:
    costs, predictions = read_costs(), read_predictions()
    by_gcc = [cost for cost in costs if cost.family == "gcc"]
    return {
        "limits": tables.limits(all_checks(costs, predictions)),
        "instructions": tables.instructions(costs),
        "natives": natives(costs),
        "worst steps": tables.worst_steps(by_gcc),
        "loads": tables.loads(by_gcc),
        "memory": tables.memory(by_gcc),
        "others": tables.others(costs),
        "steps on Cortex-M4": tables.steps_on_m4(costs),
        "techniques": tables.techniques(costs),
        "cost model": tables.cost_models(predictions),
    }
