"""The one result of a build: what report.json holds and the terminal table shows."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from edgelstm.report.metrics import Accuracy
from edgelstm.report.saturation import Saturation


@dataclass(frozen=True)
class ModelFacts:
    """The model itself. `sha256` is that of model.tflite."""

    name: str
    sha256: str
    parameters: int
    macs_per_step: int


@dataclass(frozen=True)
class TargetFacts:
    """What it was built for, with what, where it ran, and how its C was written ("speed, wide weights")."""

    name: str
    compiler: str
    runner: str
    optimize: str


@dataclass(frozen=True)
class FlashBytes:
    """Flash of the model's own code and constants, from the ELF."""

    code: int
    tables: int
    weights: int
    other_constants: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.code + self.tables + self.weights + self.other_constants


@dataclass(frozen=True)
class RamBytes:
    """RAM of one instance: state and buffers are the struct, the stack was painted and measured.

    `stack` is 0 where it cannot be measured (on the host).
    """

    state: int
    buffers: int
    stack: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.state + self.buffers + self.stack


@dataclass(frozen=True)
class Cost:
    """Executed instructions, from an emulator; None where they cannot be counted (on the host).

    `instructions_per_run` is a whole window: all steps and one output. Where the emulator is exact to the processor's
    clock, there are cycles instead.
    """

    instructions_per_step: int | None
    instructions_per_run: int | None
    cycles_per_step: int | None = None
    cycles_per_run: int | None = None


@dataclass(frozen=True)
class Rung:
    """One comparison of the verification ladder.

    Attributes:
        against: what the simulator was compared with.
        contract: the arithmetic contract.
        sequences: how many input sequences.
        values: how many outputs and states.
        mismatches: how many differ.
        largest: the largest difference.
        allowed: the largest difference that is no failure; None where any is, for information.
        version: of the interpreter, "" where there is none.
        first: the first difference, in words, or "".
    """

    against: str
    contract: str
    sequences: int
    values: int
    mismatches: int
    largest: int = 0
    allowed: int | None = 0
    first: str = ""
    version: str = ""

    @property
    def passed(self) -> bool:
        """Whether the rung holds."""
        return self.allowed is None or self.largest <= self.allowed


@dataclass(frozen=True)
class Result:
    """Everything a build found out about one target.

    `accuracy` is None without data; `firmware_sections` are the bytes of each section of the ELF, none for the host.
    """

    model: ModelFacts
    target: TargetFacts
    flash: FlashBytes
    ram: RamBytes
    firmware_flash_bytes: int
    firmware_ram_bytes: int
    cost: Cost
    accuracy: Accuracy | None
    verification: tuple[Rung, ...]
    firmware_sections: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> str:
        """The text of report.json."""
        return json.dumps(self.to_mapping(), indent=2) + "\n"

    def to_mapping(self) -> Mapping[str, Any]:
        """The same as plain values."""
        return {
            "model": asdict(self.model),
            "target": asdict(self.target),
            "memory": {
                "flash_bytes": asdict(self.flash) | {"total": self.flash.total},
                "ram_bytes": asdict(self.ram) | {"total": self.ram.total},
                "firmware_bytes": {
                    "flash": self.firmware_flash_bytes,
                    "ram": self.firmware_ram_bytes,
                    "sections": dict(self.firmware_sections),
                },
            },
            "cost": asdict(self.cost),
            "accuracy": None if self.accuracy is None else accuracy_mapping(self.accuracy),
            "verification": [_rung_mapping(rung) for rung in self.verification],
        }


def accuracy_mapping(accuracy: Accuracy) -> Mapping[str, Any]:
    """The accuracy as plain values, under the report's keys; infinities become None, as JSON has none."""
    return {
        "metric": accuracy.metric,
        "float": accuracy.float_value,
        "quantized": accuracy.quantized_value,
        "agreement": accuracy.agreement,
        "sqnr_db": accuracy.sqnr_db if math.isfinite(accuracy.sqnr_db) else None,
        "outputs": accuracy.outputs,
        "saturated_inputs_percent": list(accuracy.saturated_inputs_percent),
        "saturations": [asdict(one) for one in accuracy.saturations],
        "float_mae": accuracy.float_mae,
        "quantized_mae": accuracy.quantized_mae,
        "confusion": accuracy.confusion,
        "labels": list(accuracy.labels),
        "spans": list(accuracy.spans),
        "outputs_apart": {name: accuracy_mapping(one) for name, one in accuracy.outputs_apart.items()},
    }


def _rung_mapping(rung: Rung) -> Mapping[str, Any]:
    return asdict(rung) | {"passed": rung.passed}


def accuracy_from_mapping(values: Mapping[str, Any]) -> Accuracy:
    """The inverse of `accuracy_mapping`."""
    confusion = values["confusion"]
    return Accuracy(
        metric=values["metric"],
        float_value=_number(values["float"]),
        quantized_value=_number(values["quantized"]),
        agreement=float(values["agreement"]),
        sqnr_db=math.inf if values["sqnr_db"] is None else float(values["sqnr_db"]),
        outputs=int(values["outputs"]),
        saturated_inputs_percent=tuple(float(percent) for percent in values["saturated_inputs_percent"]),
        confusion=None if confusion is None else tuple(tuple(row) for row in confusion),
        labels=tuple(values["labels"]),
        float_mae=_number(values["float_mae"]),
        quantized_mae=_number(values["quantized_mae"]),
        saturations=tuple(
            Saturation(str(one["where"]), float(one["percent"]), int(one["samples"]), _number(one["margin"]))
            for one in values["saturations"]
        ),
        spans=tuple(float(span) for span in values["spans"]),
        outputs_apart={str(name): accuracy_from_mapping(one) for name, one in values["outputs_apart"].items()},
    )


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def result_from_mapping(values: Mapping[str, Any]) -> Result:
    """The inverse of `Result.to_mapping`, for a report.json that we wrote."""
    memory, accuracy = values["memory"], values["accuracy"]
    flash = {key: value for key, value in memory["flash_bytes"].items() if key != "total"}
    ram = {key: value for key, value in memory["ram_bytes"].items() if key != "total"}
    rungs = [{key: value for key, value in rung.items() if key != "passed"} for rung in values["verification"]]
    return Result(
        model=ModelFacts(**values["model"]),
        target=TargetFacts(**values["target"]),
        flash=FlashBytes(**flash),
        ram=RamBytes(**ram),
        firmware_flash_bytes=memory["firmware_bytes"]["flash"],
        firmware_ram_bytes=memory["firmware_bytes"]["ram"],
        cost=Cost(**values["cost"]),
        accuracy=None if accuracy is None else accuracy_from_mapping(accuracy),
        verification=tuple(Rung(**rung) for rung in rungs),
        firmware_sections={str(name): int(size) for name, size in memory["firmware_bytes"]["sections"].items()},
    )
